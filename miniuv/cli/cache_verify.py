"""``miniuv cache verify``."""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.cli.context import Context
from miniuv.errors import GitError

if TYPE_CHECKING:
    from miniuv.cache.inventory import StoredEntry
    from miniuv.cache.layout import EntryKind
    from miniuv.cli.collection import OpenCache

Check = Callable[[Path], str | None]
"""What is wrong with the entry at a path; ``None`` where all is well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``: nothing of its own."""
    del parser


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: 1 where something was damaged. Nobody is waited for, and what is in use stays."""
    from miniuv.cache.inventory import take_inventory
    from miniuv.cache.retention import Selection
    from miniuv.cache.trouble import cache_trouble
    from miniuv.cli.collection import collect, opened
    from miniuv.report.amounts import counted, size

    with opened(arguments, context, change=False) as cache:
        if cache is None:
            return 0
        with cache_trouble(cache.layout.root, "read the cache"):
            inventory = take_inventory(cache.layout)
        checks = _checks(cache, context)
        damaged = []
        for entry in inventory.entries:
            if (damage := _damage(entry, checks[entry.kind])) is not None:
                context.write(f"{entry} ({entry.name}): {damage}")
                damaged.append(entry)
        unreadable = tuple(record for record in inventory.records if not record.readable)
        for record in unreadable:
            context.write(f"{record}: it is no record")
        context.reporter.line(
            f"Checked {counted(len(inventory.entries), 'entry', 'entries')} and "
            f"{counted(len(inventory.records), 'record', 'records')}, {size(inventory.size)}: "
            + (f"{len(damaged) + len(unreadable)} damaged" if damaged or unreadable else "all is well")
        )
        if not damaged and not unreadable:
            return 0
        if not cache.writable:
            hint = (
                "run `miniuv cache verify` where it can be; until then, what is damaged is made anew where it is needed"
            )
            context.reporter.warning("the cache cannot be written: damaged entries are left", hint=hint)
            return 1
        selection = Selection(entries=tuple(damaged), records=unreadable)
        collection = collect(cache, context, lambda *_: selection)
        if collection is None or collection.kept:
            context.reporter.warning("damaged entries are left", hint="run `miniuv cache verify` again a little later")
        return 1


def _damage(entry: "StoredEntry", check: Check) -> str | None:
    try:
        before = os.lstat(entry.path)
        damage = check(entry.path)
        # Somebody may have removed it, or made it anew, while we were reading.
        return damage if damage is None or os.path.samestat(before, os.lstat(entry.path)) else None
    except FileNotFoundError:
        return None


def _checks(cache: "OpenCache", context: Context) -> "Mapping[EntryKind, Check]":
    from miniuv.cache.seal import is_whole
    from miniuv.git.command import Git
    from miniuv.git.database import Database
    from miniuv.process import SubprocessRunner

    git = Git(runner=SubprocessRunner(), environ=context.environ, directory=cache.layout.root)

    def check_database(path: Path) -> str | None:
        try:
            return None if Database(path=path, git=git).is_sound() else "git finds it broken"
        except GitError as error:
            context.reporter.warning(f"git repositories were not checked: {error}", hint=error.hint)
            return None

    def check_seal(path: Path) -> str | None:
        return None if is_whole(path) else "files in it are missing or were changed"

    return {
        "blobs": _check_name,
        "http": _check_name,
        "unpacked": _check_wheel,
        "git-databases": check_database,
        "checkouts": check_seal,
        "build-environments": check_seal,
        "bytecode": _check_wheel,
    }


def _check_name(path: Path) -> str | None:
    """A file that is named by its own content."""
    from miniuv.archive.intact import hash_file

    try:
        digest = hash_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"it cannot be read: {(error.strerror or str(error)).lower()}"
    return None if digest == path.name else "its content does not have the hash that its name tells"


def _check_wheel(entry: Path) -> str | None:
    from miniuv.archive.intact import examine
    from miniuv.archive.manifest import load_unpacked

    wheel = load_unpacked(entry)
    if wheel is None or wheel.digest != entry.name.partition("-")[0]:
        return "its MANIFEST is missing or makes no sense"
    damaged = examine(wheel, content=True).damaged
    if not damaged:
        return None
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return f"`{damaged[0]}`{more} is missing or was changed"
