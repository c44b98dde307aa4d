"""Carrying out what a journal says, also one that somebody else has left: the first step of every other change."""

import contextlib
import glob
import os
from collections.abc import Callable
from pathlib import Path

from packaging.utils import canonicalize_name

from miniuv.environment.places import is_change_pending
from miniuv.errors import InstallError
from miniuv.install.failures import translated
from miniuv.install.journal import Journal, way_out
from miniuv.install.layout import Layout
from miniuv.install.moves import deferred_signals, disturbed, do_moves, stale_compiled, undo_moves
from miniuv.install.staging import discard, sweep
from miniuv.models.interpreter import Interpreter
from miniuv.names import WORK_FOLDER
from miniuv.reporter import Reporter


def carry_out(journal: Journal, *, interrupted: Callable[[], bool] = lambda: False) -> None:
    """Do what ``journal`` says, from wherever it was cut short, and forget it.

    Whatever goes wrong, all is taken back: raises what it was, or ``UnrestoredError`` where that fails too.
    """
    if journal.is_undone:
        undo_moves(journal.moves)
    else:
        try:
            do_moves(journal.moves, interrupted=interrupted)
        except BaseException:
            with contextlib.suppress(OSError):  # then a kill in this very moment would let the change come true
                journal = journal.turn()
            undo_moves(journal.moves)
            journal.close()
            raise
    journal.close()


def is_recovery_due(interpreter: Interpreter) -> bool:
    """Whether ``recover`` has something to do; also where another change is being made this moment."""
    return os.path.lexists(interpreter.scheme.data / WORK_FOLDER)


def recover(interpreter: Interpreter, *, reporter: Reporter) -> None:
    """Finish or take back a change of this environment that was cut short, and remove what is left of others.

    The caller holds the environment's lock. Raises ``InstallError`` where another tool has changed the same things
    since: then nothing is touched.
    """
    if not is_recovery_due(interpreter):
        return
    layout = Layout.of(interpreter)
    journal = Journal.read(layout)
    if journal is not None:
        failed = f"a change of this environment that was cut short, of {journal.summary}, could not be finished"
        with translated(layout, failed=failed), deferred_signals():
            _check(journal)
            if not journal.is_undone:
                for path in stale_compiled(journal.moves):
                    Path(path).unlink(missing_ok=True)
            carry_out(journal)
            for folder in reversed(journal.folders):
                discard(Path(folder))
        done = "taken back" if journal.is_undone else "finished"
        reporter.warning(f"a change of this environment that was cut short is now {done}: {journal.summary}")
    sweep(layout.work_folder)


def foreign_places(journal: Journal) -> list[str]:
    """Name the places where somebody else has been at work since ``journal`` was written; raises ``OSError``.

    Another ``.dist-info`` of a distribution that comes or goes is one too: another tool has installed that meanwhile.
    """
    found = disturbed(journal.moves, is_undone=journal.is_undone)
    names = {canonicalize_name(title.partition(" ")[0]) for title in journal.titles}
    known = {part for move in journal.moves for part in (move.place, os.path.dirname(move.place))}
    for library in journal.layout.libraries:
        for info in sorted(glob.glob(f"{glob.escape(library)}/*.dist-info")):
            if canonicalize_name(os.path.basename(info).partition("-")[0]) in names and info not in known:
                found.append(info)
    return found


def tell_of_pending(interpreter: Interpreter, *, reporter: Reporter) -> None:
    """Warn of a change that was cut short; for commands that change nothing."""
    if is_change_pending(interpreter.scheme.data):
        reporter.warning(
            "a change of this environment was cut short, and what is told of it may be half of the truth",
            hint="`miniuv pip check` finishes it, and so does the next command that changes something",
        )


def _check(journal: Journal) -> None:
    if places := foreign_places(journal):
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        raise InstallError(
            f"a change of this environment was cut short, and another tool has changed `{places[0]}`{more} since:"
            f" {journal.summary}",
            where=str(journal.path),
            hint=way_out(journal.layout, journal.titles),
        )
