"""Each mistake: one clear error with a hint, exit code 1, nothing half-installed, no traceback."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Said, World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


def refused(world: World, *arguments: str | Path, says: str, hint: str | None = None) -> Said:
    before = world.installed()
    said = world.miniuv("pip", "install", *arguments)
    assert said.code == 1, said.err
    assert says in said.err
    assert "\nhint: " in said.err, said.err
    if hint is not None:
        assert hint in said.err.partition("\nhint: ")[2]
    assert not [line for line in said.err.splitlines() if line.startswith("Traceback")]
    assert said.out == ""
    assert world.installed() == before
    return said


def test_a_folder_without_a_project(world: World) -> None:
    (world.folder / "empty").mkdir()
    refused(world, "-e", "empty", says="neither `pyproject.toml` nor `setup.py`")


def test_a_folder_that_is_not_there(world: World) -> None:
    refused(world, "-e", "nowhere", says="nowhere")


def test_a_broken_pyproject_is_told_with_its_line(world: World) -> None:
    write_files(world.folder / "one", {"pyproject.toml": "[project]\nname = \n"})
    refused(world, "-e", "one", says="pyproject.toml:2")


def test_two_editables_of_one_name(world: World) -> None:
    write_project(world.folder / "a", "one")
    write_project(world.folder / "b", "one")
    said = refused(world, "-e", "a/one", "-e", "b/one", says="two editables are called `one`")
    assert "a/one" in said.err
    assert "b/one" in said.err


def test_an_editable_and_a_url_of_one_name(world: World) -> None:
    write_project(world.folder, "one")
    wheel = make_wheel(world.folder, "one", "2.0")
    said = refused(world, "-e", "one", f"one @ {wheel.as_uri()}", says="`one` is asked for from two places")
    assert wheel.name in said.err
    assert "the command line" in said.err


def test_an_editable_of_another_name_than_asked_for(world: World) -> None:
    folder = write_project(world.folder, "one")
    refused(world, "-e", f"two @ {folder.as_uri()}", says="`one`", hint="one")


def test_a_wrong_hash(world: World) -> None:
    wheel = make_wheel(world.folder, "one", "1.0")
    refused(world, f"one @ {wheel.as_uri()}#sha256={'0' * 64}", says="sha256")


def test_no_matching_distribution_and_why_each_file_was_rejected(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "one", "1.0", tag="cp27-none-any")
    make_wheel(index.folder, "one", "2.0", requires_python="<3")
    said = refused(indexed, "one", says="one-1.0-cp27-none-any.whl")
    assert "none of its tags fits" in said.err


def test_a_name_that_no_index_has(indexed: World) -> None:
    refused(indexed, "nosuch", says="`nosuch`", hint="spelling")


def test_a_version_that_no_index_has(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "one", "1.0")
    said = refused(indexed, "one>=2", says="one>=2")
    assert "1.0" in said.err


def test_requirements_that_contradict_each_other_name_who_wants_what(indexed: World, index: SimpleIndex) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index.folder, "shared", version)
    write_project(indexed.folder, "left", dependencies=["shared<2"])
    write_project(indexed.folder, "right", dependencies=["shared>=2"])
    said = refused(indexed, "-e", "left", "-e", "right", says="no version of `shared` satisfies")
    assert "left 1.0 (left/pyproject.toml) requires shared<2" in said.err
    assert "right 1.0 (right/pyproject.toml) requires shared>=2" in said.err


def test_a_project_for_another_python(world: World) -> None:
    write_project(world.folder, "one", requires_python=">=99")
    said = refused(world, "-e", "one", says="`one 1.0` requires Python >=99", hint="--python")
    assert "the target is Python 3." in said.err


def test_a_backend_that_fails(world: World) -> None:
    write_project(world.folder, "one", fails="this is why")
    said = refused(world, "-e", "one", says="this is why")
    assert "first line of the backend" in said.err
    assert ".log" in said.err


def test_a_backend_that_prints_a_lot_is_shown_at_its_end(world: World) -> None:
    folder = write_project(world.folder, "one")
    backend = folder / "backend" / "tiny.py"
    backend.write_text(backend.read_text() + "\n\ndef build_editable(*_):\n    print('x\\n' * 200000)\n    1 / 0\n")
    said = refused(world, "-e", "one", says="ZeroDivisionError")
    assert len(said.err) < 10_000


def test_a_backend_without_editable_installs_is_named_with_the_hook(world: World) -> None:
    folder = write_project(world.folder, "one")
    backend = folder / "backend" / "tiny.py"
    backend.write_text(backend.read_text().replace("def build_editable", "def no_build_editable"))
    said = refused(world, "-e", "one", says="build_editable")
    assert "tiny" in said.err


def test_a_target_that_is_no_environment(world: World) -> None:
    (world.folder / "plain").mkdir()
    write_project(world.folder, "one")
    said = world.miniuv("pip", "install", "-e", "one", "--python", "plain")
    assert said.code == 1
    assert "miniuv venv" in said.err


def test_no_environment_at_all(tmp_path: Path) -> None:
    world = World.make(tmp_path, environment=False)
    said = world.miniuv("pip", "install", "one")
    assert said.code == 1
    assert "`miniuv venv`" in said.err


def test_a_read_only_environment(world: World) -> None:
    write_project(world.folder, "one")
    environment = world.folder / ".venv"
    command = shlex.join([sys.executable, "-m", "miniuv", "pip", "install", "-e", "one"])
    if os.geteuid() == 0:  # root may write anywhere but on a read-only mount
        mount = shlex.join(["mount", "--bind", str(environment), str(environment)])
        remount = shlex.join(["mount", "-o", "remount,ro,bind", str(environment)])
        argv = ["unshare", "--mount", "sh", "-c", f"{mount} && {remount} && exec {command}"]
    else:
        argv = ["sh", "-c", f"chmod -R a-w {shlex.quote(str(environment))} && exec {command}"]
    done = subprocess.run(argv, cwd=world.folder, env=world.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert str(environment) in done.stderr
    assert "hint: " in done.stderr
    assert world.installed() == {}


def test_no_git_on_the_path(world: World, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    world.environ["PATH"] = str(tools)
    refused(world, "one @ git+file:///nowhere", says="git", hint="install")


def test_a_git_that_is_too_old(world: World, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").write_text("#!/bin/sh\necho git version 2.25.1\n")
    (tools / "git").chmod(0o755)
    world.environ["PATH"] = f"{tools}{os.pathsep}{world.environ['PATH']}"
    refused(world, "one @ git+file:///nowhere", says="2.31")


def test_an_unreachable_git_host(world: World) -> None:
    world.environ["MINIUV_RETRIES"] = "0"
    refused(world, "one @ git+http://127.0.0.1:9/one.git", says="127.0.0.1:9")


def test_an_unreachable_index(tmp_path: Path) -> None:
    world = World.make(tmp_path, index="http://127.0.0.1:9/simple/")
    world.environ["MINIUV_RETRIES"] = "0"
    refused(world, "one", says="127.0.0.1:9")


def test_a_requirement_that_cannot_be_read(world: World) -> None:
    refused(world, "one=1.0", says="one=1.0", hint="==")


def test_a_requirement_file_is_named_with_its_line(world: World) -> None:
    (world.folder / "requirements.txt").write_text("# fine\none =>= 2\n")
    refused(world, "-r", "requirements.txt", says="requirements.txt:2")


def test_a_git_repository_without_a_project_there_lists_those_it_has(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit({f"sub/one/{path}": text for path, text in project_files("one").items()} | {"empty/x": ""})
    url = f"git+{repository.url}"
    for fragment in ("", "#subdirectory=nope", "#subdirectory=empty"):
        said = refused(world, f"{url}{fragment}", says=url, hint="projects are in `sub/one`")
        assert world.environ["MINIUV_CACHE_DIR"] not in said.err


def test_a_broken_project_of_a_git_repository_is_told_without_a_path_of_ours(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    commit = repository.commit({"pyproject.toml": "[project\n"})
    said = refused(world, f"git+{repository.url}", says=f"{repository.url}@{commit}: pyproject.toml:1")
    assert world.environ["MINIUV_CACHE_DIR"] not in said.err


@pytest.mark.parametrize("name", ["one-1.0.tar.gz", "one-1.0-py3-none-any.whl", "one.zip"])
def test_a_damaged_local_archive_is_told_by_its_name(world: World, name: str) -> None:
    (world.folder / name).write_bytes(b"junk" * 100)
    refused(world, f"./{name}", says=f"error: {name}: ", hint="download it again")


def test_a_wheel_by_another_name_says_what_wheels_are_called(world: World) -> None:
    (world.folder / "one-1.whl").write_bytes(b"junk")
    refused(
        world, "./one-1.whl", says="`one-1.whl` is no name of a wheel", hint="`name-version-python-abi-platform.whl`"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("git+/abs/one", "`git+file:///abs/one`"),
        ("one@1.17", "write `one==1.17`"),
        ("./nope", "check the path"),
        ("one @ https://127.0.0.1/one-1.tar.gz#sha256=ab", "sha256sum"),
        ("one[a,,b] @ ./x", None),
    ],
)
def test_a_reference_that_is_none_is_told_with_what_to_write(world: World, text: str, hint: str | None) -> None:
    said = refused(world, text, says="the command line", hint=hint)
    assert "a requirement reads" not in said.err or hint is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [("one[x]==1", "leave `[x]` out"), ("-e .", "ask for the editable in a requirement file")],
)
def test_what_is_no_constraint_is_told_with_what_to_write(world: World, text: str, hint: str) -> None:
    (world.folder / "c.txt").write_text(f"{text}\n")
    refused(world, "-c", "c.txt", "one", says="c.txt:1", hint=hint)


def test_builds_that_are_switched_off_are_told_with_how_to_switch_them_on(indexed: World, index: SimpleIndex) -> None:
    write_project(indexed.folder / "sources", "one")
    shutil.make_archive(str(index.folder / "one-1.0"), "gztar", indexed.folder / "sources", "one")
    refused(indexed, "--no-build", "one", says="builds are switched off", hint="drop `--no-build`")


def test_files_for_other_pythons_are_beside_the_point_where_there_are_others(
    indexed: World, index: SimpleIndex
) -> None:
    make_wheel(index.folder, "one", "1.0")
    make_wheel(index.folder, "one", "1.0", tag="cp27-none-any")
    make_wheel(index.folder, "one", "2.0", requires_python=">=99")
    index.extra["one-2.0-py3-none-any.whl"] = {"requires-python": ">=99"}
    said = refused(indexed, "one>=2", says="one-2.0-py3-none-any.whl")
    assert "cp27" not in said.err


def test_a_program_that_is_no_python(world: World) -> None:
    refused(world, "one", "-p", "/bin/ls", says="`/bin/ls` is no Python")


def test_build_requirements_name_their_project_once(world: World) -> None:
    folder = write_project(world.folder, "one")
    text = (folder / "pyproject.toml").read_text().replace("requires = []", 'requires = ["nosuch"]')
    (folder / "pyproject.toml").write_text(text)
    said = refused(world, "-e", "one", says="its build requires nosuch")
    assert said.err.count("file://") == 1


def test_a_secret_is_shown_nowhere(world: World) -> None:
    world.environ["MINIUV_RETRIES"] = "0"
    said = world.miniuv("pip", "install", "-v", "one @ git+http://user:hunter2@127.0.0.1:9/one.git?token=hunter2")
    assert said.code == 1
    assert "hunter2" not in said.err + said.out


def test_build_requirements_that_need_each_other_are_told_as_a_loop(world: World) -> None:
    archives = world.folder / "archives"
    archives.mkdir()
    for name, other in (("chicken", "egg"), ("egg", "chicken")):
        folder = write_project(world.folder, name)
        text = (folder / "pyproject.toml").read_text().replace("requires = []", f'requires = ["{other}"]')
        (folder / "pyproject.toml").write_text(text)
        shutil.make_archive(str(archives / f"{name}-1.0"), "gztar", world.folder, name)
        with_version = folder.rename(world.folder / f"{name}-1.0")
        shutil.make_archive(str(archives / f"{name}-1.0"), "gztar", world.folder, with_version.name)
    said = refused(world, "--find-links", "archives", "chicken", says="loop")
    assert "chicken" in said.err
    assert "egg" in said.err


def test_usage_errors_end_with_two(world: World) -> None:
    for arguments in (["pip", "install"], ["pip", "install", "--nosuch", "x"], ["nosuch"], ["pip", "instal", "x"]):
        said = world.miniuv(*arguments)
        assert said.code == 2
        assert "hint: " in said.err
