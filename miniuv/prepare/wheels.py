"""``Plan`` to ``PreparedWheel`` s, many at once, before the environment is touched."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

from packaging.utils import parse_wheel_filename

from miniuv.errors import BuildError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.plan import Plan, PlannedInstall
from miniuv.models.source import IndexFile, Sha256
from miniuv.models.wheel import PreparedWheel, UnpackedWheel
from miniuv.sources.catalog import Catalog
from miniuv.sources.direct_url import direct_url_of
from miniuv.sources.parallel import in_parallel

_WORKERS = 64


def prepare(
    plan: Plan,
    *,
    catalog: Catalog,
    cancel: Callable[[], None] | None = None,
    fetched: Callable[[Sequence[UnpackedWheel]], object] | None = None,
) -> tuple[PreparedWheel, ...]:
    """Fetch, build and unpack everything that ``plan`` installs; in the order of the plan.

    A thread that finds its wheel being made by another process costs nothing while it waits, so that with one
    thread for each wheel two processes given the same work split it. Each process starts somewhere else.
    ``fetched`` is called, by one of these threads, with all wheels of the index as soon as they are there, while others
    may still be built. ``cancel`` is called on the first failure, and ends what still runs.
    """
    expected = sum(map(_is_fetched, plan.installs))
    there: list[UnpackedWheel] = []
    guard = threading.Lock()

    def one(planned: PlannedInstall) -> PreparedWheel:
        prepared = _prepared(catalog, planned)
        if fetched is not None and _is_fetched(planned):
            with guard:
                there.append(prepared.wheel)
                is_last = len(there) == expected
            if is_last:
                fetched(there)
        return prepared

    return in_parallel(one, plan.installs, workers=_WORKERS, cancel=cancel, first=partial(_shuffled, os.getpid()))


def _is_fetched(planned: PlannedInstall) -> bool:
    source = planned.candidate.source
    return isinstance(source, IndexFile) and source.is_wheel


def _prepared(catalog: Catalog, planned: PlannedInstall) -> PreparedWheel:
    candidate = planned.candidate
    source = candidate.source
    assert not isinstance(source, InstalledDistribution), "what is kept is not planned"
    catalog.check_hashes(source, candidate.hashes)
    wheel = catalog.wheel(source)
    name, version, *_ = parse_wheel_filename(wheel.filename)
    if (name, version) != (candidate.name, candidate.version):
        raise BuildError(
            f"`{candidate.name} {candidate.version}` was decided on, and a build of it brought `{wheel.filename}`",
            where=str(source),
            hint="run the command again: what it is now is remembered",
        )
    digest = catalog.archive_digest(source)
    return PreparedWheel(
        planned=planned, wheel=wheel, direct_url=direct_url_of(source, digest=Sha256(digest) if digest else None)
    )


def _shuffled(seed: int, planned: PlannedInstall) -> str:
    return hashlib.sha256(f"{seed} {planned.candidate.name}".encode()).hexdigest()
