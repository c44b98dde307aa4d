"""The fast exit: what it says, what it loads, and that whatever could matter defeats it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from miniuv import noop, state
from miniuv.resolve import gather
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import BACKEND, project_files, write_project
from tests.support.simple_index import Reply, SimpleIndex
from tests.support.wheels import make_wheel

ASKED = ("pip", "install", "-r", "requirements.txt", "-c", "limits.txt")

Undo = Callable[[], object]


def standing(world: World, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[str, list[str]] | None:
    before = Path.cwd()
    os.chdir(world.folder)
    try:
        return noop.standing(arguments or ASKED, {**world.environ, **(environ or {})})
    finally:
        os.chdir(before)


def settle(world: World, *arguments: str, runs: int = 3) -> None:
    """Install again and again: what the first run has read may be as young as the run itself."""
    for _ in range(runs):
        said = world.miniuv(*arguments)
        assert said.code == 0, said.err


def rest(world: World, *arguments: str) -> None:
    """Install until the fast exit would do; the runs themselves make the files old enough."""
    for _ in range(20):
        settle(world, *arguments, runs=1)
        if standing(world, *arguments) is not None:
            return
    pytest.fail("the fast exit never works")


def states(world: World) -> list[Path]:
    return sorted((world.folder / ".venv" / state.FOLDER).glob("*"))


def make_world(folder: Path) -> World:
    """Requirement files that include another, a local wheel, a git commit, a folder of wheels, and a constraint."""
    world = World.make(folder)
    del world.environ["MINIUV_NO_CONFIG"]
    repository = GitRepository.create(folder / "gamma.git")
    commit = repository.commit(project_files("gamma"))
    make_wheel(world.folder / "wheels", "alpha", "1.0")
    make_wheel(world.folder / "links", "beta", "1.0")
    (world.folder / "requirements.txt").write_text("-r more.txt\n--find-links links\nbeta\n")
    (world.folder / "more.txt").write_text(
        f"./wheels/alpha-1.0-py3-none-any.whl\ngamma @ git+{repository.url}@{commit}\n"
    )
    (world.folder / "limits.txt").write_text("beta<2\n")
    return world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def world(shared: World) -> World:
    """The shared world, in which the fast exit works; a test puts back what it changes."""
    rest(shared, *ASKED)
    return shared


def without_times(text: str) -> str:
    return re.sub(r"in [\d.]+m?s", "in %", text)


def test_it_says_what_the_normal_path_says(world: World) -> None:
    for state_file in states(world):
        state_file.unlink()
    normal = world.miniuv(*ASKED)

    assert standing(world) == ("terminal", ["Resolved 3 packages in %", "Audited 3 packages in %"])
    fast = world.start(*ASKED)
    out, err = fast.communicate(timeout=60)
    assert (fast.returncode, out, without_times(err)) == (normal.code, normal.out, without_times(normal.err))


def test_quiet_stays_quiet_and_an_unexpected_environment_is_named(world: World) -> None:
    rest(world, "pip", "install", "-q", *ASKED[2:])
    elsewhere = ("pip", "install", "--python", ".venv/bin/python", *ASKED[2:])
    other = {"VIRTUAL_ENV": "/nowhere"}
    normal = [world.miniuv(*elsewhere, environ=other) for _ in range(2)][-1]

    assert standing(world, "pip", "install", "-q", *ASKED[2:]) == ("terminal", [])
    told = standing(world, *elsewhere, environ=other)
    assert told is not None
    assert without_times(normal.err).splitlines() == told[1]
    assert len(told[1]) == 3


def test_nothing_is_imported_but_what_the_interpreter_has_loaded_anyway(world: World) -> None:
    ask = (
        "import sys; before = set(sys.modules)\n"
        "from miniuv import noop\n"
        f"found = noop.standing({[*ASKED]!r}, {dict(world.environ)!r})\n"
        "print(found is not None, *sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=world.folder,
        env={"PYTHONPATH": str(Path(noop.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    found, *loaded = done.stdout.split()
    assert found == "True"
    assert set(loaded) <= {
        "__future__", "_blake2", "_sha2", "_sha256",
        "miniuv", "miniuv.hashes", "miniuv.noop", "miniuv.stamps", "miniuv.state",
    }  # fmt: skip


def _edited(path: Path, more: bytes = b"\n") -> Undo:
    before = path.read_bytes()
    path.write_bytes(before + more)
    return lambda: path.write_bytes(before)


def _appears(path: Path, text: str = "") -> Undo:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path.unlink


def _another_file(path: Path) -> Undo:
    """The same bytes with the same times, in another file: what an installer does that replaces by renames."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    os.rename(other, path)
    return lambda: None


def _interpreter_moves(world: World) -> Undo:
    link = world.folder / ".venv" / "bin" / "python"
    target = os.readlink(link)
    link.unlink()
    link.symlink_to(os.path.realpath(target))

    def undo() -> None:
        link.unlink()
        link.symlink_to(target)

    return undo


def _distribution_goes(world: World) -> Undo:
    info = world.site / "beta-1.0.dist-info"
    info.rename(world.folder / "aside")
    return lambda: (world.folder / "aside").rename(info)


def _folder_appears(folder: Path) -> Undo:
    folder.mkdir()
    return folder.rmdir


CHANGES: dict[str, Callable[[World], Undo]] = {
    "a requirement file is edited": lambda world: _edited(world.folder / "requirements.txt"),
    "an included file is edited": lambda world: _edited(world.folder / "more.txt"),
    "a constraint file is edited": lambda world: _edited(world.folder / "limits.txt"),
    "a requirement file is replaced by its like": lambda world: _another_file(world.folder / "more.txt"),
    "a local wheel is another": lambda world: _another_file(world.folder / "wheels" / "alpha-1.0-py3-none-any.whl"),
    "a wheel appears among the links": lambda world: _appears(world.folder / "links" / "beta-0.9-py3-none-any.whl"),
    "metadata is edited": lambda world: _another_file(world.site / "alpha-1.0.dist-info" / "METADATA"),
    "a RECORD is edited": lambda world: _edited(world.site / "alpha-1.0.dist-info" / "RECORD"),
    "the origin of a distribution is edited": lambda world: _edited(
        world.site / "gamma-1.0.dist-info" / "direct_url.json"
    ),
    "a file appears in a dist-info": lambda world: _appears(world.site / "alpha-1.0.dist-info" / "NEW"),
    "a distribution goes": _distribution_goes,
    "another tool installs something": lambda world: _folder_appears(world.site / "delta-1.0.dist-info"),
    "pyvenv.cfg is edited": lambda world: _edited(world.folder / ".venv" / "pyvenv.cfg"),
    "the interpreter is another": _interpreter_moves,
    "a program appears": lambda world: _appears(world.folder / ".venv" / "bin" / "tool"),
    "a change was cut short": lambda world: _folder_appears(world.folder / ".venv" / ".miniuv"),
    "a project file appears": lambda world: _appears(world.folder / "pyproject.toml"),
    "settings of uv appear": lambda world: _appears(world.folder / "uv.toml", 'index-url = "https://index.invalid"\n'),
    "settings of the user appear": lambda world: _appears(
        Path(world.environ["HOME"]) / ".config" / "miniuv" / "miniuv.toml", "offline = true\n"
    ),
    "settings of pip appear": lambda world: _appears(
        Path(world.environ["HOME"]) / ".config" / "pip" / "pip.conf", "[global]\ntimeout = 9\n"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_is_defeated_when(world: World, change: Callable[[World], Undo]) -> None:
    undo = change(world)
    try:
        assert standing(world) is None
    finally:
        undo()


def test_it_is_defeated_by_any_variable_that_may_matter(world: World) -> None:
    variables = {
        "UV_INDEX_URL": "https://index.invalid/simple",
        "PIP_CONSTRAINT": "limits.txt",
        "MINIUV_CONSTRAINT": "limits.txt",
        "HOME": "/elsewhere",
        "VIRTUAL_ENV": str(world.folder / ".venv"),
        "ANY_OTHER": "1",
        "NO_COLOR": "1",
        "PATH": "/elsewhere",
    }

    assert [name for name, value in variables.items() if standing(world, environ={name: value}) is not None] == []


def test_variables_that_come_and_go_with_every_command_do_not_defeat_it(world: World) -> None:
    assert standing(world, environ={"PWD": "/x", "OLDPWD": "/y", "SHLVL": "9", "_": "/z"}) is not None


def test_it_is_defeated_by_another_command_line(world: World) -> None:
    more = ["--offline", "--no-deps", "--pre", "-U", "--reinstall", "--dry-run", "-v", "-q"]

    assert [option for option in more if standing(world, *ASKED, option) is not None] == []
    assert standing(world, "pip", "install", "-c", "limits.txt", "-r", "requirements.txt") is None


def test_it_is_defeated_in_another_folder(world: World) -> None:
    below = world.folder / "below"
    below.mkdir(exist_ok=True)
    for name in ("requirements.txt", "limits.txt"):
        shutil.copy2(world.folder / name, below)
    there = World(folder=below, environ=world.environ)

    assert standing(there) is None


def test_a_nearer_environment_defeats_it(world: World) -> None:
    below = world.folder / "deep"
    shutil.copytree(world.folder / "links", below / "links")
    there = World(folder=below, environ=world.environ)
    asked = ("pip", "install", "--find-links", "links", "beta")
    rest(there, *asked)

    (below / ".venv").mkdir()
    assert standing(there, *asked) is not None
    (below / ".venv" / "pyvenv.cfg").touch()
    assert standing(there, *asked) is None
    shutil.rmtree(below)


@pytest.mark.parametrize(
    "options",
    [
        ("-U",),
        ("-P", "beta"),
        ("--reinstall",),
        ("--reinstall-package", "beta"),
        ("--refresh",),
        ("--dry-run",),
        ("--explain",),
        ("-v",),
    ],
    ids=" ".join,
)
def test_nothing_is_written_down_where_the_same_command_would_do_or_tell_something(
    world: World, options: tuple[str, ...]
) -> None:
    settle(world, *ASKED, *options)

    assert standing(world, *ASKED, *options) is None


def test_a_branch_is_asked_for_every_time(world: World) -> None:
    asked = ("pip", "install", f"gamma @ git+{(world.folder.parent / 'gamma.git').as_uri()}@main")
    settle(world, *asked)

    assert standing(world, *asked) is None


def test_a_command_that_warns_is_run_every_time(world: World) -> None:
    (world.folder / "odd.txt").write_text("--use-feature=fast-deps\nbeta\n")
    asked = ("pip", "install", "-r", "odd.txt")
    settle(world, *asked)

    assert "has no effect" in world.miniuv(*asked).err
    assert standing(world, *asked) is None


def test_a_constraint_file_that_a_variable_names_is_looked_at(world: World) -> None:
    limits = world.folder / "named.txt"
    limits.write_text("beta<3\n")
    named = World(folder=world.folder, environ={**world.environ, "UV_CONSTRAINT": "named.txt"})
    rest(named, *ASKED)

    limits.write_text("beta<1\n")
    assert standing(named) is None


def test_a_file_of_the_future_is_never_relied_upon(world: World) -> None:
    limits = world.folder / "limits.txt"
    os.utime(limits, (limits.stat().st_atime, limits.stat().st_mtime + 3600))
    try:
        settle(world, *ASKED)
        assert standing(world) is None
    finally:
        os.utime(limits)


def test_a_file_that_may_have_changed_while_it_was_read_is_not_relied_upon(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = gather.read_inputs
    limits = world.folder / "limits.txt"

    def read_and_change(*arguments: object, **named: object) -> object:
        inputs = original(*arguments, **named)  # type: ignore[arg-type]
        limits.write_text("beta<1\n")
        return inputs

    monkeypatch.setattr("miniuv.pipeline.read_inputs", read_and_change)
    assert world.miniuv(*ASKED).code == 0
    assert standing(world) is None
    limits.write_text("beta<2\n")


def test_a_requirement_file_of_the_web_is_fetched_every_time(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with SimpleIndex(tmp_path / "index") as index:
        world = World.make(tmp_path, index=index.url)
        make_wheel(index.folder, "beta", "1.0")
        index.canned["/list.txt"] = [Reply(body=b"beta\n")] * 3
        settle(world, "pip", "install", "-r", f"{index.root}/list.txt")

    assert states(world) == []


def _rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def _linked(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


def _foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(os.urandom(4096)),
    "cut short": lambda path: _rewritten(path, lambda data: data[: len(data) // 2]),
    "cut short between lines": lambda path: _rewritten(path, lambda data: b"".join(data.splitlines(True)[:-2])),
    "another format": lambda path: _rewritten(path, lambda data: data.replace(b"state 1", b"state 2", 1)),
    "a line too many": lambda path: _rewritten(path, lambda data: data.replace(b"end\n", b"hm\nend\n")),
    "no number": lambda path: _rewritten(path, lambda data: re.sub(rb"\A(.*)\n\d+", rb"\1\nx", data)),
    "writable by others": lambda path: path.chmod(0o666),
    "a link": _linked,
    "a folder": _foldered,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_state_file_that_is_not_as_it_was_written_is_ignored(world: World, damage: Callable[[Path], object]) -> None:
    folder = world.folder / ".venv" / state.FOLDER
    shutil.rmtree(folder)
    rest(world, *ASKED)
    (file,) = states(world)
    damage(file)

    assert standing(world) is None
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_state_file_of_somebody_else_is_ignored(world: World) -> None:
    for file in states(world):
        os.chown(file, 65534, 65534)

    assert standing(world) is None
    shutil.rmtree(world.folder / ".venv" / state.FOLDER)


def test_a_state_file_says_that_no_change_was_under_way(world: World) -> None:
    (file, *_) = states(world)

    assert f"-  {world.folder / '.venv' / '.miniuv'}" in file.read_text().splitlines()


def test_a_copied_state_folder_is_ignored(world: World) -> None:
    folder = world.folder / ".venv" / state.FOLDER
    folder.rename(world.folder / "aside")
    shutil.copytree(world.folder / "aside", folder)
    kept = folder.parent.stat().st_mtime_ns
    os.utime(folder.parent, ns=(kept, kept))

    assert standing(world) is None
    shutil.rmtree(folder)
    shutil.rmtree(world.folder / "aside")


def test_few_states_are_kept(world: World) -> None:
    for number in range(12):
        assert world.miniuv(*ASKED, environ={"NUMBER": str(number)}).code == 0

    assert len(states(world)) == 8
    assert standing(world, environ={"NUMBER": "11"}) is not None


def test_no_secret_of_the_command_is_written_down(world: World) -> None:
    secret = "hunter2"
    found = world.miniuv(*ASKED, environ={"PIP_INDEX_URL": f"https://me:{secret}@index.invalid/simple"})

    assert found.code == 0
    assert not [file for file in states(world) if secret in file.read_text()]


def test_that_nothing_can_be_written_down_is_no_error(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    make_wheel(world.folder, "alpha", "1.0")
    (world.folder / ".venv" / state.FOLDER).write_text("in the way")
    asked = ("pip", "install", "./alpha-1.0-py3-none-any.whl")

    assert [world.miniuv(*asked).code for _ in range(2)] == [0, 0]
    assert standing(world, *asked) is None


def test_an_editable_stands_until_something_changes_that_its_build_has_looked_at(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    make_wheel(world.folder / "links", "tiny", "1.0", {"tiny.py": BACKEND})
    folder = write_project(world.folder, "proj")
    shutil.rmtree(folder / "backend")
    facts = folder / "pyproject.toml"
    facts.write_text(facts.read_text().replace('backend-path = ["backend"]', "").replace("[]", '["tiny"]', 1))
    asked = ("pip", "install", "--find-links", "links", "-e", "proj")
    rest(world, *asked)
    (folder / "proj" / "__init__.py").write_text("edited = 1\n")
    assert standing(world, *asked) is not None  # an editable build does not read it

    changes: dict[str, Callable[[], object]] = {
        "what the backend reads": lambda: _edited(folder / "project.json"),
        "the project file": lambda: _edited(facts),
        "the folder itself": lambda: folder.rename(world.folder / "away"),
    }
    for what, change in changes.items():
        rest(world, *asked)
        change()
        assert standing(world, *asked) is None, what


def test_an_installation_is_written_down_at_once_and_cleared_with_its_environment(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    wheel = make_wheel(world.folder, "alpha", "1.0")
    for path in (wheel, world.folder):
        os.utime(path, (1, 1))
    asked = ("pip", "install", "./alpha-1.0-py3-none-any.whl")
    assert world.miniuv("pip", "uninstall", "alpha").code == 0  # so that the wheel is older than the installation
    world.install(*asked[2:])

    assert standing(world, *asked) is not None
    assert world.miniuv("venv", "--clear", ".venv", "--python", sys.executable).code == 0
    assert standing(world, *asked) is None
    assert states(world) == []
