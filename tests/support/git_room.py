"""The git room with a cache, a runner that remembers, and an environment of its own."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.git.repositories import GitRepositories
from miniuv.models.source import GitSource, PinnedGit
from miniuv.models.url import Url
from miniuv.process import Completed, SubprocessRunner
from miniuv.reporter import Reporter


class RememberingRunner(SubprocessRunner):
    """The real thing, and a list of what was run."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self._keeping = threading.Lock()

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        with self._keeping:
            self.commands.append(list(argv))
            self.environments.append(dict(options.get("environment") or {}))
        return super().run(argv, **options)

    def count(self, command: str) -> int:
        """How often git ran with that command."""
        return sum(command in argv for argv in self.commands)


class GitRoom:
    """One run of miniuv, as far as git is concerned."""

    def __init__(
        self,
        store: Store,
        *,
        environ: Mapping[str, str],
        reporter: Reporter | None = None,
        offline: bool = False,
        refresh: bool = False,
    ) -> None:
        self.store = store
        self.runner = RememberingRunner()
        reporter = reporter or Reporter()
        self.jobs = JobRunner(locks=store.locks, reporter=reporter, limits={"fetch": 4}, lock_wait=None)
        self.repositories = GitRepositories(
            store=store,
            jobs=self.jobs,
            runner=self.runner,
            reporter=reporter,
            environ=environ,
            offline=offline,
            refresh=refresh,
        )

    def pin(self, url: str, ref: str | None = None, subdirectory: str | None = None) -> PinnedGit:
        return self.repositories.pin(GitSource(repository=Url.parse(url), ref=ref, subdirectory=subdirectory))

    def checkout(self, url: str, ref: str | None = None) -> Path:
        return self.repositories.checkout(self.pin(url, ref))

    def build_copy(self, url: str, ref: str | None, destination: Path) -> Path:
        self.repositories.build_copy(self.pin(url, ref), destination)
        return destination


@contextmanager
def open_room(
    cache: Path,
    *,
    reporter: Reporter | None = None,
    offline: bool = False,
    refresh: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Iterator[GitRoom]:
    """Open the cache and the room; ``environ`` adds to a plain environment without anybody's git configuration."""
    cache.mkdir(mode=0o700, exist_ok=True)
    with Store.open(cache, reporter=reporter or Reporter()) as store:
        variables = plain_environment(cache.parent / "home") | dict(environ or {})
        yield GitRoom(store, environ=variables, reporter=reporter, offline=offline, refresh=refresh)


def plain_environment(home: Path) -> dict[str, str]:
    """Return an environment in which git finds no configuration but that in ``home``."""
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
