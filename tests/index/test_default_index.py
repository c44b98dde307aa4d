"""Against the index that everybody uses."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.index.client import HttpClient
from miniuv.index.package_index import PackageIndex
from miniuv.reporter import Reporter
from miniuv.settings import Settings

pytestmark = pytest.mark.index


def test_a_project_is_found_downloaded_and_remembered_offline(tmp_path: Path) -> None:
    loaded = Settings.load(cli={"cache_dir": str(tmp_path / "cache")}, environ=os.environ, directory=tmp_path)
    alone = replace(loaded, extra_index_urls=(), find_links=(), no_index=False)
    reporter = Reporter()
    digests = []
    for settings in (alone, replace(alone, offline=True)):
        with (
            Store.open(settings.cache_dir, reporter=reporter, runtime=tmp_path / "runtime") as store,
            HttpClient(settings, environ=os.environ) as client,
        ):
            jobs = JobRunner(locks=store.locks, reporter=reporter, limits={}, lock_wait=None)
            index = PackageIndex(settings=settings, client=client, store=store, jobs=jobs, reporter=reporter)
            assert index.files(canonicalize_name("there-is-no-such-project-by-miniuv")) == ()
            file = next(file for file in index.files(canonicalize_name("iniconfig")) if "2.0.0-py3" in file.filename)
            digests.append(index.download(file).sha256)
    assert digests == [file.hashes["sha256"]] * 2
