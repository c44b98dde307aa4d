"""miniuv as a user runs it, in a world of its own: no settings, no home, no cache but the test's."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miniuv.cli.entry import run
from tests.support.pythons import make_environment


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class World:
    """A folder, a cache and an environment ``.venv`` to install into."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, *, environment: bool = True, index: str | None = None) -> "World":
        """Make one below ``folder``; without ``index`` nothing is found on any."""
        world = cls(folder=folder / "world")
        world.folder.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "MINIUV_TRACEBACK") if name in os.environ}
        world.environ = {
            **kept,
            "HOME": str(folder / "home"),
            "MINIUV_CACHE_DIR": str(folder / "cache"),
            "MINIUV_NO_CONFIG": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        if index is None:
            world.environ["MINIUV_NO_INDEX"] = "1"
        else:
            world.environ["MINIUV_INDEX_URL"] = index
        if environment:
            make_environment(world.folder / ".venv")
        return world

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.folder / ".venv" / "bin" / "python"

    @property
    def site(self) -> Path:
        """Where the environment has its packages."""
        (found,) = (self.folder / ".venv" / "lib").glob("python*/site-packages")
        return found

    def miniuv(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> Said:
        """Run a command in this process, from the world's folder."""
        out, err = io.StringIO(), io.StringIO()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            code = run(
                [str(each) for each in arguments], environ={**self.environ, **(environ or {})}, stdout=out, stderr=err
            )
        finally:
            os.chdir(before)
        return Said(code=code, out=out.getvalue(), err=err.getvalue())

    def install(self, *arguments: str | Path) -> Said:
        """``miniuv pip install``, which must succeed."""
        said = self.miniuv("pip", "install", *arguments)
        assert said.code == 0, said.err
        return said

    def start(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "miniuv", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *command: str | Path,
        environ: Mapping[str, str] | None = None,
        timeout: float | None = None,
        start_new_session: bool = False,
    ) -> Said:
        """Run any program to its end, as a process of its own."""
        done = subprocess.run(
            [*map(str, command)],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            start_new_session=start_new_session,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def installed(self) -> dict[str, str]:
        """Name and version of everything in the environment."""
        said = self.miniuv("pip", "list", "--format", "json")
        return {row["name"]: row["version"] for row in json.loads(said.out)}

    def evaluate(self, code: str) -> str:
        """What the environment's Python prints for ``code``."""
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pip(self, *arguments: str) -> Said:
        """The real pip, run on the environment from outside."""
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)
