"""Writing down an installation into an environment that had nothing in it, for the next such environment.

In doubt nothing is written, and nothing fails because of it.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

import packaging

from miniuv.cache.boot import boot_id
from miniuv.cache.owner import Owner
from miniuv.cache.store import Store
from miniuv.environment.family import family
from miniuv.environment.installed import site_folders
from miniuv.errors import CacheError
from miniuv.install.contents import NewFile
from miniuv.install.journal import Journal
from miniuv.install.record import record_hash
from miniuv.install.stage import StagedPlan
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.outcome import Basis, Outcome
from miniuv.models.url import redact
from miniuv.names import CACHE_VERSION
from miniuv.replay import record
from miniuv.report.outcome import change_lines
from miniuv.report.style import Style
from miniuv.report.words import packages
from miniuv.resolve.memo import Footing
from miniuv.stamps import stamp
from miniuv.values import dataclass

_LIST = "replays"
_KEPT = 64
"""Records of one cache; one that links ten thousand files has a megabyte."""


class _UnfitError(ValueError):
    """What was done cannot be said in a record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """One that was carried out."""

    staged: StagedPlan
    journal: Journal
    installed: Sequence[InstalledDistribution]
    """What was there before."""
    interpreter: Interpreter


def keep(
    done: Installation,
    *,
    outcome: Outcome,
    basis: Basis,
    footing: Footing,
    store: Store,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    directory: str,
    color: str,
    again: Sequence[str],
) -> None:
    """Write the record of ``done``, which was all that the command had to do.

    ``again`` is what the command tells where nothing is left to be done: nothing, if it shall be quiet.
    """
    if record.cache_folder(arguments, environ) != str(store.root) or environ.get("MINIUV_LOCK_LOG"):
        return
    with contextlib.suppress(_UnfitError, OSError, CacheError):
        text = "\n".join(_lines(done, outcome, basis, footing, store, color=color, again=again))
        name = record.action(arguments, environ, directory)
        store.write_record(name, {"replay": text})
        _forget_others(name, store)


def _forget_others(name: str, store: Store) -> None:
    """Keep the newest records only: where a variable differs in every run, none of them is ever found again."""
    match store.read_record(_LIST):
        case {"names": list(names)}:
            known = [each for each in names if isinstance(each, str) and each != name]
        case _:
            known = []
    for old in known[: -_KEPT + 1]:
        store.record_path(old).unlink(missing_ok=True)
    store.write_record(_LIST, {"names": [*known[-_KEPT + 1 :], name]})


def _lines(
    done: Installation,
    outcome: Outcome,
    basis: Basis,
    footing: Footing,
    store: Store,
    *,
    color: str,
    again: Sequence[str],
) -> Iterator[str]:
    interpreter, journal = done.interpreter, done.journal
    common = family(str(interpreter.executable))
    names = {one.prepared.planned.candidate.name for one in done.staged.distributions}
    there = {each.name for each in done.installed}
    if common is None or not there <= record.USUAL or there & names or len(journal.folders) != 1:
        raise _UnfitError
    rows = list(_rows(done, store))
    yield record.HEADER
    if basis.questions:
        yield _line("valid", boot_id(), "0", "inf")
        yield from (_line("ask", *question) for question in basis.questions)
    else:
        yield _line("valid", boot_id(), str(footing.begin), str(footing.end))
        yield from (_line("page", line) for line in footing.pages)
    yield _line("family", *common)
    yield _line("python", str(interpreter.version))
    yield _line("command", Owner.this_process(step="").command)
    yield _line("color", color)
    prefix = str(interpreter.prefix)
    yield _line("sites", *(_below(str(site), prefix) for site in site_folders(interpreter)))
    yield _line("scripts", _below(str(interpreter.scheme.scripts), prefix))
    layout = journal.layout
    scheme = interpreter.scheme
    for path, real in (
        (scheme.purelib, layout.purelib),
        (scheme.platlib, layout.platlib),
        (scheme.scripts, layout.scripts),
        (scheme.headers, layout.headers),
    ):
        yield _line("real", _below(str(path), prefix), _below(real, layout.data))
    code = stamp(packaging.__file__, linked=True)
    for line in dict.fromkeys((*basis.inputs, *basis.builds, *footing.files, code)):
        yield _line("input", line)
    yield _line("titles", *journal.titles)
    for move in journal.moves:
        aside = _below(move.aside, f"{done.staged.staging.folder}/new")
        if move.kind != "comes":
            raise _UnfitError
        yield _line("move", _below(move.place, layout.data), aside, str(move.entries))
    if again:
        count = len(outcome.resolution.candidates) if outcome.resolution else 0
        new = packages(len(done.staged.distributions))
        yield _line("counted", "resolve", f"Resolved {packages(count)}")
        yield _line("counted", "prepare", f"Prepared {new}")
        yield _line("counted", "install", f"Installed {new}")
        plain, colored = (change_lines(outcome, style=Style(has)) for has in (False, True))
        yield from (_line("change", *map(redact, lines)) for lines in zip(plain, colored, strict=True))
        yield from (_line("again", line) for line in again)
    root = f"{store.root}/{CACHE_VERSION}"
    entries = {
        "/".join(_below(source, root).split("/")[:2]) for file, _ in done.staged.files if (source := file.source)
    }
    yield from (_line("pin", entry) for entry in sorted(entries))
    yield record.FILES
    yield from rows


def _rows(done: Installation, store: Store) -> Iterator[str]:
    staging = done.staged.staging
    python = str(done.interpreter.executable)
    root, above = f"{store.root}/{CACHE_VERSION}", f"{staging.folder}/new"
    folders: dict[str, str] = {}
    varying: dict[str, str] = {}
    texts = 0
    current = ("", "")
    checked = False
    for file, _ in done.staged.files:
        target, _, name = file.target.rpartition("/")
        to = folders.get(target)
        if to is None:
            to = folders[target] = _below(staging.staged(file.target).rpartition("/")[0], above)
        origin = file.source.rpartition("/")[0] if file.source is not None else current[1]
        if (to, origin) != current:
            current = (to, origin)
            yield _line(record.FOLDER, to, _below(origin, root) if origin else "")
        if file.source is None:
            yield _text(file, name, python, varying, texts)
            texts += 1
            continue
        if file.source.rpartition("/")[2] != name:
            raise _UnfitError
        facts = os.lstat(file.source)
        if not file.copied and not checked:
            checked = os.lstat(file.target).st_ino == facts.st_ino
            if not checked:  # a clone or a copy: the file system or the user wants it so
                raise _UnfitError
        told = (name, str(facts.st_mode), str(facts.st_size), str(facts.st_mtime_ns))
        if file.copied:
            yield _line(record.COPY, *told, str(0o755 if file.executable else 0o644))
        else:
            yield _line(record.LINK, *told)


def _text(file: NewFile, name: str, python: str, varying: dict[str, str], number: int) -> str:
    """A written file, with what differs between environments taken out: a later one may list an earlier one."""
    text = file.data.decode("utf-8", "surrogateescape")
    if "\0" in text or "\1" in text or file.size != len(file.data):
        raise _UnfitError
    pieces = [text]
    if text.startswith(f"#!{python}\n"):
        pieces = ["#!", record.PYTHON, text[2 + len(python) :]]
        varying[f"{record_hash(file.sha256)},{file.size}"] = str(number)
    elif text.startswith("#!/bin/sh\n"):
        raise _UnfitError
    else:
        for promise, place in varying.items():
            parts: list[str] = []
            for position, piece in enumerate(pieces):
                first, *rest = [piece] if position % 2 else piece.split(promise)
                parts += [first, *(part for each in rest for part in (place, each))]
            pieces = parts
    mode = 0o755 if file.executable else 0o644
    return _line(record.TEXT, name, str(mode), *(piece.replace("\n", "\1") for piece in pieces))


def _below(path: str, folder: str) -> str:
    if path == folder:
        return "."
    if not path.startswith(f"{folder}/"):
        raise _UnfitError
    return path[len(folder) + 1 :]


def _line(*fields: str) -> str:
    line = "\0".join(fields)
    if "\n" in line or line.count("\0") != len(fields) - 1:
        raise _UnfitError
    return line
