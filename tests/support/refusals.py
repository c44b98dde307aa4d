"""Commands that refuse bad input: one error with a hint, and nothing touched that anybody could find later."""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tests.support.commands import World

_BOOKKEEPING = ("blobs", "http", "index", "locks", "leases", "logs")
"""What a cache may gain although a command fails: what was fetched, under its own hash, and notes about it."""


def refused(
    world: World,
    *command: str | Path,
    says: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    sound: bool = False,
) -> str:
    """Run ``miniuv COMMAND``, which must refuse, and return what it said; each of ``says`` must be in its error.

    Everything around the world's environment and cache is the canary: no path of it may come, go or change.
    ``sound``: the input is good, and refused for what is in the environment, so that the cache may keep it.
    """
    around = world.folder.parent
    cache = Path(world.environ["MINIUV_CACHE_DIR"])
    before = tree(around, leave_out=cache)
    kept = _entries(cache)

    said = world.miniuv(*command, environ=environ)

    assert said.code == 1, f"{said.code}: {said.err or said.out}"
    assert "Traceback" not in said.err
    assert "defect of miniuv" not in said.err, said.err
    assert said.out == ""
    error, _, hint = said.err.partition("\nhint: ")
    assert hint.strip(), said.err
    for text in says:
        assert text in error, said.err
    after = tree(around, leave_out=cache)
    assert after == before, sorted(set(after.items()) ^ set(before.items()))
    assert sound or _entries(cache) == kept
    return said.err


def tree(folder: Path, *, leave_out: Path | None = None) -> dict[str, str]:
    """Every path below ``folder``, links not followed: its kind and permissions, and a hash of what is in it."""
    found: dict[str, str] = {}
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(above, name) != leave_out]
        for name in (*folders, *files):
            if name == ".lock" and os.path.exists(os.path.join(above, "pyvenv.cfg")):
                continue  # made by whoever is about to change an environment, and never removed
            path = os.path.join(above, name)
            mode = os.lstat(path).st_mode
            content = b""
            if stat.S_ISLNK(mode):
                content = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(mode):
                content = Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = f"{mode:o} {hashlib.sha256(content).hexdigest()}"
    return found


def _entries(cache: Path) -> dict[str, str]:
    """What the cache has that somebody could take for the result of work, and what lies where nothing should."""
    found = {path: facts for version in cache.glob("*") for path, facts in _of_version(version).items()}
    return found | {path.name: "a file" for path in cache.glob("*") if not path.is_dir()}


def _of_version(version: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for place in version.glob("*"):
        if place.is_dir() and place.name not in _BOOKKEEPING:
            found |= {f"{place.name}/{path}": facts for path, facts in tree(place).items()}
        elif not place.is_dir() and place.name != "CACHEDIR.TAG":
            found[place.name] = "a file"
    return found
