"""Ask an interpreter for its facts, and read its answer."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NewType

from packaging.version import Version

from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter, Scheme
from miniuv.process import Runner

OLDEST = Version("3.9")
"""The oldest Python that can be a target."""

Answer = NewType("Answer", str)
"""The JSON text that ``_probe.py`` prints."""

_TIMEOUT = 60.0
_SCRIPT = Path(__file__).with_name("_probe.py")


def ask(executable: Path, *, runner: Runner, environ: Mapping[str, str]) -> Answer:
    """Start ``executable`` and let it describe itself; ``TargetError`` with the reason where it does not."""
    import packaging

    packaging_folder = Path(packaging.__file__).parent.parent
    argv = [str(executable), "-I", "-B", str(_SCRIPT), str(packaging_folder)]
    # On macOS the launcher of another Python would pass its own path on to this one.
    environment = {name: value for name, value in environ.items() if name != "__PYVENV_LAUNCHER__"}
    try:
        completed = runner.run(argv, environment=environment, timeout=_TIMEOUT)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TargetError(f"`{executable}` does not start: {reason}", hint=_dangling(executable)) from error
    lines = [line for line in completed.stdout.decode("utf-8", "replace").splitlines() if line.startswith("{")]
    if completed.returncode == 0 and not lines:
        hint = "name an interpreter, an environment's folder, or a version such as `3.12`"
        raise TargetError(f"`{executable}` is no Python", hint=hint)
    if completed.returncode != 0:
        told = _last_word(completed.stderr) or f"exit status {completed.returncode}"
        raise TargetError(f"`{executable}` does not start: {told}")
    return Answer(lines[-1])


def read(answer: Answer, *, executable: Path) -> Interpreter:
    """Make an ``Interpreter`` of an answer; the only fact asked of the disk is the PEP 668 mark."""
    try:
        facts: dict[str, Any] = json.loads(answer)
        version = Version(facts["version"])
        if version < OLDEST:
            raise TargetError(
                f"`{executable}` is Python {version}: too old",
                hint=f"miniuv installs into Python {OLDEST} and newer",
            )
        return _interpreter(facts, version)
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"`{executable}` does not describe itself as a Python does") from error


def _interpreter(facts: Mapping[str, Any], version: Version) -> Interpreter:
    prefix, base_prefix = Path(facts["prefix"]), Path(facts["base_prefix"])
    paths = facts["paths"]
    # The `include` of a virtual environment is that of the base installation, so pip has a folder of its own there.
    own_headers = prefix / "include" / "site" / f"python{version.major}.{version.minor}"
    return Interpreter(
        executable=Path(facts["executable"]),
        real_executable=Path(os.path.realpath(facts["base_executable"])),
        prefix=prefix,
        base_prefix=base_prefix,
        version=version,
        implementation=facts["implementation"],
        cache_tag=facts["cache_tag"],
        tags=tuple(facts["tags"]),
        markers=facts["markers"],
        scheme=Scheme(
            purelib=Path(paths["purelib"]),
            platlib=Path(paths["platlib"]),
            scripts=Path(paths["scripts"]),
            data=Path(paths["data"]),
            headers=own_headers if prefix != base_prefix else Path(paths["include"]),
        ),
        is_conda=facts["is_conda"],
        externally_managed=_externally_managed(Path(paths["stdlib"])) if prefix == base_prefix else None,
    )


def _externally_managed(stdlib: Path) -> str | None:
    """Read the distributor's message from the standard library's folder; ``None`` without the PEP 668 mark."""
    from configparser import ConfigParser, Error
    from locale import getlocale

    marker = stdlib / "EXTERNALLY-MANAGED"
    if not marker.is_file():
        return None
    parser = ConfigParser(interpolation=None)
    language = getlocale()[0] or ""
    try:
        parser.read(marker, encoding="utf-8")
    except (UnicodeDecodeError, Error):
        parser.clear()
    # PEP 668: the most specific of `Error-LANGUAGE_COUNTRY`, `Error-LANGUAGE` and `Error`.
    for key in (f"Error-{language}", f"Error-{language.partition('_')[0]}", "Error"):
        if message := parser.get("externally-managed", key, fallback="").strip():
            return message
    return f"`{marker}` gives no reason"


def _last_word(stderr: bytes) -> str:
    """Pick the line that says why: an exception's last one, a shim's first."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else lines[0]


def _dangling(executable: Path) -> str | None:
    if executable.is_symlink() and not executable.exists():
        return f"it is a link to `{os.readlink(executable)}`, which is gone: make the environment anew with `--clear`"
    return None
