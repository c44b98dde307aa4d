"""``miniuv cache locks``."""

import argparse
from typing import TYPE_CHECKING

from miniuv.cli.context import Context

if TYPE_CHECKING:
    from miniuv.cache.lock_list import HeldLock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("--json", action="store_true", help="for programs: times in seconds since 1970")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nothing is locked, made or changed."""
    from miniuv.cache.lock_list import list_locks
    from miniuv.cache.runtime import runtime_folder
    from miniuv.cli.collection import looked_at

    with looked_at(arguments, context) as layout:
        locks = list_locks(layout, runtime=runtime_folder(fallback=layout.locks))
    if arguments.json:
        import json
        from dataclasses import asdict

        context.write(json.dumps([asdict(lock) | {"path": str(lock.path)} for lock in locks]))
    elif locks:
        _write_table(locks, context)
    else:
        context.reporter.line("No lock is held")
    return 0


def _write_table(locks: "tuple[HeldLock, ...]", context: Context) -> None:
    import time

    from miniuv.cache.owner import duration
    from miniuv.report.amounts import columns

    now = time.time()
    rows = [
        (
            lock.kind,
            lock.step or str(lock.path),
            f"pid {lock.pid or '?'}" + (f" on {lock.host}" if lock.host else ""),
            lock.command,
            "?" if lock.since is None else duration(now - lock.since),
            _alive(lock, "" if lock.quiet is None else duration(lock.quiet)),
            ", ".join(f"pid {waiter.pid} for {duration(now - waiter.since)}" for waiter in lock.waiters) or "nobody",
        )
        for lock in locks
    ]
    for line in columns(("Lock", "Step", "Held by", "Command", "For", "Alive", "Waited for by"), rows):
        context.write(line)


def _alive(lock: "HeldLock", quiet: str) -> str:
    match lock.presence:
        case "stopped":
            return f"stopped, {quiet} ago"
        case "gone":
            return "gone, held by its child"
        case _:
            return f"{quiet} ago" if quiet else "yes"
