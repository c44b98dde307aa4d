"""The change itself: all of it or nothing."""

from collections.abc import Sequence
from pathlib import Path

from miniuv.install.changes import ChangeSet, Incoming, Outgoing
from miniuv.install.conflicts import Conflicts
from miniuv.install.contents import NewDistribution, NewFile
from miniuv.install.failures import translated
from miniuv.install.journal import Journal
from miniuv.install.layout import Layout
from miniuv.install.link import LinkMode
from miniuv.install.moves import deferred_signals
from miniuv.install.owned import OwnedFiles, leftover_files, owned_files, staying_owners
from miniuv.install.reach import Reach
from miniuv.install.recovery import carry_out
from miniuv.install.stage import StagedPlan, staged_plan
from miniuv.models.interpreter import Interpreter
from miniuv.models.plan import PlannedRemoval
from miniuv.models.request import InstallOptions
from miniuv.models.wheel import PreparedWheel
from miniuv.process import Runner
from miniuv.reporter import Reporter
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class _Leaving:
    """A distribution that leaves, and the place in the plan of what comes for it."""

    owned: OwnedFiles
    order: int


def apply_plan(
    prepared: Sequence[PreparedWheel],
    removals: Sequence[PlannedRemoval],
    *,
    interpreter: Interpreter,
    options: InstallOptions,
    link_mode: LinkMode,
    runner: Runner,
    reporter: Reporter,
) -> None:
    """Install ``prepared`` and remove ``removals`` as one change of the environment of ``interpreter``.

    ``staged_plan`` and ``commit_plan`` in one, for a caller who holds the environment's lock throughout.
    """
    with staged_plan(
        prepared,
        interpreter=interpreter,
        compile_modules=options.compile_bytecode,
        link_mode=link_mode,
        runner=runner,
        reporter=reporter,
    ) as staged:
        commit_plan(staged, removals, options=options, reporter=reporter)


def commit_plan(
    staged: StagedPlan, removals: Sequence[PlannedRemoval], *, options: InstallOptions, reporter: Reporter
) -> Journal:
    """Put what is staged into its place, and take out what it replaces and the ``removals``, by renames only.

    Answers what was carried out.

    The caller holds the environment's lock, has let ``recover`` look for an earlier change, and has made sure that the
    plan still fits. Whatever goes wrong while we live, the environment is as it was: raises ``InstallError`` or
    ``Interrupted`` then. Killed before the journal is there, nothing has happened; after that, ``recover`` finishes.
    """
    layout = staged.staging.layout
    with translated(layout):
        leaving = _leaving(staged.distributions, removals, layout=layout, reporter=reporter)
        infos = frozenset(one.owned.info for one in leaving)
        conflicts = Conflicts(
            staged.overlaps, options=options, reporter=reporter, owners=lambda: staying_owners(layout, infos)
        )
        edits = _edits(leaving)
        staged.staging.fill([file for file, _ in edits])
        reach = Reach(staged.staging)
        changes = ChangeSet(layout, conflicts, is_movable=reach.is_movable)
        _bring(changes, [*staged.files, *edits], staged.distributions, leaving)
        _remove(changes, leaving, conflicts)
        steps = changes.steps()
        conflicts.conclude()
        moves = reach.moves(steps)
        titles = [*(new.title for new in staged.distributions), *(one.owned.title for one in leaving)]
        journal = Journal(layout=layout, titles=tuple(dict.fromkeys(titles)), folders=reach.folders, moves=moves)
        with deferred_signals() as interrupted:
            journal.write()
            carry_out(journal, interrupted=interrupted)
        return journal


def _leaving(
    distributions: Sequence[NewDistribution], removals: Sequence[PlannedRemoval], *, layout: Layout, reporter: Reporter
) -> list[_Leaving]:
    leaving: dict[str, _Leaving] = {}
    for order, new in enumerate(distributions):
        for installed in new.prepared.planned.replaces:
            owned = owned_files(installed, layout=layout, reporter=reporter, replaced=True)
            leaving.setdefault(owned.info, _Leaving(owned=owned, order=order))
    for order, removal in enumerate(removals, start=len(distributions)):
        owned = owned_files(removal.installed, layout=layout, reporter=reporter, replaced=False)
        leaving.setdefault(owned.info, _Leaving(owned=owned, order=order))
    for order, new in enumerate(distributions):
        if new.info not in leaving and Path(new.info).is_dir():
            owned = leftover_files(new.info, layout=layout, reporter=reporter)
            leaving[owned.info] = _Leaving(owned=owned, order=order)
    return list(leaving.values())


def _edits(leaving: Sequence[_Leaving]) -> list[tuple[NewFile, int]]:
    """Say what is left of shared files when all who ``leaving`` are have taken their lines out."""
    left: dict[str, list[bytes]] = {}
    orders: dict[str, int] = {}
    for one in leaving:
        for path, data in one.owned.edits.items():
            lines = data.splitlines(keepends=True)
            left[path] = [line for line in left[path] if line in lines] if path in left else lines
            orders.setdefault(path, one.order)
    return [
        (NewFile(target=path, source=None, data=b"".join(lines), sha256="", size=len(b"".join(lines))), orders[path])
        for path, lines in left.items()
    ]


def _bring(
    changes: ChangeSet,
    files: Sequence[tuple[NewFile, int]],
    distributions: Sequence[NewDistribution],
    leaving: Sequence[_Leaving],
) -> None:
    adopting = {one.order for one in leaving if not one.owned.is_complete}
    titles = dict(enumerate(distribution.title for distribution in distributions))
    for file, order in files:
        title = titles.get(order, "the change")
        changes.bring(Incoming(file=file, order=order, title=title, adopts=order in adopting))


def _remove(changes: ChangeSet, leaving: Sequence[_Leaving], conflicts: Conflicts) -> None:
    for one in leaving:
        for path in one.owned.paths:
            if path not in conflicts.owners:  # uninstalling one leaves the other's file
                changes.remove(path, Outgoing(order=one.order))
        for path in one.owned.edits:
            changes.remove(path, Outgoing(order=one.order))
