"""Where everything lies in the cache, and whether the folder can be trusted (``docs/cache-layout.md``)."""

import os
import re
import stat
from pathlib import Path
from typing import Literal, get_args

from miniuv.cache.trouble import cache_trouble
from miniuv.cache.trust import distrust
from miniuv.errors import CacheError
from miniuv.names import CACHE_VERSION
from miniuv.values import dataclass

EntryKind = Literal["blobs", "unpacked", "git-databases", "checkouts", "build-environments", "http", "bytecode"]

ENTRY_KINDS: tuple[EntryKind, ...] = get_args(EntryKind)

_OTHER_FOLDER = "choose another folder with `--cache-dir`"
_SHARED = "give `--allow-shared-cache` if all who can write there may run code as you"
_KEY = re.compile(r"[A-Za-z0-9._+-]{1,200}")
_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of miniuv: backups may leave it out, and it may be deleted when miniuv does not run.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The places below one cache folder."""

    root: Path
    """The folder that the user names."""

    @property
    def versioned(self) -> Path:
        """Everything of this layout; another layout takes another number beside it."""
        return self.root / CACHE_VERSION

    @property
    def locks(self) -> Path:
        """``<class>/<key>``; never deleted; the content is the owner record."""
        return self.versioned / "locks"

    @property
    def leases(self) -> Path:
        """One file for each living process, locked for its life."""
        return self.versioned / "leases"

    @property
    def staging(self) -> Path:
        """``<lease>/…``: everything unfinished, on the file system of the entries."""
        return self.versioned / "tmp"

    @property
    def logs(self) -> Path:
        """What builds printed."""
        return self.versioned / "logs"

    @property
    def trash(self) -> Path:
        """What a collector took out of its place: ``parked/`` whole and undecided, ``doomed/`` being deleted."""
        return self.versioned / "trash"

    def record(self, digest: str) -> Path:
        """The record of an action: the only file that may be overwritten."""
        return self.versioned / "index" / f"{digest}.json"

    def entry(self, kind: EntryKind, key: str) -> Path:
        """The place of an entry; raises ``CacheError`` for a key that is no plain file name."""
        if kind not in ENTRY_KINDS or not is_key(key):
            raise CacheError(f"`{kind}/{key}` cannot name a cache entry", hint="this is a defect of miniuv")
        return self.versioned / kind / key


def has_cache(root: Path) -> bool:
    """Whether there is a cache at ``root``, as far as we may see; nothing is made by looking.

    Raises ``CacheError`` where something else lies in its place.
    """
    versioned = Layout(root=Path(os.path.abspath(root))).versioned
    with cache_trouble(root, "look at the cache folder"):
        for folder in (*reversed(versioned.parents), versioned):
            try:
                facts = folder.stat()
            except FileNotFoundError:
                return False
            except PermissionError:
                break
            if not stat.S_ISDIR(facts.st_mode):
                raise CacheError(f"`{folder}` is no folder", where=str(root), hint=_OTHER_FOLDER)
    return True


def is_key(name: str) -> bool:
    """Whether ``name`` can be that of an entry."""
    return _KEY.fullmatch(name) is not None and name not in (".", "..")


def create_folders(layout: Layout) -> None:
    """Make what is missing, for the owner's eyes only; raises ``OSError``."""
    layout.root.parent.mkdir(parents=True, exist_ok=True)
    for folder in (layout.root, layout.versioned):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name in (*ENTRY_KINDS, "index", "leases", "locks", "logs", "tmp"):
        (layout.versioned / name).mkdir(mode=0o700, exist_ok=True)
    tag = layout.versioned / "CACHEDIR.TAG"
    if not tag.exists():
        tag.write_text(_TAG, encoding="ascii")


def check_trust(layout: Layout) -> None:
    """Refuse a cache into which somebody else could put what we would later run.

    The rule is ssh's: every folder on the way belongs to us or to root, and only its owner writes to it. A
    sticky folder such as ``/tmp`` is fine, and so is a group that is its owner's own.
    """
    place = Path(os.path.realpath(layout.versioned))
    with cache_trouble(layout.root, "look at the cache folder"):
        for folder in (place, *place.parents):
            try:
                facts = folder.stat()
            except (FileNotFoundError, PermissionError):
                continue  # what we cannot even see we shall not use: the store falls back to a private cache
            if not stat.S_ISDIR(facts.st_mode):
                raise CacheError(f"`{folder}` is no folder", where=str(layout.root), hint=_OTHER_FOLDER)
            if doubt := distrust(facts):
                raise CacheError(
                    f"the cache cannot be trusted: `{folder}` {doubt}",
                    where=str(layout.root),
                    hint=f"{_OTHER_FOLDER}, or {_SHARED}",
                )
