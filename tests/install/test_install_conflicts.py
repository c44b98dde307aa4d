"""Two that want one path."""

from pathlib import Path

import pytest

from miniuv.errors import InstallError
from miniuv.models.request import InstallOptions
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two distributions that bring the same two modules, with different content."""
    one, two = (
        make_wheel(tmp_path, name, "1.0", {"shared.py": f"{name!r}\n", "tests/__init__.py": f"{name!r} too\n"})
        for name in ("one", "two")
    )
    return one, two


@pytest.mark.parametrize("together", [True, False], ids=["in one plan", "one after the other"])
def test_the_later_distribution_wins_with_a_warning_that_names_both(
    env: Environment, pair: tuple[Path, Path], together: bool
) -> None:
    if together:
        env.install(*pair)
    else:
        env.install(pair[0])
        env.install(pair[1])

    assert (env.site / "shared.py").read_text() == "'two'\n"
    (warning,) = env.reporter.warnings
    assert warning.startswith("one 1.0 and two 1.0 both bring")
    assert "shared.py` and 1 more" in warning

    env.apply(remove=["one"])
    assert (env.site / "shared.py").read_text() == "'two'\n"
    env.apply(remove=["two"])
    assert not (env.site / "shared.py").exists()
    assert not (env.site / "tests").exists()


@pytest.mark.parametrize("together", [True, False], ids=["in one plan", "one after the other"])
def test_strict_refuses_that_and_changes_nothing(env: Environment, pair: tuple[Path, Path], together: bool) -> None:
    if not together:
        env.install(pair[0])
    before = env.tree()

    with pytest.raises(InstallError, match="both bring"):
        env.install(*(pair if together else pair[1:]), options=InstallOptions(strict=True))

    assert env.tree() == before


def test_an_unowned_file_with_the_same_bytes_is_no_conflict(env: Environment, tmp_path: Path) -> None:
    (env.site / "foo.py").write_text("x = 1\n")

    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n"}))

    assert not env.reporter.warnings


def test_an_unowned_file_is_refused_and_only_replaced_by_force(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n", "pkg/a.py": "x = 1\n"})
    (env.site / "foo.py").write_text("mine\n")
    (env.site / "pkg").mkdir()
    (env.site / "pkg/a.py").write_text("mine\n")
    before = env.tree()

    with pytest.raises(InstallError, match=r"foo 1\.0 would overwrite .*foo\.py` and 1 more") as caught:
        env.install(wheel)
    assert "--force" in (caught.value.hint or "")
    assert env.tree() == before

    env.install(wheel, options=InstallOptions(force=True))
    assert (env.site / "pkg/a.py").read_text() == "x = 1\n"


def test_a_linked_package_of_the_user_is_not_written_through(env: Environment, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "__init__.py").write_text("mine\n")
    (env.site / "foo").symlink_to(mine)
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo/__init__.py": "x = 1\n"})

    with pytest.raises(InstallError, match="would overwrite"):
        env.install(wheel)
    env.install(wheel, options=InstallOptions(force=True))

    assert (mine / "__init__.py").read_text() == "mine\n"
    assert not (env.site / "foo").is_symlink()


def test_a_folder_in_the_way_of_a_file_is_refused_also_by_force(env: Environment, tmp_path: Path) -> None:
    (env.site / "foo.py").mkdir()
    (env.site / "foo.py/mine").write_text("")

    with pytest.raises(InstallError, match="a folder of that name is in the way"):
        env.install(make_wheel(tmp_path, "foo", "1.0"), options=InstallOptions(force=True))


def test_a_file_and_a_folder_of_one_name_in_one_plan_are_refused(env: Environment, tmp_path: Path) -> None:
    file = make_wheel(tmp_path, "one", "1.0", {"thing": ""})
    folder = make_wheel(tmp_path, "two", "1.0", {"thing/x": ""})
    before = env.tree()

    with pytest.raises(InstallError, match=r"one 1\.0 brings a file .*thing`, where two 1\.0 brings a folder"):
        env.install(file, folder)
    assert env.tree() == before

    env.install(file)
    with pytest.raises(InstallError, match=r"where one 1\.0 has a file"):
        env.install(folder)


def test_a_left_over_compiled_file_is_nobodys_and_goes(env: Environment, tmp_path: Path) -> None:
    (env.site / "__pycache__").mkdir()
    stale = env.site / "__pycache__" / f"foo.{env.interpreter.cache_tag}.pyc"
    stale.write_bytes(b"stale")

    env.install(make_wheel(tmp_path, "foo", "1.0"), options=InstallOptions(compile_bytecode=True))

    assert stale.read_bytes() != b"stale"
    assert not env.reporter.warnings
