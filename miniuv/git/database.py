"""The append-only database of one repository: packs and references that only ever gain by rename.

No git process writes here. A fetch runs in a private bare repository that borrows these objects; its packs,
which are named by their content, are then moved in, and ``packed-refs`` is replaced last. A commit counts as
present when it can be reached from ``packed-refs``, so a fetch that was killed half-way left nothing behind
that anybody believes. Two writers at once can only lose each other's note of what is there, never objects.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from miniuv.cache.boot import boot_id
from miniuv.cache.trouble import refuse_scarcity
from miniuv.git.command import Git
from miniuv.git.failures import GitCommandError
from miniuv.git.refs import Listing, Tag, packed_refs, parse_packed_refs
from miniuv.values import dataclass

KEPT = "refs/miniuv/"
"""References of ours: ``refs/miniuv/<commit>`` for every commit that was fetched, with its whole history."""

_HASHED = frozenset({".pack", ".idx", ".rev"})
_CHUNK = 1 << 20
_KINDS = frozenset({"commit", "tag", "tree", "blob"})
_BOOT = "boot"
_LAST_SUFFIX = ".idx"
"""git believes a pack from the moment on when its index is there."""


def make_repository(path: Path, *, like: str, borrow: Sequence[Path] = (), bare: bool = True) -> None:
    """Write the few files that make ``path`` a git folder; ``like`` is an object id of the wanted format.

    ``borrow`` are the databases whose objects it uses.
    """
    for folder in ("objects/info", "objects/pack", "refs", "info"):
        (path / folder).mkdir(parents=True)
    config = ["[core]", f"\tbare = {str(bare).lower()}"]
    if len(like) == 64:
        config += ["\trepositoryformatversion = 1", "[extensions]", "\tobjectformat = sha256"]
    else:
        config += ["\trepositoryformatversion = 0"]
    if not bare:
        config += ["[submodule]", "\tactive = ."]
    (path / "config").write_text("\n".join(config) + "\n")
    (path / "HEAD").write_text("ref: refs/heads/none\n")
    # The highest rank of attributes: no filter of the user's, git-lfs included, is run on somebody else's files.
    (path / "info" / "attributes").write_text("* -filter\n")
    if borrow:
        lines = [_quoted(os.fsencode(database / "objects")) for database in borrow]
        (path / "objects" / "info" / "alternates").write_bytes(b"\n".join(lines) + b"\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """One entry of the cache's ``git-databases``."""

    path: Path
    git: Git

    def is_empty(self) -> bool:
        """Whether no fetch has brought anything yet."""
        borrows = (self.path / "objects" / "info" / "alternates").exists()
        return not borrows and next((self.path / "objects" / "pack").iterdir(), None) is None

    def tags(self) -> dict[str, tuple[str, str | None]]:
        """Return every tag that is known, with its object and what is behind an annotated one."""
        return {name: ids for name, ids in self._refs().items() if name.startswith("refs/tags/")}

    def has(self, commit: str, tags: Iterable[Tag] = ()) -> bool:
        """Whether ``commit`` is here with its history, and each of ``tags`` with the object given."""
        refs = self._refs()
        if any(name not in refs or refs[name][0] != tag for name, tag in tags):
            return False
        if f"{KEPT}{commit}" in refs:
            return True
        if not any(name.startswith(KEPT) for name in refs):
            return False
        try:
            return not self._ask("rev-list", "--max-count=1", commit, "--not", f"--glob={KEPT}*").strip()
        except GitCommandError:
            return False

    def kind_of(self, identifier: str) -> str | None:
        """Return ``commit``, ``tag``, ``tree`` or ``blob``; ``None`` where there is no such object."""
        try:
            return self._ask("cat-file", "-t", identifier).decode().strip()
        except GitCommandError:
            return None

    def kinds_of(self, *names: str) -> list[tuple[str, str] | None]:
        """Return object and kind of each of ``names``, in one question; ``None`` where there is no such object."""
        if not names:
            return []
        text = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        answer = self._ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=text)
        words = [line.split(" ") for line in answer.decode("utf-8", "surrogateescape").split("\n")]
        return [(each[0], each[1]) if each[1:] and each[1] in _KINDS else None for each in words[:-1]]

    def commits_beginning(self, prefix: str) -> list[str]:
        """Return the commits whose id begins with ``prefix``."""
        ids = self._ask("rev-parse", f"--disambiguate={prefix}").decode().split()
        return [identifier for identifier in ids if self.kind_of(identifier) == "commit"]

    def reachable_tags(self, commit: str) -> dict[str, tuple[str, str | None]]:
        """Return the tags that ``git describe`` at ``commit`` would see in a full clone."""
        tags = self.tags()
        if not tags:
            return {}
        output = self._ask("for-each-ref", f"--merged={commit}", "--format=%(refname)", "refs/tags/")
        names = output.decode("utf-8", "surrogateescape").split("\n")
        return {name: tags[name] for name in names if name in tags}

    def is_sound(self) -> bool:
        """Whether every pack is as it was written and every object that is needed is there; takes a while."""
        indexes = sorted(str(file) for file in (self.path / "objects" / "pack").glob("*.idx"))
        try:
            self._ask("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
            if indexes:
                self._ask("verify-pack", *indexes)
        except GitCommandError as error:
            if error.kind in ("killed", "disk"):
                raise
            return False
        return True

    def needs_reading(self) -> bool:
        """Whether nobody has written to it, or read it back, since the machine was started."""
        try:
            return (self.path / _BOOT).read_text(encoding="ascii") != boot_id()
        except (OSError, ValueError):
            return True

    def is_whole(self) -> bool:
        """Whether every pack and index still ends with the hash of what stands before: no more than reading it."""
        packs = self.path / "objects" / "pack"
        algorithm = "sha256" if self.path.suffix == ".sha256" else "sha1"
        try:
            names = {file.name for file in packs.iterdir() if file.suffix in _HASHED}
            pairs = all(f"{name.rpartition('.')[0]}.pack" in names for name in names)
            return pairs and all(_ends_with_its_hash(packs / name, algorithm) for name in sorted(names))
        except OSError as error:
            refuse_scarcity(error, packs)
            return False

    def mark_boot(self, *, staging: Path) -> None:
        """Note that all of it is of this boot, or was read in it; raises ``OSError``."""
        written = staging / _BOOT
        written.write_text(boot_id(), encoding="ascii")
        written.replace(self.path / _BOOT)

    def fetched_refs(self) -> dict[str, str]:
        """Return the references that a fetch into this repository has left, in a file each or packed."""
        refs = {name: identifier for name, (identifier, _) in self._refs().items()}
        for file in (self.path / "refs").rglob("*"):
            if not file.is_dir():
                refs[file.relative_to(self.path).as_posix()] = file.read_text(encoding="ascii").strip()
        return refs

    def absorb(self, fetched: Path, listing: Listing, *, staging: Path) -> None:
        """Move the packs of the private repository ``fetched`` in, then note the tags and commits of ``listing``.

        ``staging`` is a private folder on the same file system. A tag that the fetch did not see is forgotten.
        """
        refs = {name: ids for name, ids in self._refs().items() if name.startswith(KEPT)}
        commits = {identifier for name, identifier in listing.refs.items() if name.startswith(KEPT)}
        refs |= {f"{KEPT}{commit}": (commit, None) for commit in commits}
        refs |= {name: (identifier, peeled) for name, identifier, peeled in listing.tags()}
        self.mark_boot(staging=staging)
        packs = sorted((fetched / "objects" / "pack").glob("pack-*"), key=lambda file: file.suffix == _LAST_SUFFIX)
        for file in packs:
            if file.suffix != ".keep":
                file.rename(self.path / "objects" / "pack" / file.name)
        written = staging / "packed-refs"
        written.write_bytes(packed_refs(refs))
        written.replace(self.path / "packed-refs")

    def _refs(self) -> dict[str, tuple[str, str | None]]:
        try:
            return parse_packed_refs((self.path / "packed-refs").read_bytes())
        except OSError:
            return {}

    def _ask(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return self.git.run(*arguments, what=f"read `{self.path}`", repository=self.path, stdin=stdin)


def _ends_with_its_hash(path: Path, algorithm: str) -> bool:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    left = path.stat().st_size - digest.digest_size
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
        return left == 0 and file.read() == digest.digest()


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
