"""Doing again what was recorded, with the locks, the checks and the journal of every other change.

Whatever is not plainly as it was is left to the normal path, before anything is changed. Once the journal is written,
the change will be carried out: by us, or after a kill or a failure by whoever comes next, as ever.
"""

from __future__ import annotations

import os
import time
from binascii import crc32

from miniuv import state
from miniuv.cache.boot import UNKNOWN, boot_id
from miniuv.cache.trust import distrust
from miniuv.names import CACHE_VERSION, WORK_FOLDER
from miniuv.replay.lease import Held, owner_record, take_lease
from miniuv.replay.record import FILES, Facts, action, cache_folder, place
from miniuv.replay.target import DoubtError, Target
from miniuv.replay.work import Work, stage
from miniuv.report.words import duration
from miniuv.stamps import date_back, holds

try:
    import _signal as signals  # type: ignore[import-not-found]
    from _json import scanstring
except ImportError:
    import signal as signals
    from json.decoder import scanstring  # type: ignore[attr-defined,no-redef]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_BYTES = 256 << 20
_HELD_BACK = (signals.SIGINT, signals.SIGTERM, signals.SIGHUP)
_UNUSED_FOR = 3600.0
"""Seconds after which the use of an entry of the cache is noted again."""


def perform(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]] | None:
    """Install what the command is known to install; when colour is wanted, and lines to tell, without it and with it.

    ``None`` where the normal path has to be taken; nothing has happened then, or the journal tells what has.
    """
    try:
        directory = os.getcwd()
        cache = cache_folder(arguments, environ)
        name = action(arguments, environ, directory)
        text = _read(place(cache, name), name) if cache else ""
        if not text:
            return None
        began = time.perf_counter()
        versioned = f"{cache}/{CACHE_VERSION}"
        head, _, body = text.partition(f"\n{FILES}\n")
        facts = Facts(head.split("\n"))
        target = Target(arguments, environ, directory)
        _check(facts, target, versioned)
        questions = facts.all("ask")
        if questions:
            from miniuv.replay.confirm import confirmed

            if not confirmed(questions, cache=cache, environ=environ):
                return None
        resolved = time.perf_counter()
        # A signal would find things half done, so it comes when they are whole.
        before = signals.pthread_sigmask(signals.SIG_BLOCK, _HELD_BACK)
        try:
            replay = _Replay(facts, body.split("\n"), target, versioned)
            (command,) = facts.one("command")
            with take_lease(versioned, command=command, pins=[pin for (pin,) in facts.all("pin")]):
                replay.note_use()
                prepared = time.perf_counter()
                replay.carry_out(owner_record(command, "install"))
                done = time.perf_counter()
            (color,) = facts.one("color")
            again = [line for (line,) in facts.all("again")]
            shown = target.shown(environ, directory) if again else ""  # quiet is quiet
            seen = [f"Using Python {facts.one('python')[0]} environment at: {shown}"] if shown else []
            key = state.key(arguments, environ, directory)
            replay.write_state(key, questions=questions, color=color, told=[*seen, *again])
        except BaseException:
            signals.pthread_sigmask(signals.SIG_SETMASK, before)
            raise
    except (OSError, ValueError, LookupError):
        return None
    spent = {"resolve": resolved - began, "prepare": prepared - resolved, "install": done - prepared}
    dim = [*seen, *(f"{text} in {duration(spent[step])}" for step, text in facts.all("counted"))]
    changes = [(plain, colored) for plain, colored in facts.all("change")]
    return color, [*((line, f"\x1b[2m{line}\x1b[0m") for line in dim), *changes]


def _read(path: str, name: str) -> str:
    """The text of a record, see ``cache.records``; empty where there is none that is whole."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > _MAX_BYTES:
            return ""
        line, _, data = file.read().partition(b"\n")
    start = f'{{"action":"{name}","record":{{"replay":"'
    content = data.decode("ascii")
    if line != b"%08x" % crc32(data) or not content.startswith(start):
        return ""
    text, end = scanstring(content, len(start))
    return text if content[end:] == "}}" else ""


def _check(facts: Facts, target: Target, versioned: str) -> None:
    """Raise ``ValueError`` where anything that the outcome rests on is not as it was."""
    boot, begin, end = facts.one("valid")
    if boot != boot_id() or boot == UNKNOWN or not float(begin) <= time.time() < float(end):
        raise DoubtError("no longer fresh")
    if not all(holds(line) for key in ("input", "page") for (line,) in facts.all(key)):
        raise DoubtError("something has changed")
    folder = os.path.realpath(versioned)
    while True:
        if distrust(os.stat(folder)):
            raise DoubtError("somebody else may have written it")
        if folder == "/":
            break
        folder = os.path.dirname(folder)
    target.check(facts)
    target.look()


class _Replay:
    def __init__(self, facts: Facts, rows: Sequence[str], target: Target, versioned: str) -> None:
        self._facts = facts
        self._rows = rows
        self._target = target
        self._versioned = versioned
        self._seen = target.look()
        self._present: list[str] = []

    def note_use(self) -> None:
        """Note that entries of the cache are used; raises ``OSError`` where one is gone."""
        now = time.time()
        for (pin,) in self._facts.all("pin"):
            entry = f"{self._versioned}/{pin}"
            if abs(now - os.lstat(entry).st_mtime) > _UNUSED_FOR:
                os.utime(entry)

    def carry_out(self, owner: bytes) -> None:
        """Stage the files, then bring them in under the environment's lock, by a journal."""
        target = self._target
        with Work(target.work) as work:
            stage(self._rows, folder=f"{work.folder}/new", source=self._versioned, python=target.executable)
            with Held(target.lock, mode=os.stat(target.real).st_mode & 0o666, new=False) as lock:
                lock.tell(owner)
                if target.look() != self._seen or not work.is_alone():
                    raise DoubtError("somebody was first")
                moves = [
                    ("comes", f"{target.real}/{place}", f"{work.folder}/new/{aside}", int(entries))
                    for place, aside, entries in self._facts.all("move")
                ]
                for _, place, _, _ in moves:
                    if os.path.lexists(place) or not work.reaches(os.path.dirname(place)):
                        raise DoubtError("something is in the way")
                infos = [place for _, place, _, _ in moves if place.endswith(".dist-info")]
                work.change(moves, titles=self._facts.one("titles"), start=f"{target.real}/")
                state.date_environment_back(infos, scripts=target.scripts, sites=target.sites)
                self._present = target.stamps()

    def write_state(self, key: str, *, questions: Sequence[Sequence[str]], color: str, told: Sequence[str]) -> None:
        """Let the fast exit know."""
        target = self._target
        date_back((target.real,))
        try:
            state.write(
                target.prefix,
                key,
                absent=f"{target.prefix}/{WORK_FOLDER}",
                target=target.named,
                look=target.stamps,
                expected=self._present,
                inputs=[line for (line,) in self._facts.all("input")],
                questions=questions,
                color=color,
                told=told,
            )
        except OSError:  # which only spares the next one work
            return
