"""One answer for each question, whoever asks; loops are errors, never hangs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.errors import BuildError, LockOrderError, MiniuvError
from miniuv.sources.once import Once

_PATIENCE = 20.0


def test_an_answer_is_computed_once_for_many_threads() -> None:
    calls: list[str] = []
    begun = threading.Barrier(8)

    def compute(key: str) -> str:
        calls.append(key)
        return key.upper()

    once = Once(compute)

    def ask(_: int) -> str:
        begun.wait(_PATIENCE)
        return once("a")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"A"}
    assert calls == ["a"]


def test_whoever_holds_a_lock_may_not_ask_even_for_what_is_known() -> None:
    held: list[str] = []

    def check_free(wish: str) -> None:
        if held:
            raise LockOrderError(f"{wish} was waited for while holding {held}")

    once: Once[str, str] = Once(str.upper, label=lambda key: f"the wheel of {key}", check_free=check_free)
    assert once("a") == "A"
    held.append("b")
    for key in "ab":
        with pytest.raises(LockOrderError, match=f"`the wheel of {key}` was waited for"):
            once(key)


def test_an_error_is_remembered_too() -> None:
    calls: list[str] = []

    def compute(key: str) -> str:
        calls.append(key)
        raise MiniuvError("no")

    once = Once(compute)
    for _ in range(2):
        with pytest.raises(MiniuvError, match="no"):
            once("a")
    assert calls == ["a"]


def test_a_question_that_needs_itself_is_told_as_a_loop() -> None:
    once: Once[str, str] = Once(lambda key: f"{once(key)}")
    with pytest.raises(BuildError, match=r"form a loop: a needs a$"):
        once("a")


def test_a_loop_through_several_kinds_of_question_names_them_all() -> None:
    wheel: Once[str, str] = Once(
        lambda key: metadata({"a": "b", "b": "a"}[key]), label=lambda key: f"the wheel of {key}"
    )
    metadata: Once[str, str] = Once(wheel, label=lambda key: f"the metadata of {key}")
    with pytest.raises(BuildError) as caught:
        wheel("a")
    assert str(caught.value) == (
        "build requirements form a loop: the wheel of a needs the metadata of b needs the wheel of b needs "
        "the metadata of a needs the wheel of a"
    )
    assert caught.value.hint


def test_a_question_without_a_name_is_left_out_of_the_loop_that_is_told() -> None:
    wheel: Once[str, str] = Once(lambda key: needs({"a": "b", "b": "a"}[key]), label=lambda key: f"the wheel of {key}")
    needs: Once[str, str] = Once(wheel, label=lambda _: "")
    with pytest.raises(BuildError) as caught:
        wheel("a")
    assert str(caught.value).endswith("loop: the wheel of a needs the wheel of b needs the wheel of a")


def test_two_threads_from_both_ends_of_a_loop_do_not_wait_for_each_other() -> None:
    begun = threading.Barrier(2)

    def compute(key: str) -> str:
        if key in ("a", "b"):
            begun.wait(_PATIENCE)  # each has begun before either asks for the other
        return once({"a": "b", "b": "a"}[key])

    once: Once[str, str] = Once(compute)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(once, key) for key in ("a", "b")]
        for future in futures:
            assert "loop" in str(future.exception(_PATIENCE))


def test_a_loop_is_found_through_threads_that_work_for_a_question() -> None:
    def compute(key: str) -> str:
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(copy_context().run, once, other) for other in needs[key]]
            return "".join([key, *(future.result(_PATIENCE) for future in futures)])

    once: Once[str, str] = Once(compute)
    needs = {"a": "bc", "b": "d", "c": "d", "d": ""}
    assert once("a") == "abdcd"
    again: Once[str, str] = Once(compute)
    once, needs = again, {"a": "bc", "b": "", "c": "d", "d": "a"}
    with pytest.raises(BuildError, match="loop"):
        once("a")


graphs = st.dictionaries(st.integers(0, 5), st.lists(st.integers(0, 5), max_size=3), max_size=6)


def _loops(graph: dict[int, list[int]], start: int, above: frozenset[int] = frozenset()) -> bool:
    return start in above or any(_loops(graph, other, above | {start}) for other in graph.get(start, []))


@given(graph=graphs)
@settings(max_examples=60)
def test_whoever_asks_gets_an_answer_or_hears_of_a_loop(graph: dict[int, list[int]]) -> None:
    def compute(key: int) -> int:
        return 1 + sum(once(other) for other in graph.get(key, []))

    once: Once[int, int] = Once(compute)
    with ThreadPoolExecutor(6) as pool:
        futures = {key: pool.submit(once, key) for key in range(6)}
        for key, future in futures.items():
            error = future.exception(_PATIENCE)
            assert (error is not None) == _loops(graph, key), (key, error)
            assert error is None or "loop" in str(error)


def test_the_asker_is_forgotten_when_the_answer_is_there() -> None:
    """What was asked and answered earlier is no part of a later loop."""
    once: Once[str, Callable[[], str]] = Once(lambda key: lambda: key)
    other: Once[str, str] = Once(lambda key: once(key)() + once(key)())
    assert other("a") == "aa"
    assert other("b") == "bb"


def test_an_answer_that_holds_no_longer_is_computed_anew() -> None:
    answers = iter(range(10))
    gone: set[int] = set()
    once: Once[str, int] = Once(lambda _: next(answers), holds=lambda answer: answer not in gone)
    assert [once("key"), once("key")] == [0, 0]
    gone.add(0)
    assert [once("key"), once("key")] == [1, 1]
