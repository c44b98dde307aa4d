"""What ``setup.py`` left in environments."""

from pathlib import Path

import pytest

from miniuv.errors import InstallError
from tests.support.environments import Environment
from tests.support.wheels import make_wheel

PKG_INFO = "Metadata-Version: 1.2\nName: old-one\nVersion: 1.0\n"


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path)


def test_an_egg_info_with_a_list_goes_by_its_list(env: Environment) -> None:
    before = env.tree()
    info = env.site / "old_one-1.0-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text(PKG_INFO)
    (info / "installed-files.txt").write_text("../old_one/__init__.py\nPKG-INFO\n../../../../bin/old\n")
    (env.site / "old_one").mkdir()
    (env.site / "old_one/__init__.py").write_text("")
    (env.bin / "old").write_text("")

    env.apply(remove=["old-one"])

    assert env.tree() == before


def test_an_egg_info_without_a_list_goes_by_its_top_level_names(env: Environment) -> None:
    before = env.tree()
    info = env.site / "old_one-1.0.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text(PKG_INFO)
    (info / "top_level.txt").write_text("old_one\nold_module\n..\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nold = old_one:main\n[other]\npython = x:y\n")
    (env.site / "old_one/sub").mkdir(parents=True)
    (env.site / "old_one/sub/x.py").write_text("")
    (env.site / "old_module.py").write_text("")
    (env.bin / "old").write_text("")

    env.apply(remove=["old-one"])

    assert env.tree() == before


def test_a_developed_project_loses_its_link_its_line_and_its_programs(env: Environment, tmp_path: Path) -> None:
    project = tmp_path / "project"
    info = project / "old_one.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text(PKG_INFO)
    (info / "entry_points.txt").write_text("[console_scripts]\nold = old_one:main\n")
    (env.site / "old-one.egg-link").write_text(f"{project}\n.")
    (env.site / "easy-install.pth").write_text(f"/other/project\n{project}\n")
    (env.bin / "old").write_text("")

    env.install(make_wheel(tmp_path, "old-one", "2.0", {"old_one.py": "x = 2\n"}))

    assert (env.site / "easy-install.pth").read_text() == "/other/project\n"
    assert not (env.site / "old-one.egg-link").exists()
    assert not (env.bin / "old").exists()
    assert info.is_dir()
    assert [str(one) for one in env.installed().values()] == ["old-one 2.0"]


def test_two_developed_projects_leave_together(env: Environment, tmp_path: Path) -> None:
    lines = []
    for name in ("one", "two"):
        info = tmp_path / name / f"{name}.egg-info"
        info.mkdir(parents=True)
        (info / "PKG-INFO").write_text(f"Metadata-Version: 1.2\nName: {name}\nVersion: 1.0\n")
        (env.site / f"{name}.egg-link").write_text(f"{info.parent}\n.")
        lines.append(f"{info.parent}\n")
    (env.site / "easy-install.pth").write_text("".join([*lines, "/third\n"]))

    env.apply(remove=["one", "two"])

    assert (env.site / "easy-install.pth").read_text() == "/third\n"


def test_a_distutils_installation_is_refused_with_what_to_do(env: Environment) -> None:
    (env.site / "old_one-1.0.egg-info").write_text(PKG_INFO)

    with pytest.raises(InstallError, match="distutils") as caught:
        env.apply(remove=["old-one"])

    assert "miniuv venv" in (caught.value.hint or "")
