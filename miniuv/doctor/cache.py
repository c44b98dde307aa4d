"""The cache: where it is, whether it can be used, whether its locks hold, and what killed commands have left."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from miniuv.cache.inventory import measure
from miniuv.cache.layout import Layout, check_trust, has_cache
from miniuv.cache.lease import fresh_lease_name
from miniuv.cache.lock_list import list_locks
from miniuv.cache.mounts import is_remote, kind_of
from miniuv.cache.owner import read_owner
from miniuv.cache.runtime import runtime_folder
from miniuv.doctor.findings import Finding, note, told, wrong
from miniuv.doctor.locks import excludes
from miniuv.process import Runner
from miniuv.report.amounts import counted, size
from miniuv.settings import Settings

_LITTLE = 100 * 2**20
"""Bytes that are soon used up by one installation."""


def look_at_cache(settings: Settings, *, origin: str, runner: Runner) -> Iterator[Finding]:
    """Yield what there is to say of the cache of ``settings``; ``origin`` says who chose its place."""
    layout = Layout(root=Path(os.path.abspath(settings.cache_dir)))
    if not has_cache(layout.root):
        yield Finding(text=f"`{layout.root}` ({origin}) is not there yet; the first installation makes it")
        yield from told(_of_file_system(layout.root))
        return
    yield Finding(text=f"`{layout.root}` ({origin}) has {size(measure(layout.root).size)}")
    if settings.allow_shared_cache:
        yield note("that others may be able to change it is allowed (`allow-shared-cache`)")
    else:
        check_trust(layout)
    yield from told(_of_file_system(layout.root))
    if os.access(layout.versioned, os.W_OK | os.X_OK):
        yield from told(_of_locks(layout, runner))
    else:
        yield wrong("it can be read, but not written", "make it writable for you, or name another with `--cache-dir`")
    yield from told(_of_users(layout))
    yield from told(_of_leftovers(layout))


def _of_file_system(folder: Path) -> Iterator[Finding]:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    device = existing.stat().st_dev
    kind = kind_of(device) or "of an unknown kind"
    yield Finding(text=f"its file system is {kind}, with {size(free)} free")
    if free < _LITTLE:
        yield wrong(f"only {size(free)} are free there", "make room; `miniuv cache prune` removes what is not used")
    facts = os.statvfs(existing)
    if facts.f_files and not facts.f_favail:
        yield wrong("no more files can be made there (no inodes are free)", "`miniuv cache prune`, or remove others")
    if is_remote(device):
        yield note("it is reached over a network: that is slow", "name a folder on a local disk with `--cache-dir`")


def _of_locks(layout: Layout, runner: Runner) -> Iterator[Finding]:
    layout.staging.mkdir(mode=0o700, exist_ok=True)
    path = layout.staging / fresh_lease_name()  # killed now, whoever comes next removes it
    path.touch(mode=0o600)
    try:
        yield from excludes(path, runner, what="of a file in it")
    finally:
        path.unlink(missing_ok=True)


def _of_users(layout: Layout) -> Iterator[Finding]:
    runtime = runtime_folder(fallback=layout.locks)
    if runtime == layout.locks:
        yield note(
            "source trees are locked in the cache, so users of another cache do not see these locks",
            "make `/tmp` writable, and remove what is not yours at `/tmp/miniuv-UID`",
        )
    for lock in list_locks(layout, runtime=runtime):
        what = f"the lock `{lock.kind}` ({lock.step or lock.path})"
        if lock.presence == "stopped":
            yield wrong(f"{what} is held by pid {lock.pid}, which is stopped", f"`kill -CONT {lock.pid}`, or end it")
        elif lock.presence == "gone":
            text = f"{what} is held by pid {lock.pid}, which was left behind by a command that is gone"
            yield wrong(text, f"end it: `kill {lock.pid}`")
        else:
            yield note(f"{what} is held by pid {lock.pid or '?'}: {lock.command}")


def _of_leftovers(layout: Layout) -> Iterator[Finding]:
    leases = sorted(layout.leases.iterdir()) if layout.leases.is_dir() else []
    owners = {lease: read_owner(lease) for lease in leases}
    gone = [lease for lease, owner in owners.items() if owner is not None and owner.presence == "gone"]
    left = sum(measure(layout.staging / lease.name).size for lease in gone)
    if gone:
        text = f"{counted(len(gone), 'command was', 'commands were')} killed, and left {size(left)} unfinished"
        yield note(text, "the next command that writes to the cache removes it")
    foreign = [lease for lease, owner in owners.items() if owner is None or owner.is_foreign]
    if foreign:
        who = counted(len(foreign), "user", "users")
        text = f"{who} of it cannot be seen from here (on another host, or from before a reboot)"
        yield note(text, "what they left goes a week after they were last seen")
    if trash := measure(layout.trash).size:
        yield note(f"{size(trash)} are being removed, or were to be", "`miniuv cache prune` goes on with that")
