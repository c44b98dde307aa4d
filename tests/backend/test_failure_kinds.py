"""Which failures of a backend would come again, and which may be the machine's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.backend.builder import ReadyBuild
from miniuv.errors import BackendError, BuildError
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
        "os._exit(137)",
        "raise MemoryError",
        "raise OSError(28, os.strerror(28))",
        "raise ConnectionRefusedError(111, os.strerror(111))",
    ],
)
def test_the_machine_may_be_to_blame(prepare: Callable[..., ReadyBuild], tmp_path: Path, body: str) -> None:
    assert not isinstance(failure(prepare, tmp_path / "p", body), BackendError)
