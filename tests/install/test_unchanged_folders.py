"""A folder whose wheel is what is installed already is kept; whatever differs is installed again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.projects import write_project


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.make(tmp_path)
    write_project(world.folder, "foo", scripts={"foo-tool": "foo:main"})
    world.install("-e", "foo")
    return world


def info(world: World) -> Path:
    return world.site / "foo-1.0.dist-info"


def again(world: World, *options: str) -> str:
    """What an install tells that does not leave by the fast exit."""
    return world.install("-v", "-e", "foo", *options).err


def is_kept(said: str) -> bool:
    return "Audited 1 package" in said and "Installed" not in said and "Prepared" not in said


@pytest.mark.parametrize("option", ["-v", "-U", "--no-deps"])
def test_what_is_installed_as_it_would_be_again_is_kept(world: World, option: str) -> None:
    before = (info(world) / "RECORD").stat()

    assert is_kept(again(world, option))
    after = (info(world) / "RECORD").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("option", ["--reinstall", "--reinstall-package=foo"])
def test_what_is_to_be_installed_again_is(world: World, option: str) -> None:
    assert "Installed 1 package" in again(world, option)


def _lose_script(world: World) -> None:
    (world.folder / ".venv/bin/foo-tool").unlink()


def _edit_metadata(world: World) -> None:
    (info(world) / "METADATA").write_text("Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nSummary: edited\n")


def _lose_record(world: World) -> None:
    (info(world) / "RECORD").unlink()


def _change_installer(world: World) -> None:
    record = info(world) / "RECORD"
    record.write_text("".join(line for line in record.read_text().splitlines(True) if "INSTALLER" not in line))


def _change_version(world: World) -> None:
    write_project(world.folder, "foo", version="1.1")


def _change_script(world: World) -> None:
    write_project(world.folder, "foo", scripts={"other-tool": "foo:main"})


@pytest.mark.parametrize(
    "change", [_lose_script, _edit_metadata, _lose_record, _change_installer, _change_version, _change_script]
)
def test_what_differs_is_installed_again(world: World, change: Callable[[World], None]) -> None:
    change(world)

    assert "Installed 1 package" in again(world)
    assert is_kept(again(world))


def test_a_module_that_was_edited_to_the_same_size_is_installed_again(world: World) -> None:
    world.install("./foo")
    (module,) = info(world).parent.rglob("foo/__init__.py")
    written = module.read_text()
    module.unlink()
    module.write_text(written.swapcase())

    assert "Installed 1 package" in world.install("-v", "./foo").err
    assert module.read_text() == written
    assert is_kept(world.install("-v", "./foo").err)


def test_a_folder_that_was_an_editable_is_installed_as_a_folder(world: World) -> None:
    assert "Installed 1 package" in world.install("-v", "./foo").err
    assert is_kept(world.install("-v", "./foo").err)
    assert "Installed 1 package" in again(world)


def test_one_that_is_asked_for_now_is_marked_so(world: World) -> None:
    write_project(world.folder, "bar", dependencies=[f"foo @ {(world.folder / 'foo').as_uri()}"])
    assert world.miniuv("pip", "uninstall", "foo").code == 0
    world.install("-e", "bar")
    assert not (info(world) / "REQUESTED").exists()
    world.install("-e", "bar", "./foo")

    assert (info(world) / "REQUESTED").exists()


def test_what_is_to_be_compiled_is_kept_only_when_it_is(world: World) -> None:
    world.install("./foo")
    assert "Installed 1 package" in world.install("-v", "--compile", "./foo").err
    assert is_kept(world.install("-v", "--compile", "./foo").err)
    for path in info(world).parent.rglob("*.pyc"):
        path.unlink()

    assert is_kept(world.install("-v", "./foo").err)
    assert "Installed 1 package" in world.install("-v", "--compile", "./foo").err
