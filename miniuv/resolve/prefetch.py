"""Work done ahead of the resolver's questions, by threads; it never changes an answer, only when it is ready."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from types import TracebackType
from typing import Self

from miniuv.models.requirement import Requirement
from miniuv.models.source import DirectSource, IndexFile
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.limits import Limits
from miniuv.resolve.terms import Term, Want
from miniuv.sources.catalog import Catalog
from miniuv.sources.parallel import PATIENCE

_WORKERS = 32


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
        cancel: Callable[[], None] | None,
    ) -> None:
        """``is_settled`` says that what is installed will do, so that the index need not be asked."""
        self._catalog = catalog
        self._direct = direct
        self._finder = finder
        self._limits = limits
        self._is_settled = is_settled
        self._cancel = cancel
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="prefetch")
        self._futures: list[Future[None]] = []
        self._direct_names: set[str] = set()
        self._held: list[Requirement] | None = []
        self._known: set[tuple[str, DirectSource | None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)
        if error is not None and self._cancel is not None:
            self._cancel()
            wait([future for future in self._futures if not future.cancelled()], timeout=PATIENCE)

    def announce(self, terms: Iterable[Term]) -> None:
        """Begin on everything new among ``terms``, but for plain names before ``release``.

        Called by the resolver's thread only.
        """
        wanted = [term.requirement for term in terms if isinstance(term, Want) and not term.extra]
        self._direct_names.update(requirement.name for requirement in wanted if requirement.source is not None)
        for requirement in wanted:
            if requirement.source is not None or self._held is None:
                self._begin(requirement)
            else:
                self._held.append(requirement)

    def release(self) -> None:
        """From now on plain names are looked for on the index too: enough is known of what comes from elsewhere."""
        held, self._held = self._held, None
        for requirement in held or ():
            self._begin(requirement)

    def _begin(self, requirement: Requirement) -> None:
        if requirement.source is None and requirement.name in self._direct_names:
            return  # a sibling: the index is never asked for it
        key = requirement.name, requirement.source
        if key not in self._known and not self._is_settled(requirement):
            self._known.add(key)
            self._futures.append(self._pool.submit(copy_context().run, self._fetch, requirement))

    def _fetch(self, requirement: Requirement) -> None:
        name = requirement.name
        if direct := [*([requirement] if requirement.source else []), *self._limits.sources(name)]:
            self._direct.candidate(direct)
            return
        specifier = self._limits.specifier(name, [requirement])
        for candidate in self._finder.candidates(name, specifier, self._limits.hashes(name)):
            source = candidate.source
            if isinstance(source, IndexFile) and source.is_wheel:  # an sdist may have to be built for its metadata
                self._catalog.metadata(source)
            return
