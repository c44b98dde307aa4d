"""Work done ahead of the resolver's questions, by threads; it never changes an answer, only when it is ready."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from types import TracebackType
from typing import Self

from packaging.utils import NormalizedName

from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import IndexFile
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.limits import Limits
from miniuv.resolve.terms import Pick, Term, Want
from miniuv.settings.resolved import available_cores
from miniuv.sources.catalog import Catalog
from miniuv.sources.parallel import PATIENCE

_WORKERS = 32
_WHEELS = 16
_LARGEST = 64 << 20
"""No longer wheel is fetched before it is certain that it is needed."""


class Prefetch:
    """Asks the sources, whose answers are remembered, for what the resolver is likely to ask next.

    An error is not lost: it is remembered too, and raised when the resolver asks. A context manager: where it
    is left with an error, ``cancel`` ends what still runs.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        direct: DirectSources,
        finder: Finder,
        limits: Limits,
        is_settled: Callable[[Requirement], bool],
        is_fetched: Callable[[Candidate], bool],
        cancel: Callable[[], None] | None,
    ) -> None:
        """``is_settled`` says that what is installed will do, so that the index need not be asked.

        ``is_fetched`` says of a candidate that was chosen, for now, that its wheel may be fetched already.
        """
        self._catalog = catalog
        self._direct = direct
        self._finder = finder
        self._limits = limits
        self._is_settled = is_settled
        self._is_fetched = is_fetched
        self._cancel = cancel
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="prefetch")
        self._wheels = ThreadPoolExecutor(_WHEELS, thread_name_prefix="wheels")
        self._builds = ThreadPoolExecutor(max(1, available_cores() // 2), thread_name_prefix="builds")
        """Half of the machine: what the resolver waits for has to be built as well."""
        self._futures: list[Future[None]] = []
        self._guard = threading.RLock()
        self._direct_names: set[str] = set()
        self._held: list[Requirement] | None = []
        self._is_over = False
        self._known: set[tuple[object, ...]] = set()
        self._wanted: dict[NormalizedName, dict[str, Requirement]] = {}
        """The plain requirements on each name, by their specifiers."""
        self._likely: dict[NormalizedName, Candidate] = {}
        """The candidate that was read ahead last."""
        self._chosen: set[Candidate] = set()
        self._follow: Callable[[Pick], object] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._is_over = True
        for wheels in (self._wheels, self._builds):  # who needs a wheel waits for it
            wheels.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        if error is not None and self._cancel is not None:
            self._cancel()
            wait([future for future in self._futures if not future.cancelled()], timeout=PATIENCE)

    def follow(self, dependencies: Callable[[Pick], object]) -> None:
        """From now on go on to what is needed by what was read ahead; ``dependencies`` announces it."""
        self._follow = dependencies

    def announce(self, terms: Iterable[Term]) -> None:
        """Begin on everything new among ``terms``, but for plain names before ``release``. Thread-safe."""
        wanted = dict.fromkeys(term.requirement for term in terms if isinstance(term, Want))
        with self._guard:
            if self._is_over:
                return
            self._direct_names.update(requirement.name for requirement in wanted if requirement.source is not None)
            for requirement in wanted:
                if requirement.source is not None or self._held is None:
                    self._begin(requirement)
                else:
                    self._held.append(requirement)

    def release(self) -> None:
        """From now on plain names are looked for on the index too: enough is known of what comes from elsewhere."""
        with self._guard:
            held, self._held = self._held, None
            for requirement in held or ():
                self._begin(requirement)

    def choose(self, candidate: Candidate) -> None:
        """Fetch the wheel of what the resolver has chosen, for now; it rarely thinks again."""
        source = candidate.source
        if not isinstance(source, IndexFile) or not source.is_wheel or candidate in self._chosen:
            return
        self._chosen.add(candidate)
        if source.size is not None and source.size <= _LARGEST and self._is_fetched(candidate):
            self._futures.append(self._wheels.submit(copy_context().run, self._fetch_wheel, candidate))

    def _begin(self, requirement: Requirement) -> None:
        name = requirement.name
        if requirement.source is None and name in self._direct_names:
            return  # a sibling: the index is never asked for it
        key = name, requirement.source, requirement.extras
        limits = self._wanted.setdefault(name, {})
        is_new = str(requirement.specifier) not in limits
        limits.setdefault(str(requirement.specifier), requirement)
        likely = self._likely.get(name)
        is_narrower = is_new and likely is not None and not _admits(requirement, likely)
        if (key not in self._known or is_narrower) and not self._is_settled(requirement):
            self._known.add(key)
            self._futures.append(self._pool.submit(copy_context().run, self._fetch, requirement))

    def _fetch(self, requirement: Requirement) -> None:
        name = requirement.name
        if direct := [*([requirement] if requirement.source else []), *self._limits.sources(name)]:
            self._begin_wheel(self._direct.candidate(direct))
            return
        with self._guard:
            wanted = list(self._wanted[name].values())
        specifier = self._limits.specifier(name, wanted)
        for candidate in self._finder.candidates(name, specifier, self._limits.hashes(name)):
            source = candidate.source
            if isinstance(source, IndexFile) and source.is_wheel:  # an sdist may have to be built for its metadata
                with self._guard:
                    self._likely[name] = candidate
                    if self._is_over:
                        return
                    further = [each for each in self._wanted[name].values() if each not in wanted]
                    if not all(_admits(each, candidate) for each in further):  # said while we looked
                        self._futures.append(self._pool.submit(copy_context().run, self._fetch, requirement))
                for extra in ("", *sorted(requirement.extras)):
                    self._follow(Pick(candidate, extra))
            return

    def _begin_wheel(self, candidate: Candidate) -> None:
        """Fetch or build the wheel of what was named by its place, and so is needed whatever else is chosen."""
        if isinstance(candidate.source, InstalledDistribution) or not self._is_fetched(candidate):
            return
        with self._guard:
            if candidate not in self._chosen and not self._is_over:
                self._chosen.add(candidate)
                self._futures.append(self._builds.submit(copy_context().run, self._fetch_wheel, candidate))

    def _fetch_wheel(self, candidate: Candidate) -> None:
        source = candidate.source
        assert not isinstance(source, InstalledDistribution), "what is installed is kept"
        self._catalog.check_hashes(source, candidate.hashes)
        self._catalog.wheel(source)


def _admits(requirement: Requirement, candidate: Candidate) -> bool:
    return requirement.specifier.contains(candidate.version, prereleases=True)
