"""Classes of values, as ``dataclasses`` makes them, in a small part of the time.

A command imports a hundred such classes. ``dataclasses`` writes and compiles six methods for each of them at once,
which is a quarter of a quick command; here ``__init__`` is compiled when the first value is made, and the rest is
shared. For type checkers it is ``dataclasses`` itself, and ``dataclasses.fields`` and its like take these values too.
"""

import sys
from collections.abc import Callable, Mapping
from operator import attrgetter, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "replace"]

_MISSING: Any = object()


class _Field:
    """What is known of one field; ``options`` are those of ``dataclasses.field``."""

    __slots__ = ("annotation", "default", "factory", "is_compared", "is_hashed", "is_shown", "kw_only", "name")

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.name = ""
        self.annotation: Any = None
        self.kw_only = False
        self.default = options.get("default", _MISSING)
        self.factory = options.get("default_factory", _MISSING)
        self.is_shown: bool = options.get("repr", True)
        self.is_compared: bool = options.get("compare", True)
        self.is_hashed: bool = options.get("hash", self.is_compared)


class _StandardFields:
    """What ``dataclasses`` looks for in a class of its own, made when it does."""

    def __get__(self, _value: object, cls: Any) -> Mapping[str, Any]:
        import dataclasses

        fields = []
        for each in cls.__values__.values():
            options = {"compare": each.is_compared, "hash": each.is_hashed, "repr": each.is_shown}
            given = {"default": each.default, "default_factory": each.factory, "kw_only": each.kw_only}
            options |= {name: value for name, value in given.items() if value is not _MISSING}
            fields.append((each.name, each.annotation, dataclasses.field(**options)))
        made: Any = dataclasses.make_dataclass(cls.__name__, fields)
        return made.__dataclass_fields__  # type: ignore[no-any-return]


def _dataclass(
    *, frozen: bool = False, kw_only: bool = False, slots: bool = False, order: bool = False
) -> Callable[[type], type]:
    return lambda cls: _made(cls, frozen=frozen, kw_only=kw_only, slots=slots, order=order)


def _field(**options: Any) -> Any:
    return _Field(options)


def _replace(value: Any, /, **changes: Any) -> Any:
    given = {name: getattr(value, name) for name in value.__values__ if name not in changes}
    return type(value)(**given, **changes)


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _field, _replace


def _made(made: type, *, frozen: bool, kw_only: bool, slots: bool, order: bool) -> Any:
    cls: Any = made  # what is set below is known to no checker
    inherited: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:]):
        inherited |= base.__dict__.get("__values__", {})
    own = _own_fields(cls, kw_only=kw_only)
    if slots:
        cls = _with_slots(cls, own)
    fields = inherited | own
    cls.__values__ = fields
    cls.__dataclass_fields__ = _StandardFields()
    attributes: dict[str, Any] = {
        "__match_args__": tuple(name for name, each in fields.items() if not each.kw_only),
        "__init__": _first_init(cls, frozen=frozen),
        "__repr__": _repr_of([name for name, each in fields.items() if each.is_shown]),
        "__eq__": _eq_of(_getter([name for name, each in fields.items() if each.is_compared])),
    }
    for name, value in attributes.items():
        if name not in cls.__dict__:
            setattr(cls, name, value)
    if "__hash__" not in cls.__dict__:
        cls.__hash__ = None
    if frozen:
        if cls.__hash__ is None:
            cls.__hash__ = _hash_of(_getter([name for name, each in fields.items() if each.is_hashed]))
        cls.__setattr__ = _refuse
        cls.__delattr__ = _refuse
        cls.__getstate__ = _state
        cls.__setstate__ = _restore
    if order:
        for name, compare in (("__lt__", lt), ("__le__", le), ("__gt__", gt), ("__ge__", ge)):
            setattr(cls, name, _order_of(_getter([name for name, each in fields.items() if each.is_compared]), compare))
    return cls


def _own_fields(cls: Any, *, kw_only: bool) -> dict[str, _Field]:
    fields = {}
    for name, annotation in _annotations(cls).items():
        default = cls.__dict__.get(name, _MISSING)
        each = default if isinstance(default, _Field) else _Field({"default": default})
        each.name, each.annotation, each.kw_only = name, annotation, kw_only
        if each.default is not _MISSING:
            setattr(cls, name, each.default)
        elif default is not _MISSING:
            delattr(cls, name)
        fields[name] = each
    return fields


def _annotations(cls: Any) -> Mapping[str, Any]:
    """Those of ``cls`` itself, not of its bases."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(cls, format=Format.FORWARDREF)
    found: Mapping[str, Any] = vars(cls).get("__annotations__", {})
    return found


def _with_slots(cls: Any, fields: Mapping[str, _Field]) -> Any:
    """A class that is like ``cls`` and has slots, which only a new one can have."""
    namespace = {name: value for name, value in cls.__dict__.items() if name not in fields}
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    namespace["__slots__"] = tuple(fields)
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


def _first_init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    def first(self: object, /, *args: Any, **kwargs: Any) -> None:
        init = _init_of(cls, frozen=frozen)
        cls.__init__ = init
        init(self, *args, **kwargs)

    return first


def _init_of(cls: Any, *, frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"MISSING": _MISSING, "put": object.__setattr__}
    positional, named, body = ["self"], list[str](), list[str]()
    for name, each in cls.__values__.items():
        value = name
        parameter = name
        if each.factory is not _MISSING:
            known[f"factory_{name}"] = each.factory
            parameter = f"{name}=MISSING"
            value = f"factory_{name}() if {name} is MISSING else {name}"
        elif each.default is not _MISSING:
            known[f"default_{name}"] = each.default
            parameter = f"{name}=default_{name}"
        (named if each.kw_only else positional).append(parameter)
        slot: Any = getattr(cls, name, None)
        if not frozen:
            body.append(f" self.{name} = {value}")
        elif type(slot) is _SLOT:
            known[f"put_{name}"] = slot.__set__
            body.append(f" put_{name}(self, {value})")
        else:
            body.append(f" put(self, {name!r}, {value})")
    parameters = ", ".join([*positional, *(["*", *named] if named else [])])
    exec("\n".join([f"def __init__({parameters}):", *(body or [" pass"])]), known)  # noqa: S102  # of names alone
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


class _Slotted:
    __slots__ = ("one",)


_SLOT = type(_Slotted.__dict__["one"])


def _getter(names: list[str]) -> Callable[[object], object]:
    return attrgetter(*names) if names else lambda _value: ()


def _repr_of(names: list[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return shown


def _eq_of(get: Callable[[object], object]) -> Callable[[object, object], bool]:
    def equal(self: object, other: object) -> bool:
        if self is other:
            return True
        return get(self) == get(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _hash_of(get: Callable[[object], object]) -> Callable[[object], int]:
    def hashed(self: object) -> int:
        return hash(get(self))

    return hashed


def _order_of(get: Callable[[object], object], compare: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def ordered(self: object, other: object) -> bool:
        return compare(get(self), get(other)) if other.__class__ is self.__class__ else NotImplemented

    return ordered


def _refuse(_self: object, name: str, *_value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__values__]


def _restore(self: Any, state: list[object]) -> None:
    for name, value in zip(self.__values__, state, strict=True):
        object.__setattr__(self, name, value)
