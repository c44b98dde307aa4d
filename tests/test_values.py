"""Classes of values are those of ``dataclasses``, but for what it takes to make them."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import pytest

from miniuv import values

T = TypeVar("T")


class Plain:
    """Inherited by all of ``classes``."""

    def shown(self) -> str:
        """Show it."""
        return f"<{self!r}>"


def classes(dataclass: Any, field: Any) -> dict[str, Any]:
    """The same classes, made by one of the two."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Named(Plain):
        first: int
        second: str = "two"
        third: tuple[int, ...] = field(default=(), compare=False)
        fourth: str = field(default="secret", repr=False, hash=False)

    @dataclass(frozen=True, order=True, slots=True)
    class Ordered:
        first: int
        second: str

    @dataclass(kw_only=True)
    class Changing:
        first: int
        second: list[int] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Loose:
        first: int

    @dataclass(frozen=True, kw_only=True)
    class Derived(Loose):
        second: int = 2

    @dataclass(frozen=True, slots=True)
    class Of(Generic[T]):
        first: T

    @dataclass(frozen=True, slots=True)
    class Own:
        first: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return {each.__name__: each for each in (Named, Ordered, Changing, Derived, Of, Own, Empty)}


OURS = classes(values.dataclass, values.field)
THEIRS = classes(dataclasses.dataclass, dataclasses.field)


def outcome(act: Callable[[], object]) -> object:
    """What ``act`` returns or what kind of error it raises."""
    try:
        value = act()
    except (TypeError, AttributeError) as error:
        return type(error)
    return value if isinstance(value, bool | int | str | tuple | list | dict) else repr(value)


def made(classes: dict[str, Any]) -> list[Any]:
    """Values that differ in one field each."""
    return [
        classes["Named"](first=1),
        classes["Named"](second="2", first=1),
        classes["Named"](first=1, third=(3,)),
        classes["Named"](first=1, fourth="4"),
        classes["Ordered"](1, "a"),
        classes["Ordered"](second="b", first=0),
        classes["Changing"](first=1),
        classes["Changing"](first=1, second=[2]),
        classes["Derived"](first=1),
        classes["Derived"](first=1, second=3),
        classes["Of"](1),
        classes["Own"](1),
        classes["Own"](2),
        classes["Empty"](),
    ]


@pytest.mark.parametrize("first", range(14))
@pytest.mark.parametrize(
    "act",
    [
        lambda one, other: one == other,
        lambda one, other: one != other,
        lambda one, other: one < other,
        lambda one, other: one >= other,
        lambda one, other: hash(one) == hash(other),
    ],
)
def test_values_compare_as_those_of_dataclasses_do(first: int, act: Callable[[Any, Any], object]) -> None:
    ours, theirs = made(OURS), made(THEIRS)

    assert [outcome(partial(act, ours[first], other)) for other in made(OURS)] == [
        outcome(partial(act, theirs[first], other)) for other in made(THEIRS)
    ]


@pytest.mark.parametrize("number", range(14))
@pytest.mark.parametrize(
    "act",
    [
        repr,
        lambda one: one.__setattr__("first", 5) if dataclasses.fields(one) else None,
        lambda one: one.__delattr__("first") if dataclasses.fields(one) else None,
        lambda one: dataclasses.replace(one, first=9),
        dataclasses.asdict,
        lambda one: [(each.name, each.type, each.kw_only, each.compare) for each in dataclasses.fields(one)],
        lambda one: type(one).__match_args__,
        lambda one: type(one).__qualname__,
        lambda one: hasattr(one, "__dict__"),
        lambda one: copy.copy(one) == one,
        lambda one: copy.deepcopy(one) == one,
        lambda one: one.shown(),
        lambda one: type(one)(),
        lambda one: type(one)(1, 2, 3),
        lambda one: type(one)(first=1, unknown=2),
    ],
)
def test_values_behave_as_those_of_dataclasses_do(number: int, act: Callable[[Any], object]) -> None:
    assert outcome(lambda: act(made(OURS)[number])) == outcome(lambda: act(made(THEIRS)[number]))


@values.dataclass(frozen=True, slots=True)
class Kept:
    """Can be found by its name."""

    first: int


@pytest.mark.parametrize("name", ["first", "unknown"])
def test_a_frozen_value_takes_nothing(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match=name):
        setattr(Kept(1), name, 2)


def test_a_value_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(3))) == Kept(3)


def test_a_replaced_value_is_another_one() -> None:
    before = OURS["Named"](first=1, fourth="4")

    after = values.replace(before, first=2)

    assert (before.first, after.first, after.fourth) == (1, 2, "4")


def test_a_replaced_value_takes_no_unknown_field() -> None:
    with pytest.raises(TypeError):
        values.replace(Kept(1), other=2)  # type: ignore[call-arg]


def test_each_value_has_a_list_of_its_own() -> None:
    first, second = OURS["Changing"](first=1), OURS["Changing"](first=1)

    first.second.append(1)

    assert second.second == []


def test_a_class_can_be_matched_by_position() -> None:
    match Kept(5):
        case Kept(first):
            assert first == 5


def test_making_a_class_needs_no_dataclasses() -> None:
    program = (
        "import sys; from miniuv.values import dataclass\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class One:\n    first: int\n"
        "assert One(1) == One(1); sys.exit('dataclasses' in sys.modules or 'inspect' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
