"""Hands out the items of a ``ChainMap`` of plain dicts in one go, and not by a search for each key.

setuptools goes through a thousand of them, Python's configuration variables, eight times for each wheel. The order and
the values are the same; what is changed while somebody goes through them is not seen, where it was before. Standard
library only, Python 3.9 and newer.
"""

from __future__ import annotations

import collections
import collections.abc
from collections.abc import Iterator
from typing import Any


class ItemsView(collections.abc.ItemsView[Any, Any]):
    """What ``items`` returns; it has the name of what it stands for."""

    _mapping: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        merged: dict[Any, Any] = {}
        for mapping in reversed(self._mapping.maps):
            merged.update(mapping)
        return iter(merged.items())


def hasten() -> None:
    """Do so from now on; subclasses, and chains of anything but dicts, are as they were. A second call does nothing."""
    if "items" in vars(collections.ChainMap):
        return
    usual = collections.ChainMap.items

    def items(chain: Any) -> Any:
        if type(chain) is collections.ChainMap and all(type(each) is dict for each in chain.maps):
            return ItemsView(chain)
        return usual(chain)

    setattr(collections.ChainMap, "items", items)  # noqa: B010  # not for a type checker to see
