"""What a commit says about its submodules."""

from collections.abc import Iterator

from miniuv.errors import GitError
from miniuv.git.database import Database
from miniuv.git.failures import GitCommandError
from miniuv.git.remote import Remote
from miniuv.values import dataclass

GITMODULES = ".gitmodules"


@dataclass(frozen=True, kw_only=True, slots=True)
class Submodule:
    """Another repository's commit, at a place in this one's tree."""

    path: str
    """From the tree itself, so git has checked that it stays inside."""
    remote: Remote
    commit: str


def submodules_of(database: Database, remote: Remote, commit: str) -> tuple[Submodule, ...]:
    """Return the submodules of ``commit``, by path; those with ``update = none`` are left out, as git does."""
    git = database.git
    what = f"read the submodules of `{remote.shown}`"
    if not _entries(git.run("ls-tree", "-z", commit, "--", GITMODULES, what=what, repository=database.path), "blob"):
        return ()
    try:
        text = git.run("config", f"--blob={commit}:{GITMODULES}", "-z", "--list", what=what, repository=database.path)
    except GitCommandError as error:
        raise GitError(f"the `{GITMODULES}` of `{commit}` cannot be read", where=remote.shown) from error
    declared = {
        values["path"]: values["url"]
        for values in _sections(text).values()
        if values.keys() >= {"path", "url"} and values.get("update") != "none"
    }
    if not declared:
        return ()
    if unsafe := [path for path in declared if not _is_inside(path)]:
        raise GitError(f"the submodule path `{unsafe[0]!r}` is not allowed", where=remote.shown)
    listing = git.run(
        "--literal-pathspecs", "ls-tree", "-z", commit, "--", *sorted(declared), what=what, repository=database.path
    )
    return tuple(
        Submodule(path=path, remote=remote.submodule(declared[path]), commit=identifier)
        for path, identifier in _entries(listing, "commit")
        if path in declared
    )


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    plain = not any(ord(character) < 0x20 or character == "\x7f" for character in path)
    return (
        plain
        and not path.startswith("/")
        and not {"..", ".git"} & {part.rstrip(". ").lower() or part for part in parts}
    )


def _entries(listing: bytes, kind: str) -> list[tuple[str, str]]:
    """Return path and object of every entry of that kind, symbolic links left out."""
    entries = []
    for entry in listing.decode("utf-8", "surrogateescape").split("\0"):
        facts, tab, path = entry.partition("\t")
        if tab:
            mode, entry_kind, identifier = facts.split()
            if entry_kind == kind and mode != "120000":
                entries.append((path, identifier))
    return sorted(entries)


def _sections(text: bytes) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for name, key, value in _settings(text):
        sections.setdefault(name, {})[key] = value
    return sections


def _settings(text: bytes) -> Iterator[tuple[str, str, str]]:
    for entry in text.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name, _, last = rest.rpartition(".")
        if section == "submodule" and name:
            yield name, last, value
