"""The two sdists that the repositories are made from, fetched by miniuv's own client."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from demo.repositories import PROJECTS, DemoProject
from miniuv.errors import HashMismatchError, PackageIndexError
from miniuv.index.package_index import PackageIndex
from miniuv.settings import Settings


def fetch_sdists(settings: Settings, *, environ: Mapping[str, str]) -> dict[str, Path]:
    """Fetch the sdist of each project into the cache of ``settings``; return their paths by project name."""
    from miniuv.cache.jobs import JobRunner
    from miniuv.cache.store import Store
    from miniuv.index.client import HttpClient
    from miniuv.reporter import Reporter

    reporter = Reporter()
    client = HttpClient(settings=settings, reporter=reporter, environ=environ)
    with Store.open(settings.cache_dir, reporter=reporter) as store:
        jobs = JobRunner(locks=store.locks, reporter=reporter, limits={}, lock_wait=settings.lock_wait)
        index = PackageIndex(settings=settings, client=client, store=store, jobs=jobs, reporter=reporter)
        try:
            return {project.name: _fetch(project, index) for project in PROJECTS}
        finally:
            client.close()


def _fetch(project: DemoProject, index: PackageIndex) -> Path:
    files = index.files(canonicalize_name(project.name))
    file = next((each for each in files if each.filename == project.sdist), None)
    if file is None:
        raise PackageIndexError(
            f"the index has no `{project.sdist}`, which the demo makes its repository from",
            hint="point `MINIUV_INDEX_URL` at an index that has it",
        )
    path = index.download(file).path
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != project.sha256:
        raise HashMismatchError(
            f"`{project.sdist}` is not the file that the fixtures are made from: sha256 {digest}, not {project.sha256}",
            where=file.index,
            hint="point `MINIUV_INDEX_URL` at an index that has the file as it was published",
        )
    return path
