"""Everything that the demo and its shell work with: a temporary folder, the repositories, git led to loopback."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from demo.git_server import GitServer
from demo.index_alone import index_alone_variables, load_index_alone
from demo.repositories import UPSTREAM, make_repositories
from demo.sdists import fetch_sdists
from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import CommitId

CHECKOUT = Path(__file__).resolve().parent.parent
FIXTURES = CHECKOUT / "fixtures"
PROJECTS = ("proj1", "proj2")
_WANTED = ">=3.12"
_NO_PROXY = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which interpreter the environments are made of, and the fixtures that fit it."""

    python: Path
    fixtures: Path
    note: str
    """One line for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """A folder full of what the demo needs; the server runs as long as the workshop is open."""

    folder: Path
    choice: Choice
    commits: Mapping[str, CommitId]
    """What the fixtures pin, by project name."""
    server: GitServer
    environment: Mapping[str, str]
    """For every command run in here, from the checkout's own folder."""

    @property
    def editables(self) -> tuple[str, ...]:
        """``-e fixtures/proj1 -e fixtures/proj2``, as arguments."""
        fixtures = self.choice.fixtures
        shown = fixtures.relative_to(CHECKOUT) if fixtures.is_relative_to(CHECKOUT) else fixtures
        return tuple(part for project in PROJECTS for part in ("-e", str(shown / project)))


@contextmanager
def open_workshop(*, environ: Mapping[str, str], keep: bool = False, say: Callable[[str], None]) -> Iterator[Workshop]:
    """Make a workshop; it is removed at the end unless ``keep``."""
    folder = Path(tempfile.mkdtemp(prefix="miniuv-demo-")).resolve()
    try:
        choice = choose(folder, find=_finder(environ))
        say(choice.note)
        settings = load_index_alone(environ, cache=folder / "sdists", directory=CHECKOUT)
        sdists = fetch_sdists(settings, environ=environ)
        commits = make_repositories(folder / "repositories", sdists=sdists, environ=environ)
        for name, commit in commits.items():
            say(f"made {UPSTREAM}{name}.git at {commit}")
        with GitServer(folder / "repositories") as server:
            yield Workshop(
                folder=folder,
                choice=choice,
                commits=commits,
                server=server,
                environment=index_alone_variables(
                    led_to_loopback(environ, server_url=server.url), replace(settings, cache_dir=folder / "cache")
                ),
            )
    finally:
        if keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def choose(folder: Path, *, find: Callable[[str], Interpreter]) -> Choice:
    """Take the newest Python that the fixtures accept and that starts; else fit copies of them to the running one."""
    try:
        found = find(_WANTED)
    except TargetError:
        return _fitted(folder)
    return Choice(python=found.executable, fixtures=FIXTURES, note=f"using Python {found.version}: {found.executable}")


def _fitted(folder: Path) -> Choice:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    fixtures = folder / "fixtures"
    shutil.copytree(FIXTURES, fixtures, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for project in PROJECTS:
        file = fixtures / project / "pyproject.toml"
        text = file.read_text("utf-8")
        file.write_text(text.replace(f'requires-python = "{_WANTED}"', f'requires-python = ">={running}"'), "utf-8")
    note = f"no Python {_WANTED} starts here: using copies of the fixtures that accept the running {running}"
    return Choice(python=Path(sys.executable), fixtures=fixtures, note=note)


def led_to_loopback(environ: Mapping[str, str], *, server_url: str) -> dict[str, str]:
    """Return ``environ`` with this miniuv on PATH and one more git setting; the user's own stay in force."""
    count = int(environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        **environ,
        **{name: ",".join(filter(None, (environ.get(name), _NO_PROXY))) for name in ("no_proxy", "NO_PROXY")},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath))),
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"url.{server_url}/.insteadOf",
        f"GIT_CONFIG_VALUE_{count}": UPSTREAM,
    }


def _finder(environ: Mapping[str, str]) -> Callable[[str], Interpreter]:
    from miniuv.environment.interpreters import Interpreters
    from miniuv.process import SubprocessRunner
    from miniuv.reporter import Reporter

    interpreters = Interpreters(runner=SubprocessRunner(), environ=environ, store=None, reporter=Reporter())
    return lambda request: interpreters.find(request, directory=CHECKOUT)
