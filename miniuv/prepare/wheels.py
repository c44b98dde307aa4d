"""``Plan`` to ``PreparedWheel`` s, many at once, before the environment is touched."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context

from miniuv.errors import Interrupted
from miniuv.models.installed import InstalledDistribution
from miniuv.models.plan import Plan, PlannedInstall
from miniuv.models.source import Sha256
from miniuv.models.wheel import PreparedWheel
from miniuv.sources.catalog import Catalog
from miniuv.sources.direct_url import direct_url_of

_WORKERS = 64


def prepare(plan: Plan, *, catalog: Catalog, cancel: Callable[[], None]) -> tuple[PreparedWheel, ...]:
    """Fetch, build and unpack everything that ``plan`` installs; in the order of the plan.

    A thread that finds its wheel being made by another process costs nothing while it waits, so that with one
    thread for each wheel two processes given the same work split it. Each process starts somewhere else.

    On the first failure ``cancel`` is called, which ends what still runs. Raises the failure that comes first
    in the order of the plan.
    """
    installs = plan.installs
    if not installs:
        return ()
    seed = os.getpid()
    with ThreadPoolExecutor(min(_WORKERS, len(installs)), thread_name_prefix="prepare") as pool:
        futures: dict[int, Future[PreparedWheel]] = {}
        for position in sorted(range(len(installs)), key=lambda position: _shuffled(installs[position], seed)):
            futures[position] = pool.submit(copy_context().run, _prepared, installs[position], catalog)
        try:
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        except BaseException:
            cancel()
            raise
        if any(future.done() and future.exception() for future in futures.values()):
            cancel()
            for future in futures.values():
                future.cancel()
    _raise_first([futures[position] for position in range(len(installs))])
    return tuple(futures[position].result() for position in range(len(installs)))


def _prepared(planned: PlannedInstall, catalog: Catalog) -> PreparedWheel:
    source = planned.candidate.source
    assert not isinstance(source, InstalledDistribution), "what is kept is not planned"
    wheel = catalog.wheel(source)
    digest = catalog.archive_digest(source)
    return PreparedWheel(
        planned=planned, wheel=wheel, direct_url=direct_url_of(source, digest=Sha256(digest) if digest else None)
    )


def _raise_first(futures: Sequence[Future[PreparedWheel]]) -> None:
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    # A thread that was cancelled because of another's failure says nothing about why.
    for error in sorted(errors, key=lambda error: isinstance(error, Interrupted)):
        raise error


def _shuffled(planned: PlannedInstall, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {planned.candidate.name}".encode()).digest()
