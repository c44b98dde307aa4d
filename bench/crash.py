"""Kill each installer before any change it makes in an environment, and look: ``python -m bench.crash [--step N]``.

The change is the upgrade of two small distributions from local wheels, with a warm cache. After each kill the
environment is looked at as it is, and after the tool's next command, which is the same again. Files that nobody owns
count too: pip leaves some. The library that counts and kills is that of the tests.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bench.contents import read_contents
from bench.tools import make_environment
from tests.support.crash_points import NUMBERS, watched
from tests.support.shims import compile_shim
from tests.support.wheels import make_wheel

_PATIENCE = 120.0
_TOGETHER = 0
"""The process to kill along with the one that makes the change: none, these tools change it in one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """One tool, and where it is tried."""

    name: str
    command: tuple[str, ...]
    """What comes before the arguments of ``install``."""
    folder: Path
    library: Path
    found: Counter[str] = field(default_factory=Counter)

    @property
    def environment(self) -> Path:
        """The one that is changed."""
        return self.folder / "environment"

    def install(self, version: str, *, chosen: int = 0) -> "subprocess.CompletedProcess[str]":
        """Install ``version`` of both, killed before change number ``chosen``."""
        numbers = self.folder / "numbers"
        numbers.write_bytes(NUMBERS.pack(0, chosen, _TOGETHER, 1, 0))
        shim = watched(self.library, numbers=numbers, below=self.environment)
        wheels = str(self.folder / "wheels")
        argv = [*self.command, "--no-index", "--find-links", wheels, f"alpha=={version}", f"beta=={version}"]
        return subprocess.run(
            argv,
            env={**_variables(self.folder), **shim},
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )

    def changes(self) -> int:
        """How many the last command made."""
        count: int = NUMBERS.unpack((self.folder / "numbers").read_bytes())[0]
        return count

    def prepare(self) -> tuple[Mapping[str, str], Mapping[str, str], int]:
        """Make wheels and an environment with the old; gives the old and new contents and the count of changes."""
        for version in ("1.0", "2.0"):
            for name in ("alpha", "beta"):
                files = {f"{name}/m{number}.py": f"{version} {number}" for number in range(12)}
                make_wheel(self.folder / "wheels", name, version, files)
        make_environment(self.environment, python=Path(sys.executable))
        contents = []
        for version in ("1.0", "2.0"):
            done = self.install(version)
            if done.returncode != 0:
                raise SystemExit(f"{self.name} cannot install at all: {done.stderr.strip()}")
            contents.append(read_contents(self.environment, place=self.folder))
            if version == "1.0":
                shutil.copytree(self.environment, self.folder / "pristine", symlinks=True)
        return contents[0], contents[1], self.changes()

    def run(self, step: int) -> None:
        """Kill before every ``step``-th change, and count what is ``found``."""
        old, new, total = self.prepare()
        for chosen in range(1, total + 1, step):
            shutil.rmtree(self.environment)
            shutil.copytree(self.folder / "pristine", self.environment, symlinks=True)
            if self.install("2.0", chosen=chosen).returncode == 0:  # pip runs itself in a child, and is not killed
                continue
            self.found["points"] += 1
            self.found["neither old nor new when killed"] += not _is_whole(self.environment, self.folder, old, new)
            again = self.install("2.0")
            if not _is_whole(self.environment, self.folder, new):
                self.found["neither after the next command"] += 1
                self.found["which said that all is well"] += again.returncode == 0


def _is_whole(environment: Path, place: Path, *wanted: Mapping[str, str]) -> bool:
    """Whether it holds one of ``wanted``, and every RECORD is true."""
    try:
        if read_contents(environment, place=place) not in wanted:
            return False
        return all(map(_is_true, (environment / "lib").rglob("*.dist-info")))
    except (OSError, ValueError, KeyError):
        return False


def _is_true(info: Path) -> bool:
    for path, promise, _ in csv.reader((info / "RECORD").read_text("utf-8").splitlines()):
        digest = urlsafe_b64encode(sha256((info.parent / path).read_bytes()).digest()).rstrip(b"=").decode()
        if promise not in ("", f"sha256={digest}"):
            return False
    return True


def _variables(folder: Path) -> dict[str, str]:
    caches = {f"{name}_CACHE_DIR": str(folder / "cache") for name in ("MINIUV", "UV", "PIP")}
    alone = {"MINIUV_NO_CONFIG": "1", "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull, "HOME": str(folder)}
    return {"PATH": os.environ["PATH"], **caches, **alone, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__.partition(":")[0])
    parser.add_argument("--step", type=int, default=1, metavar="N", help="try every N-th change")
    parser.add_argument("--uv", type=Path, default=shutil.which("uv"), help="the program (default: that on the PATH)")
    arguments = parser.parse_args(argv)
    rows = (
        "points",
        "neither old nor new when killed",
        "neither after the next command",
        "which said that all is well",
    )
    print(f"| tool | {' | '.join(rows)} |\n|---|{'---|' * len(rows)}")
    with tempfile.TemporaryDirectory(prefix="miniuv-bench-") as temporary:
        folder = Path(os.path.realpath(temporary))
        library = compile_shim("crash_points", folder)
        python = str(folder / "{}" / "environment" / "bin" / "python")
        commands: dict[str, tuple[str, ...]] = {
            "miniuv": (sys.executable, "-m", "miniuv", "pip", "install", "--python", python)
        }
        if arguments.uv:
            commands["uv"] = (str(arguments.uv), "pip", "install", "--python", python)
        commands["pip"] = (sys.executable, "-m", "pip", "--python", python, "install", "--no-compile")
        for name, command in commands.items():
            (folder / name).mkdir()
            words = tuple(word.replace("{}", name) for word in command)
            course = Course(name=name, command=words, folder=folder / name, library=library)
            course.run(arguments.step)
            print(f"| {name} | {' | '.join(str(course.found[row]) for row in rows)} |", flush=True)


if __name__ == "__main__":
    main()
