"""``cache-keys`` of ``[tool.miniuv]`` and ``[tool.uv]``: what a build depends on besides what it is seen to read."""

from collections.abc import Mapping
from typing import Literal

from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheKey:
    """One key."""

    kind: Literal["file", "dir", "env", "other"]
    """``other``: a commit, tags, or what nobody here understands. A build that depends on that is made every time."""
    value: str
    """A glob pattern, the path of a folder, the name of a variable; both paths are relative to the project."""


def cache_keys(document: Mapping[str, object]) -> tuple[CacheKey, ...]:
    """The keys in a ``pyproject.toml``, of both tools."""
    tool = document.get("tool")
    tables = [tool.get(name) for name in ("miniuv", "uv")] if isinstance(tool, dict) else []
    lists = [table["cache-keys"] for table in tables if isinstance(table, dict) and "cache-keys" in table]
    return tuple(_key(item) for items in lists for item in (items if isinstance(items, list) else [items]))


def _key(item: object) -> CacheKey:
    match item:
        case str(pattern) | {"file": str(pattern)}:
            return CacheKey(kind="file", value=pattern)
        case {"dir": str(folder)}:
            return CacheKey(kind="dir", value=folder)
        case {"env": str(name)}:
            return CacheKey(kind="env", value=name)
        case _:
            return CacheKey(kind="other", value=", ".join(map(str, item)) if isinstance(item, dict) else str(item))
