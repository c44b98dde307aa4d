"""The journal of a change: once it has its name, the change will be carried out, whoever is killed.

``<environment>/.miniuv/journal`` means that the moves are to be done, ``journal.undo`` that they are to be taken back:
turning one into the other is a rename, which needs no room. The first line is a header with the sha256 of the second,
which is JSON. Paths are relative to the environment where they lie in it.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec

from miniuv.errors import InstallError
from miniuv.install.journal_form import HEADER, encode, sync_folder
from miniuv.install.layout import Layout
from miniuv.install.moves import Move, UnrestoredError
from miniuv.install.staging import is_private
from miniuv.names import JOURNALS
from miniuv.values import dataclass, replace

_UNDO, _DO = JOURNALS


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    titles: tuple[str, ...]
    folders: tuple[str, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """One change that was decided upon."""

    layout: Layout
    titles: tuple[str, ...]
    """The distributions that come and go: ``gunicorn 22.0.0``."""
    folders: tuple[str, ...]
    """Where things lie aside."""
    moves: tuple[Move, ...]
    is_undone: bool = False
    """Whether it is to be taken back."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.layout.work_folder / (_UNDO if self.is_undone else _DO)

    @property
    def summary(self) -> str:
        """The distributions that it is about, in few words."""
        if len(self.titles) > 3:
            return f"{self.titles[0]} and {len(self.titles) - 1} more"
        return ", ".join(self.titles)

    def write(self) -> None:
        """Write it, durably. Its last rename decides: the change is made now, or nothing has happened.

        Raises ``OSError``.
        """
        draft = f"{self.folders[0]}/{_DO}"
        with open(draft, "xb") as stream:
            stream.write(_encode(self))
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(draft, self.path)
        with contextlib.suppress(OSError):  # a power cut may now undo it, a kill cannot
            sync_folder(str(self.layout.work_folder))

    def turn(self) -> Self:
        """From now on it is to be taken back; raises ``OSError``."""
        turned = replace(self, is_undone=True)
        os.rename(self.path, turned.path)
        with contextlib.suppress(OSError):
            sync_folder(str(self.layout.work_folder))
        return turned

    def close(self) -> None:
        """All is done: make it durable and forget it; raises ``UnrestoredError`` where it cannot be removed."""
        with contextlib.suppress(OSError):
            for folder in sorted({os.path.dirname(move.place) for move in self.moves}):
                if os.path.isdir(folder):
                    sync_folder(folder)
        try:
            self.path.unlink()
        except OSError as error:
            outcome = "as it was" if self.is_undone else "changed as asked for"
            message = f"the environment is {outcome}, but its journal cannot be removed: {error.strerror}"
            raise UnrestoredError(message, where=str(self.path)) from error
        with contextlib.suppress(OSError):
            sync_folder(str(self.layout.work_folder))

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """Read the one that is there; raises ``InstallError`` where nobody can tell what it says."""
        for name in JOURNALS:
            path = layout.work_folder / name
            try:
                content = _decode(path.read_bytes(), layout)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                return None
            except OSError as error:
                hint = "check who owns it"
                message = f"the journal of a change cannot be read: {error.strerror}"
                raise InstallError(message, where=str(path), hint=hint) from error
            except ValueError as error:
                raise InstallError(
                    f"the journal of a change that was cut short cannot be made sense of: {error}",
                    where=str(path),
                    hint=way_out(layout, ()),
                ) from error
            return cls(
                layout=layout,
                titles=content.titles,
                folders=content.folders,
                moves=content.moves,
                is_undone=name == _UNDO,
            )
        return None


def way_out(layout: Layout, titles: Iterable[str]) -> str:
    """What a user can do where miniuv must not guess."""
    names = " ".join(dict.fromkeys(title.partition(" ")[0] for title in titles)) or "NAMES"
    return (
        f"remove `{layout.work_folder}` and run `miniuv pip install --reinstall --force {names}`, or make the"
        " environment anew with `miniuv venv --clear`"
    )


def _encode(journal: Journal) -> bytes:
    return encode(
        journal.titles,
        journal.folders,
        [(move.kind, move.place, move.aside, move.facts, move.entries) for move in journal.moves],
        start=f"{journal.layout.data}/",
    )


def _decode(data: bytes, layout: Layout) -> _Content:
    """The inverse of ``_encode``; raises ``ValueError`` for whatever ``write`` would not have written."""
    header, _, text = data.partition(b"\n")
    text = text.removesuffix(b"\n")
    if header != f"{HEADER} {hashlib.sha256(text).hexdigest()}".encode("ascii"):
        raise ValueError("it is damaged, or of another version")
    content = msgspec.convert(json.loads(text), _Content)

    def whole(path: str) -> str:
        place = path if path.startswith("/") else f"{layout.data}/{path}"
        if os.path.normpath(place) != place or "\0" in place:
            raise ValueError(f"`{path}` is no plain path")
        return place

    folders = tuple(map(whole, content.folders))
    for folder in folders:
        if layout.split(folder) is None or not is_private(folder):
            raise ValueError(f"`{folder}` is no folder of ours")
    starts = tuple(f"{folder}/" for folder in folders)
    moves: list[Move] = []
    for move in content.moves:
        place, aside = whole(move.place), whole(move.aside) if move.aside else ""
        if (layout.split(place) is None and place not in layout.roots) or layout.is_protected(place):
            raise ValueError(f"`{place}` is not in the environment")
        if bool(aside) is not (move.kind in ("leaves", "comes")) or (aside and not aside.startswith(starts)):
            raise ValueError(f"`{aside}` is not in a folder of ours")
        moves.append(Move(kind=move.kind, place=place, aside=aside, facts=move.facts, entries=move.entries))
    return _Content(titles=content.titles, folders=folders, moves=tuple(moves))
