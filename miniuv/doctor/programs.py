"""The programs that miniuv runs on, and runs: its own Python, and git."""

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import miniuv
from miniuv.doctor.findings import Finding, note, wrong
from miniuv.git.command import OLDEST_GIT, Git
from miniuv.process import Runner

_OLDEST = (3, 11)


def look_at_miniuv() -> Iterator[Finding]:
    """Yield what runs this."""
    yield Finding(text=f"miniuv {miniuv.__version__}, in `{Path(miniuv.__file__).parent}`")
    yield Finding(text=f"runs with Python {platform.python_version()}, `{sys.executable}`, on {platform.platform()}")
    if sys.version_info < _OLDEST:
        yield wrong("that Python is too old for it", "install miniuv with Python 3.11 or newer")
    if sys.platform != "linux":
        yield note("only Linux is tested")


def look_at_git(*, environ: Mapping[str, str], directory: Path, runner: Runner) -> Iterator[Finding]:
    """Yield what git there is; raises ``GitError`` where there is none, or too old a one."""
    git = Git(runner=runner, environ=environ, directory=directory)
    told = git.run("version", what="tell its version").decode("utf-8", "replace").strip()
    found = shutil.which("git", path=environ.get("PATH"))
    oldest = ".".join(map(str, OLDEST_GIT))
    yield Finding(text=f"{told}, `{found}` ({oldest} or newer is needed)")
