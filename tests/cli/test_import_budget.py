"""What each command may import: to start is most of what a quick command does, and a library is soon 50 ms."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.wheels import make_wheel

_LOADED = re.compile(r"^import time:.*\| *(\S+)$", re.MULTILINE)

NEVER = frozenset(
    {
        "asyncio", "build", "distlib.index", "importlib.metadata", "packaging.metadata", "pip", "pkg_resources",
        "pyproject_hooks", "python_discovery", "rich", "setuptools", "tkinter", "unittest", "virtualenv",
    }
)  # fmt: skip
"""In no command that only reads, links what is unpacked already, or is told by its arguments what to do."""

NETWORK = frozenset(["http.client", "httpx", "ssl", "urllib.request"])
WORK = frozenset(["concurrent", "filelock", "msgspec", "multiprocessing", "resolvelib", "tarfile", "zipfile"])
READING = frozenset(["argparse", "dataclasses", "json", "logging", "packaging", "subprocess", "threading"])


def loaded(world: World, *command: str) -> set[str]:
    """Run ``command``, which must succeed, and return the names of all modules it has imported."""
    process = world.start(*command, environ={"PYTHONPROFILEIMPORTTIME": "1"})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return set(_LOADED.findall(err))


def beyond(modules: Collection[str], budget: Collection[str]) -> list[str]:
    """The modules of a ``budget`` that have been imported, or parts of them."""
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{each}.") for each in budget))


@pytest.fixture
def filled(indexed: World, tmp_path: Path) -> World:
    """A world whose cache has what its index has, and whose environment has it installed."""
    make_wheel(tmp_path / "index", "one", "1.0", requires=["two"], files={"one.py": ""})
    make_wheel(tmp_path / "index", "two", "1.0", files={"two.py": ""})
    indexed.install("one")
    return indexed


def test_the_version_is_told_by_next_to_nothing(world: World) -> None:
    modules = loaded(world, "--version")

    assert beyond(modules, NEVER | NETWORK | WORK | READING) == []
    assert {name for name in modules if name.startswith("miniuv.")} <= {
        "miniuv.hashes", "miniuv.noop", "miniuv.state", "miniuv.stamps",
    }  # fmt: skip


def test_the_folder_of_the_cache_is_told_without_any_library(world: World) -> None:
    assert beyond(loaded(world, "cache", "dir"), NEVER | NETWORK | WORK | {"json", "packaging", "subprocess"}) == []


@pytest.mark.parametrize("command", ["list", "freeze"])
def test_looking_needs_neither_network_nor_resolver_nor_archives(filled: World, command: str) -> None:
    assert beyond(loaded(filled, "pip", command), NEVER | NETWORK | (WORK - {"filelock", "msgspec"})) == []


def test_what_is_installed_already_is_no_work_for_the_heavy_libraries(filled: World) -> None:
    modules = loaded(filled, "pip", "install", "-v", "one")  # -v: not by the fast exit

    assert beyond(modules, NEVER | NETWORK | {"tarfile", "multiprocessing"}) == []


def test_what_the_cache_has_is_installed_without_network_or_archives(filled: World) -> None:
    assert filled.miniuv("venv", "--clear", ".venv").code == 0

    modules = loaded(filled, "pip", "install", "--offline", "one")

    assert filled.installed() == {"one": "1.0", "two": "1.0"}
    assert beyond(modules, NEVER | NETWORK | {"tarfile", "multiprocessing"}) == []


def test_what_was_resolved_before_needs_no_resolver(world: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "one", "1.0", files={"one.py": ""})
    for _ in range(3):
        world.install("--dry-run", str(wheel))  # until the wheel is old enough to be trusted by its times

    assert beyond(loaded(world, "pip", "install", str(wheel)), NEVER | NETWORK | {"resolvelib"}) == []


def test_the_budget_notices_a_part_of_a_library() -> None:
    assert beyond(["json", "http.client", "httpx._api", "httpxx"], NETWORK) == ["http.client", "httpx._api"]
