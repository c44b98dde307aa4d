"""Which failures of a backend would come again, and which may be the machine's."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.backend.builder import ReadyBuild
from miniuv.cache.failures import Failures
from miniuv.cache.store import Store
from miniuv.errors import BackendError, BuildError
from miniuv.reporter import Reporter
from tests.support.backends import make_tiny_project


def failure(prepare: Callable[..., ReadyBuild], folder: Path, body: str) -> BuildError:
    code = f"def build_wheel(folder, settings=None, metadata=None):\n    import os\n    {body}\n"
    with prepare(make_tiny_project(folder, code)) as ready, pytest.raises(BuildError) as caught:
        ready.build(folder)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit('bad')",
        "1 / 0",
        "import not_there",
        "return 'no wheel'",
        "open(folder + '/other-1.0-py3-none-any.whl', 'w'); return 'other-1.0-py3-none-any.whl' + 'x'",
    ],
)
def test_the_project_is_to_blame(prepare: Callable[..., ReadyBuild], tmp_path: Path, body: str) -> None:
    assert isinstance(failure(prepare, tmp_path / "p", body), BackendError)


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), 9)",
        "os.kill(os.getpid(), 11)",
        "os._exit(137)",
        "raise MemoryError",
        *(
            f"raise OSError({code}, os.strerror({code}))"
            for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.EAGAIN)
        ),
        "raise ConnectionRefusedError(111, os.strerror(111))",
        "print('gcc: fatal error: Killed signal terminated program cc1plus'); raise SystemExit(1)",
        "print('cc1plus: out of memory allocating 65536 bytes'); raise SystemExit(1)",
    ],
)
def test_the_machine_may_be_to_blame_and_nobody_else_is_told(
    prepare: Callable[..., ReadyBuild], tmp_path: Path, body: str
) -> None:
    error = failure(prepare, tmp_path / "p", body)
    assert not isinstance(error, BackendError)
    with Store.open(tmp_path / "told", reporter=Reporter(), runtime=tmp_path / "runtime") as store:
        failures = Failures(store)
        failures.record("failure of p", error, began=time.monotonic())
        assert failures.find("failure of p") is None
        failures.record("failure of p", BackendError("for comparison"), began=time.monotonic())
        assert failures.find("failure of p") is not None
