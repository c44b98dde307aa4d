"""Several calls at once, until the first fails."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that what has been cancelled gets to end in, before the error is told all the same."""


def in_parallel(
    compute: Callable[[K], T],
    items: Sequence[K],
    *,
    workers: int,
    cancel: Callable[[], None] | None = None,
    first: Callable[[K], str] | None = None,
) -> tuple[T, ...]:
    """``compute`` of each of ``items``, in their order; they are begun in the order of the key ``first``.

    On the first failure ``cancel`` is called, which ends what still runs, and the failure is raised: what fails
    because it was cancelled says nothing about why.
    """
    if not items:
        return ()
    positions = range(len(items))
    pool = ThreadPoolExecutor(min(workers, len(items)))
    begun = positions if first is None else sorted(positions, key=lambda position: first(items[position]))
    futures = {position: pool.submit(copy_context().run, compute, items[position]) for position in begun}
    try:
        done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
        # Where one has failed, it is among those that are done.
        results = tuple(futures[position].result() for position in positions if futures[position] in done)
        pool.shutdown()  # nothing is left to be waited for but the threads' own end
        return results
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        if cancel is not None:
            cancel()
            wait([future for future in futures.values() if not future.cancelled()], timeout=PATIENCE)
        raise
    finally:
        pool.shutdown(wait=False)
