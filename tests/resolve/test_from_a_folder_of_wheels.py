"""Resolved through the whole program: a folder of wheels, and what is said and done."""

import hashlib
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.make(tmp_path)
    world.environ["MINIUV_FIND_LINKS"] = str(world.folder / "wheels")
    (world.folder / "wheels").mkdir()
    return world


def wheel(world: World, name: str, version: str, *requires: str, **facts: object) -> Path:
    return make_wheel(world.folder / "wheels", name, version, requires=requires, **facts)  # type: ignore[arg-type]


def test_every_order_of_the_command_line_gives_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1", "2"):
        wheel(world, "c", version)
        wheel(world, "a", version, f"c=={version}")
        wheel(world, "b", version, f"c=={3 - int(version)}")
    wheel(world, "d", "1", "c", "a")
    answers = set()
    for number, order in enumerate(permutations(["a", "b", "d"])):
        monkeypatch.setattr("miniuv.resolve.prefetch._WORKERS", 1 + 31 * (number % 2))
        said = world.miniuv("pip", "install", "--dry-run", *order)
        assert said.code == 0, said.err
        answers.add(tuple(sorted(line for line in said.err.splitlines() if "==" in line)))
    assert len(answers) == 1


def _pin(path: Path, digest: str | None = None) -> str:
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    return f"--hash=sha256:{digest}"


@pytest.mark.parametrize("form", ["one==1", "one @ {}", "{}", "wheels/one-1-py3-none-any.whl"])
def test_a_hash_of_a_requirement_file_is_checked_for_every_form(world: World, form: str) -> None:
    path = wheel(world, "one", "1")
    file = world.folder / "requirements.txt"
    file.write_text(f"{form.format(path.as_uri())} {_pin(path, '0' * 64)}\n")
    said = world.miniuv("pip", "install", "-r", "requirements.txt")
    assert said.code == 1
    assert "0" * 64 in said.err or "hash" in said.err
    assert world.installed() == {}
    file.write_text(f"{form.format(path.as_uri())} {_pin(path, '0' * 64)} {_pin(path)}\n")
    world.install("-r", "requirements.txt")
    assert world.installed() == {"one": "1"}


def test_hashes_of_two_lines_must_have_one_in_common(world: World) -> None:
    path = wheel(world, "one", "1")
    (world.folder / "a.txt").write_text(f"one {_pin(path)}\n")
    (world.folder / "b.txt").write_text(f"one {_pin(path, '0' * 64)}\n")
    said = world.miniuv("pip", "install", "-r", "a.txt", "-r", "b.txt")
    assert said.code == 1
    assert "a.txt:1" in said.err
    assert "b.txt:1" in said.err


def test_a_repository_cannot_be_checked_against_a_hash(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit(project_files("one"))
    (world.folder / "r.txt").write_text(f"one @ git+{repository.url} --hash=sha256:{'0' * 64}\n")
    said = world.miniuv("pip", "install", "-r", "r.txt")
    assert said.code == 1
    assert "cannot be checked against a hash" in said.err
    assert "full commit id" in said.err


@pytest.mark.parametrize("dynamic", [False, True])
def test_an_installed_commit_needs_no_git_at_all(world: World, tmp_path: Path, dynamic: bool) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    commit = repository.commit(project_files("one", dynamic=dynamic))
    write_project(world.folder, "two", dependencies=[f"one @ git+{repository.url}@{commit}"])
    world.install("-e", "two", f"one @ git+{repository.url}@{commit}")
    (tmp_path / "tools").mkdir()
    for upgrade in ([], ["--upgrade"]):
        said = world.miniuv(
            "pip", "install", *upgrade, "-e", "two", f"one @ git+{repository.url}@{commit}",
            environ={"PATH": str(tmp_path / "tools")},
        )  # fmt: skip
        assert said.code == 0, said.err
        assert "one==" not in said.err


def test_a_branch_that_moved_is_installed_anew_though_the_version_is_the_same(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit(project_files("one", source="N = 1\n"))
    world.install(f"one @ git+{repository.url}@main")
    repository.commit(project_files("one", source="N = 2\n"))
    world.install(f"one @ git+{repository.url}@main")
    assert world.evaluate("import one; print(one.N)") == "2"


def test_one_folder_as_editable_and_plain_is_built_once(world: World) -> None:
    write_project(world.folder, "one", dynamic=True, extras={"x": []})
    (world.folder / "link").symlink_to("one")
    write_project(world.folder, "two", dependencies=[f"one[x] @ {(world.folder / 'one').as_uri()}"])
    log = world.folder / "builds"
    world.environ["TINY_BUILD_LOG"] = str(log)
    world.install("-e", "two", "./one", "-e", "one", "-e", "link")
    assert sorted(log.read_text().split("\n")) == ["", "editable one", "editable two"]


def test_metadata_is_read_for_the_target_and_not_for_this_python(world: World) -> None:
    target = world.evaluate("import sys; print('%d.%d' % sys.version_info[:2])")
    wheel(world, "one", "1", f"here ; python_version == '{target}'", "elsewhere ; python_version < '3'")
    wheel(world, "here", "1")
    world.install("one")
    assert world.installed() == {"one": "1", "here": "1"}


def test_a_failed_build_ends_the_others_and_is_the_one_that_is_told(world: World) -> None:
    for name, body in (("slow", "__import__('time').sleep(300)"), ("wrong", "raise SystemExit('the reason')")):
        folder = write_project(world.folder, name)
        backend = folder / "backend" / "tiny.py"
        backend.write_text(f"{backend.read_text()}\n\ndef build_editable(*_):\n    {body}\n")
    said = world.miniuv("pip", "install", "-e", "slow", "-e", "wrong")
    assert said.code == 1
    assert "the reason" in said.err
    assert "slow" not in said.err.partition("error: ")[2]


def test_a_build_requirement_that_cannot_be_had_is_told_and_not_the_end_of_the_others(world: World) -> None:
    folder = write_project(world.folder, "one", dynamic=True)
    text = (folder / "pyproject.toml").read_text().replace("requires = []", 'requires = ["nosuch"]')
    (folder / "pyproject.toml").write_text(text)
    slow = write_project(world.folder, "slow", dynamic=True) / "backend" / "tiny.py"
    slow.write_text(f"{slow.read_text()}\n\ndef build_editable(*_):\n    __import__('time').sleep(300)\n")
    said = world.miniuv("pip", "install", "-e", "slow", "-e", "one")
    assert said.code == 1
    assert "nosuch" in said.err
    assert "interrupted" not in said.err


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_page_decides_as_the_specifications_say(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "index"
    yanked: Mapping[str, object] = {"yanked": "broken"}
    for version in ("1.0", "1.1", "2.0", "3.0rc1"):
        make_wheel(folder, "one", version)
    with SimpleIndex(folder, form=form) as index:  # type: ignore[arg-type]
        index.extra = {
            "one-2.0-py3-none-any.whl": dict(yanked),
            "one-1.1-py3-none-any.whl": {"requires-python": ">=99"},
        }
        world = World.make(tmp_path, index=index.url)
        for asked, version in (("one", "1.0"), ("one==2.0", "2.0"), ("one>=3.0rc1", "3.0rc1"), ("one==1.*", "1.0")):
            said = world.miniuv("pip", "install", "--reinstall", "--dry-run", asked)
            chosen = [line for line in said.err.splitlines() if "one==" in line]
            assert [f"one=={version}" in line for line in chosen] == [True], said.err
