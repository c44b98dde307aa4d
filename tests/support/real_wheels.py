"""Wheels of the index that everybody uses, fetched as miniuv fetches them."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.index.client import HttpClient
from miniuv.index.package_index import PackageIndex
from miniuv.models.source import IndexFile, Sha256
from miniuv.reporter import Reporter
from miniuv.settings import Settings

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class RealWheel:
    """A wheel that somebody has published."""

    filename: str
    path: Path
    digest: Sha256


def fetch_wheels(
    folder: Path, projects: Sequence[str], *, each: int, smallest: int = 0, largest: int
) -> tuple[RealWheel, ...]:
    """Fetch ``each`` wheels of every project, spread from its oldest to its newest, between these sizes in bytes."""
    loaded = Settings.load(cli={"cache_dir": str(folder / "cache")}, environ=os.environ, directory=folder)
    settings = replace(loaded, extra_index_urls=(), find_links=(), no_index=False, constraint_files=())
    reporter = Reporter()
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.cache_dir, reporter=reporter, runtime=folder / "runtime"))
        client = stack.enter_context(HttpClient(settings, environ=os.environ))
        pool = stack.enter_context(ThreadPoolExecutor(_AT_ONCE))
        jobs = JobRunner(locks=store.locks, reporter=reporter, limits={}, lock_wait=None)
        index = PackageIndex(settings=settings, client=client, store=store, jobs=jobs, reporter=reporter)

        def choose(project: str) -> list[IndexFile]:
            files = [file for file in index.files(canonicalize_name(project)) if _fits(file, smallest, largest)]
            files.sort(key=lambda file: (parse_wheel_filename(file.filename)[1], file.filename))
            return list(_spread(files, each))

        def fetch(file: IndexFile) -> RealWheel:
            download = index.download(file)
            path = folder / "wheels" / file.filename
            path.parent.mkdir(exist_ok=True)
            path.hardlink_to(download.path)
            return RealWheel(filename=file.filename, path=path, digest=download.sha256)

        return tuple(pool.map(fetch, [file for files in pool.map(choose, projects) for file in files]))


def _fits(file: IndexFile, smallest: int, largest: int) -> bool:
    return file.filename.endswith(".whl") and file.size is not None and smallest <= file.size <= largest


def _spread(files: Sequence[IndexFile], count: int) -> Iterator[IndexFile]:
    """At most ``count`` of them, the last for sure."""
    places = {len(files) - 1 - number * len(files) // count for number in range(count)}
    return (files[place] for place in sorted(places) if place >= 0)
