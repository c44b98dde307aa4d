"""What a stopped process is, as a value: the same value means the same behaviour from here on.

The value holds, for every thread, the stack (function, instruction, local variables) and everything that is reached
from there: the runner's and the lock manager's own fields among them. Three things are left out, because nothing
that the model can see depends on them: floats (all of them are times, and in the model the fake kernel decides when
a timer ends), owner records (they are for messages), and tracebacks. An object of any other unknown type is refused,
so that code which grows a new kind of state cannot slip through unseen. What no fingerprint can reach is an
interpreter's stack of half-evaluated expressions; ``test_model_conformance.py`` therefore runs long schedules
unmerged and compares every step of theirs with what the merged states foretold.
"""

import contextlib
import itertools
import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from miniuv.cache.heartbeat import Heartbeat
from miniuv.cache.lock_log import LockLog
from miniuv.cache.owner import Owner
from miniuv.reporter import Reporter

_PLAIN = (types.NoneType, bool, int, str, bytes, Enum)
_NAMED = (type, types.ModuleType, types.BuiltinFunctionType)
_OPAQUE = (float, types.TracebackType, Owner, LockLog, Reporter, Heartbeat, itertools.chain, itertools.count)
_OURS = ("miniuv.", "tests.cache.model.")


class Opaque:
    """The model's own machinery: never a part of the state."""


def fingerprint(stacks: Mapping[int, types.FrameType | None], *roots: object) -> Hashable:
    """The value of a process: its threads' ``stacks`` and whatever ``roots`` reach."""
    walk = _Walk()
    return (
        tuple(walk.value(root) for root in roots),
        tuple((thread, walk.stack(frame)) for thread, frame in sorted(stacks.items())),
    )


class _Walk:
    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []  # a dead object's id may be used again

    def stack(self, frame: types.FrameType | None) -> Hashable:
        found = []
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.startswith(_OURS) and not isinstance(frame.f_locals.get("self"), Opaque):
                found.append(self._frame(frame))
            frame = frame.f_back
        return tuple(found)

    def _frame(self, frame: types.FrameType) -> Hashable:
        return frame.f_code.co_qualname, frame.f_lasti, self._mapping(frame.f_locals)

    def _mapping(self, values: Mapping[str, object]) -> Hashable:
        return tuple((name, self.value(values[name])) for name in sorted(values))

    def value(self, value: object) -> Hashable:
        if isinstance(value, (Opaque, *_OPAQUE)):
            return type(value).__name__
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, _NAMED):
            return getattr(value, "__qualname__", repr(value))
        number = self._seen.get(id(value))
        if number is not None:
            return "again", number
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        return type(value).__qualname__, self._inside(value)

    def _inside(self, value: object) -> Hashable:
        match value:
            case tuple() | list():
                return tuple(self.value(item) for item in value)
            case dict():
                items = sorted(value.items(), key=lambda item: repr(item[0]))
                return tuple((self.value(key), self.value(item)) for key, item in items)
            case set() | frozenset():
                return tuple(self.value(item) for item in sorted(value, key=repr))
            case types.FunctionType():
                cells = value.__closure__ or ()
                held = dict(zip(value.__code__.co_freevars, cells, strict=True))
                return value.__qualname__, tuple((name, self._cell(cell)) for name, cell in held.items())
            case types.MethodType():
                return value.__func__.__qualname__, self.value(value.__self__)
            case partial():
                return self.value(value.func), self.value(value.args), self.value(value.keywords)
            case types.GeneratorType():
                return value.__qualname__, value.gi_frame and self._frame(value.gi_frame)
            case contextlib._GeneratorContextManager():
                return self.value(value.gen)
            case BaseException():
                return self.value(value.args)
        if type(value).__module__.startswith(_OURS):
            return self._mapping(_attributes(value))
        raise TypeError(f"the fingerprint does not know {type(value)!r}: is it a part of the state?")

    def _cell(self, cell: types.CellType) -> Hashable:
        try:
            return self.value(cell.cell_contents)
        except ValueError:
            return "empty"


def _attributes(value: object) -> Mapping[str, object]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    slots = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
    return {**slots, **getattr(value, "__dict__", {})}
