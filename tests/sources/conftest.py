import os
from collections.abc import Iterator

import pytest

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
from tests.support.backends import FolderProvisioner
from tests.support.pythons import here
from tests.support.recipes import make_backend
from tests.support.reuse import FolderBuilds


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FolderBuilds]:
    folder = tmp_path_factory.mktemp("builds")
    wheel = make_backend(folder / "links")
    (folder / "home").mkdir()
    with Store.open(folder / "cache", reporter=Reporter(), runtime=folder) as store:
        yield FolderBuilds(
            store=store,
            jobs=JobRunner(locks=store.locks, reporter=Reporter(), limits={"build": 2}, lock_wait=None),
            interpreter=here(),
            provisioner=FolderProvisioner(wheel.parent, folder / "unpacked"),
            environ={"PATH": os.environ["PATH"], "HOME": str(folder / "home")},
        )
