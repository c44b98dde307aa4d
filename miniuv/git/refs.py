"""What a repository's references say; pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Self

from miniuv.values import dataclass

Tag = tuple[str, str]
"""Full name and object of a tag."""

_PEELED = "^{}"
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_ID = re.compile(r"[0-9a-fA-F]{4,39}")


def full_commit(ref: str | None) -> str | None:
    """Return ``ref`` in lower case where it is a full object id: 40 or 64 digits always mean the commit itself."""
    return ref.lower() if ref and _OBJECT_ID.fullmatch(ref.lower()) else None


def is_object_id(value: object) -> bool:
    """Whether ``value`` is the whole name of an object."""
    return isinstance(value, str) and _OBJECT_ID.fullmatch(value) is not None


def may_be_short_commit(ref: str) -> bool:
    """Whether ``ref`` could be the beginning of a commit id."""
    return _SHORT_ID.fullmatch(ref) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Full reference names and the objects they name, an annotated tag's commit under ``refs/tags/x^{}``."""

    refs: Mapping[str, str]

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the output of ``git ls-remote``."""
        refs = {}
        for line in text.decode("utf-8", "surrogateescape").split("\n"):
            identifier, _, name = line.partition("\t" if "\t" in line else " ")
            if name and _OBJECT_ID.fullmatch(identifier):
                refs[name] = identifier
        return cls(refs=refs)

    def resolve(self, ref: str | None) -> str | None:
        """Return the object that ``ref`` names, peeled: a branch first, then a tag, then any other reference."""
        if ref is None or ref == "HEAD":
            return self.refs.get("HEAD")
        if ref.endswith(_PEELED):
            return None
        names = (ref,) if ref.startswith("refs/") else (f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}")
        found = next((name for name in names if name in self.refs), None)
        return None if found is None else self.refs.get(found + _PEELED, self.refs[found])

    def tags(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield name, object and, of an annotated tag, the object behind it, sorted by name."""
        for name in sorted(self.refs):
            if name.startswith("refs/tags/") and not name.endswith(_PEELED):
                yield name, self.refs[name], self.refs.get(name + _PEELED)

    def tags_at(self, commit: str) -> frozenset[Tag]:
        """Return the tags that name ``commit``, each with its object."""
        return frozenset((name, tag) for name, tag, peeled in self.tags() if (peeled or tag) == commit)

    def close_to(self, ref: str) -> list[str]:
        """Return branches and tags with a similar name, the closest first."""
        import difflib

        names = {name.split("/", 2)[2] for name in self.refs if name.startswith(("refs/heads/", "refs/tags/"))}
        names = {name.removesuffix(_PEELED) for name in names}
        similar = difflib.get_close_matches(ref, sorted(names), n=4, cutoff=0.5)
        folded = [name for name in sorted(names) if name.casefold() == ref.casefold() or name == f"v{ref}"]
        return list(dict.fromkeys([*folded, *similar]))[:4]


def packed_refs(refs: Mapping[str, tuple[str, str | None]]) -> bytes:
    """Write a ``packed-refs`` file: each reference with its object and, for an annotated tag, what is behind it."""
    lines = ["# pack-refs with: peeled fully-peeled sorted "]
    # git compares names as bytes
    for name in sorted(refs, key=lambda name: name.encode("utf-8", "surrogateescape")):
        identifier, peeled = refs[name]
        lines.append(f"{identifier} {name}")
        if peeled is not None:
            lines.append(f"^{peeled}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def parse_packed_refs(content: bytes) -> dict[str, tuple[str, str | None]]:
    """Read what ``packed_refs`` wrote; lines that make no sense are left out."""
    refs: dict[str, tuple[str, str | None]] = {}
    last = ""
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith("^") and last and _OBJECT_ID.fullmatch(line[1:]):
            refs[last] = refs[last][0], line[1:]
        elif (parts := line.partition(" "))[2] and _OBJECT_ID.fullmatch(parts[0]):
            last = parts[2]
            refs[last] = parts[0], None
    return refs
