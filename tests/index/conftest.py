import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.index.client import HttpClient
from miniuv.index.package_index import PackageIndex
from miniuv.models.url import Url
from miniuv.reporter import Activity, Reporter
from miniuv.settings import Settings
from miniuv.workers import Workers


@dataclass
class Heard(Reporter):
    """Keeps what it is told."""

    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def warning(self, message: str, *, hint: str | None = None) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def progress(self, activity: Activity, detail: str) -> None:
        self.lines.append(detail)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings that ask ``index`` alone, in a cache of this test."""

    def make(index: str | None = None, **changes: object) -> Settings:
        values: dict[str, object] = {
            "cache_dir": tmp_path / "cache",
            "configured_index_url": Url.parse(index) if index else None,
            "no_index": index is None,
            "timeout": 5.0,
            **changes,
        }
        return Settings(**values)  # type: ignore[arg-type]  # keyword by keyword, as the tests say

    return make


OpenIndex = Callable[..., PackageIndex]


@pytest.fixture
def open_index(
    make_settings: Callable[..., Settings], tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenIndex]:
    """Each call is a new run of the program over the same cache."""
    monkeypatch.setattr("miniuv.index.client.BACKOFF_SECONDS", 0.01)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with ExitStack() as stack:

        def open_index(index: str | None = None, workers: Workers | None = None, **changes: object) -> PackageIndex:
            settings = make_settings(index, **changes)
            store = stack.enter_context(Store.open(settings.cache_dir, reporter=heard, runtime=tmp_path / "runtime"))
            client = stack.enter_context(HttpClient(settings, environ={"HOME": str(tmp_path)}, reporter=heard))
            jobs = JobRunner(locks=store.locks, reporter=heard, limits={"download": 4}, lock_wait=None)
            return PackageIndex(
                settings=settings, client=client, store=store, jobs=jobs, reporter=heard, workers=workers
            )

        yield open_index


def at_once(count: int, call: Callable[[], object]) -> list[object]:
    """Call from ``count`` threads that start together."""
    barrier = threading.Barrier(count)
    results: list[object] = []

    def run() -> None:
        barrier.wait()
        results.append(call())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, stderr=-3)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both
