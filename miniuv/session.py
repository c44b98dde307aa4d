"""What every command that needs the cache or an interpreter is given: opened before anything heavy is imported."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from miniuv.cache.failures import Failures
from miniuv.cache.jobs import JobRunner, Permit
from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.errors import OfflineError, PackageIndexError
from miniuv.models.interpreter import Interpreter
from miniuv.models.url import Url
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter
from miniuv.settings import Settings
from miniuv.settings.options import flag
from miniuv.values import dataclass
from miniuv.workers import COUNT


@dataclass(frozen=True, kw_only=True)
class Session:
    """Made once."""

    settings: Settings
    reporter: Reporter
    environ: Mapping[str, str]
    directory: Path
    runner: SubprocessRunner
    store: Store
    jobs: JobRunner
    interpreters: Interpreters

    def environment_lock(self, interpreter: Interpreter) -> AbstractContextManager[None]:
        """Taken last and alone, for the commit only."""
        return self.store.locks.environment(interpreter.prefix, limit=self.settings.lock_wait)

    def fetch(self, address: str) -> bytes:
        """Read a requirement file from the web; raises ``PackageIndexError``."""
        url = Url.parse(address)
        if self.settings.offline:
            raise OfflineError("the network is switched off", where=str(url), hint="run it without `--offline`")
        from miniuv.index.client import HttpClient
        from miniuv.project.requirement_file import MAX_BYTES

        with HttpClient(self.settings, environ=self.environ, reporter=self.reporter) as http:
            answer = http.get(url, limit=MAX_BYTES)
        if answer.status != 200:
            hint = "check the address; a user and password go into it, or into `~/.netrc`"
            raise PackageIndexError(f"the server answered with status {answer.status}", where=str(url), hint=hint)
        return answer.body

    def cancel(self) -> None:
        """End what still runs: waits, and other programs with all their children."""
        self.jobs.cancel()
        self.runner.end_all()


@contextmanager
def open_session(
    settings: Settings, *, reporter: Reporter, environ: Mapping[str, str], directory: Path
) -> Iterator[Session]:
    """Open the cache; on leaving, our lease and temporary files are gone, whatever happened."""
    runner = SubprocessRunner()
    with Store.open(
        settings.cache_dir,
        reporter=reporter,
        allow_shared=settings.allow_shared_cache,
        durable=flag(environ, "MINIUV_FSYNC"),
    ) as store:
        limits: dict[Permit, int] = {
            "fetch": settings.concurrent_fetches,
            "download": settings.concurrent_downloads,
            "build": settings.concurrent_builds,
            "unpack": COUNT + 1,  # one that is ready for each worker's end; more would keep others from helping
        }
        jobs = JobRunner(
            locks=store.locks,
            reporter=reporter,
            limits=limits,
            lock_wait=settings.lock_wait,
            failures=Failures(store),
        )
        session = Session(
            settings=settings,
            reporter=reporter,
            environ=environ,
            directory=directory,
            runner=runner,
            store=store,
            jobs=jobs,
            interpreters=Interpreters(runner=runner, environ=environ, store=store, reporter=reporter),
        )
        try:
            yield session
        except BaseException:
            session.cancel()
            raise
