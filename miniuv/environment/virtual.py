"""Make virtual environments, through virtualenv."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from miniuv.environment.places import is_environment_folder
from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.names import ENVIRONMENT_LOCKS


def create_environment(
    path: Path,
    interpreter: Interpreter,
    *,
    environ: Mapping[str, str],
    seed: bool = False,
    clear: bool = False,
    prompt: str | None = None,
    system_site_packages: bool = False,
) -> None:
    """Make a virtual environment at ``path`` (absolute); ``seed`` puts pip into it.

    With ``clear`` an environment that is there is emptied first, but for its ``.lock``: a lock that somebody holds
    or waits for must stay the same file. A folder with anything else in it is refused.
    """
    arguments = [str(path), *_arguments(interpreter, seed=seed, prompt=prompt, system=system_site_packages)]
    try:
        _check_place(path, clear=clear)
        with _removed_on_failure(path):
            _empty(path)
            # Killed half-way it is still known as an environment, so that `--clear` can make it anew.
            (path / "pyvenv.cfg").write_text(f"home = {interpreter.real_executable.parent}\n", encoding="utf-8")
            _run_virtualenv(arguments, environ)
    except OSError as error:
        raise TargetError(f"cannot make `{path}`: {error.strerror or error}", hint=_hint(error)) from error


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """Make ``path`` where it is not there yet; then it goes again when the body fails."""
    existed = path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not existed:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _check_place(path: Path, *, clear: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise TargetError(f"`{path}` is a file", hint="name a folder that is not there yet")
    if is_environment_folder(path):
        if not clear:
            raise TargetError(f"there is an environment at `{path}`", hint="`--clear` makes it anew")
    elif any(entry.name not in ENVIRONMENT_LOCKS for entry in path.iterdir()):
        raise TargetError(
            f"`{path}` is no environment and not empty",
            hint="name another folder; miniuv removes nothing but environments",
        )


def _empty(path: Path) -> None:
    # `pyvenv.cfg` goes last: cut short, the rest is still known as an environment.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == "pyvenv.cfg"):
        if entry.name in ENVIRONMENT_LOCKS:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _arguments(interpreter: Interpreter, *, seed: bool, prompt: str | None, system: bool) -> list[str]:
    arguments = ["--python", str(interpreter.executable), "--no-periodic-update", "--no-download"]
    if not seed:
        arguments.append("--no-seed")
    if system:
        arguments.append("--system-site-packages")
    if prompt is not None:
        arguments += ["--prompt", prompt]
    return arguments


def _run_virtualenv(arguments: list[str], environ: Mapping[str, str]) -> None:
    from virtualenv import session_via_cli

    own = {name: value for name, value in environ.items() if not name.startswith("VIRTUALENV_")}
    own["VIRTUALENV_CONFIG_FILE"] = os.devnull
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="miniuv-") as app_data:
        try:
            with contextlib.redirect_stderr(said):
                session = session_via_cli([*arguments, "--app-data", app_data], setup_logging=False, env=own)
            # Newer releases would write a `.venv` file beside the environment; older ones know nothing of it.
            session.creator.venv_redirect = False
            with session:
                session.run()
        except SystemExit as error:
            last = (said.getvalue().strip().splitlines() or ["it gave no reason"])[-1]
            raise TargetError(f"virtualenv refuses: {last.removeprefix('virtualenv: error: ')}") from error
        except RuntimeError as error:
            raise TargetError(f"virtualenv failed: {error}") from error


def _hint(error: OSError) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there, then try again"
    return "check that the folder above it may be written to"
