import threading

import pytest

from miniuv.errors import BuildError, Interrupted
from miniuv.sources.parallel import in_parallel

_PATIENCE = 20.0


def test_answers_come_in_the_order_of_the_items_whichever_is_begun_first() -> None:
    begun: list[str] = []

    def compute(item: str) -> str:
        begun.append(item)
        return item * 2

    assert in_parallel(compute, ["b", "a", "c"], workers=1, first=lambda item: item) == ("bb", "aa", "cc")
    assert begun == ["a", "b", "c"]
    assert in_parallel(compute, [], workers=4) == ()


def test_the_first_failure_cancels_the_rest_and_is_the_one_that_is_told() -> None:
    cancelled, waits = threading.Event(), threading.Event()

    def compute(item: str) -> str:
        if item == "waits":
            waits.set()
            assert cancelled.wait(_PATIENCE)
            raise BuildError("killed")
        assert waits.wait(_PATIENCE)
        raise BuildError("the reason")

    with pytest.raises(BuildError, match="the reason"):
        in_parallel(compute, ["waits", "fails"], workers=2, cancel=cancelled.set)
    assert cancelled.is_set()


def test_what_has_not_begun_is_never_begun_after_a_failure() -> None:
    begun: list[int] = []

    def compute(item: int) -> None:
        begun.append(item)
        raise BuildError(f"{item}")

    with pytest.raises(BuildError, match="0"):
        in_parallel(compute, range(50), workers=1)
    assert len(begun) < 50


def test_an_interrupt_of_the_caller_cancels() -> None:
    cancelled = threading.Event()

    def compute(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        in_parallel(compute, [1], workers=1, cancel=cancelled.set)
    assert cancelled.is_set()
