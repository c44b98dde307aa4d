"""One answer a run for each question, whichever thread asks; a loop of questions is an error, never a hang.

Questions lead to questions: the wheel of an sdist needs its build requirements, whose wheels may have to be
built themselves. Two threads may come from both ends (``a`` needs ``b`` to build, ``b`` needs ``a``) and wait
for each other. So each question knows which questions it waits for, and nobody begins a wait that would close
a circle.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import Generic, TypeVar

from miniuv.errors import BuildError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Question:
    """One computation under way, and those that it waits for."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.waits_for: list[_Question] = []

    def path_to(self, goal: "_Question", seen: "set[_Question]") -> "list[_Question] | None":
        """The chain of waits from here to ``goal``; ``None`` where there is none. ``seen`` leads nowhere."""
        if self is goal:
            return [self]
        seen.add(self)
        for other in self.waits_for:
            if other not in seen and (rest := other.path_to(goal, seen)) is not None:
                return [self, *rest]
        return None


_current: ContextVar[_Question | None] = ContextVar("question", default=None)
_guard = threading.Lock()


class Once(Generic[K, T]):
    """Remembers the result, or the exception, of ``compute`` for each key; one thread computes, others wait.

    Whoever waits here holds no lock. Raises ``BuildError`` with the chain where the answer to a question would
    need itself. Threads that compute on behalf of a question must run in a copy of its context.
    """

    def __init__(
        self,
        compute: Callable[[K], T],
        *,
        label: Callable[[K], str] = str,
        holds: Callable[[T], bool] | None = None,
        check_free: Callable[[str], None] | None = None,
    ) -> None:
        """``label`` names a question for people, should it be part of a loop; a question without a name is left out.

        ``check_free`` raises where the calling thread holds a lock, and so may not wait for an answer.
        ``holds`` says, quickly, whether an answer is still true; one that is not is computed anew.
        """
        self._compute = compute
        self._label = label
        self._holds = holds
        self._check_free = check_free
        self._answers: dict[K, tuple[_Question, Future[T]]] = {}

    def __call__(self, key: K, /) -> T:
        """The answer for ``key``."""
        if self._check_free is not None:
            self._check_free(f"`{self._label(key)}`")
        asker = _current.get()
        with _guard:
            known = self._answers.get(key)
            if known is not None and self._is_outdated(known[1]):
                known = None
            question, future = known or (_Question(self._label(key)), Future())
            if known is None:
                self._answers[key] = question, future
            if future.done():
                return future.result()
            if asker is not None:
                if known is not None and (chain := question.path_to(asker, set())) is not None:
                    raise _loop([*chain, question])
                asker.waits_for.append(question)
        try:
            if known is None:
                self._answer(key, question, future)
            return future.result()
        finally:
            if asker is not None:
                with _guard:
                    asker.waits_for.remove(question)

    def _is_outdated(self, future: Future[T]) -> bool:
        if self._holds is None or not future.done() or future.exception() is not None:
            return False
        return not self._holds(future.result())

    def _answer(self, key: K, question: _Question, future: Future[T]) -> None:
        with _asking(question):
            try:
                future.set_result(self._compute(key))
            except BaseException as error:
                future.set_exception(error)
                raise


@contextmanager
def _asking(question: _Question) -> Iterator[None]:
    token = _current.set(question)
    try:
        yield
    finally:
        _current.reset(token)


def _loop(chain: list[_Question]) -> BuildError:
    labels = [label for label, _ in groupby(filter(None, (question.label for question in chain)))]
    if len(labels) == 1:
        labels *= 2
    return BuildError(
        f"build requirements form a loop: {' needs '.join(labels)}",
        hint="install a wheel of one of them, so that it need not be built",
    )
