"""A folder is built again when anything that its build looked at has changed, or cannot be known; else it is not."""

import os
import shutil
from pathlib import Path

import pytest

from miniuv.stamps import holds
from tests.support.commands import World
from tests.support.projects import write_project
from tests.support.recipes import STATIC, make_backend, write_recipe
from tests.support.reuse import FolderBuilds


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.make(tmp_path)
    world.environ["MINIUV_FIND_LINKS"] = str(make_backend(world.folder / "links").parent)
    return world


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return tmp_path / "one"


class Folder:
    """A project that is built, changed, and asked for again."""

    def __init__(self, builds: FolderBuilds, path: Path, recipe: str = "", *, tables: str = STATIC) -> None:
        self.path = write_recipe(path, recipe, tables=tables)
        self._builds = builds

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self, **variables: str) -> None:
        _, told = self._builds.build(self.path, variables=variables)
        assert told == []

    def reason(self, **variables: str) -> str | None:
        """Why the project was built again; ``None`` where it was not."""
        _, told = self._builds.build(self.path, variables=variables)
        assert len(told) < 2
        return told[0].removeprefix("one: ") if told else None


def install(world: World, *arguments: str | Path, **environ: str) -> list[str]:
    """Install, and say what was built and why."""
    said = world.miniuv("pip", "install", "-v", *(arguments or ("-e", "one")), environ=environ)
    assert said.code == 0, said.err
    return [line.strip() for line in said.err.splitlines() if line.strip().startswith(("Built", "rebuilt"))]


def reason(world: World, *arguments: str | Path, **environ: str) -> str | None:
    """Why the project was built again; ``None`` where it was not."""
    lines = install(world, *arguments, **environ)
    assert len(lines) in (0, 2), lines
    return next((line.removeprefix("rebuilt one: ") for line in lines if line.startswith("rebuilt")), None)


@pytest.mark.parametrize("asked", [("-e", "one"), ("./one",)], ids=["editable", "folder"])
def test_what_has_not_changed_is_not_built_again_and_needs_no_build_environment(
    world: World, asked: tuple[str, ...]
) -> None:
    write_recipe(world.folder / "one")
    assert len(install(world, *asked)) == 1
    shutil.rmtree(world.folder / "links")
    assert install(world, *asked) == []
    assert world.installed() == {"one": "1.0"}


def test_an_editable_wheel_does_not_stand_for_a_plain_one(world: World) -> None:
    write_recipe(world.folder / "one")
    assert len(install(world, "-e", "one")) == 1
    assert len(install(world, "./one")) == 1


def test_a_file_that_was_read_is_looked_at_again(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "open('text').read()")
    project.write("text", "a")
    project.build()
    project.write("text", "b")
    assert project.reason() == "text changed"
    assert project.reason() is None


def test_a_file_that_was_touched_is_read_and_found_the_same(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "open('text').read()")
    project.write("text", "a")
    project.build()
    os.utime(project.path / "text", (1, 1))
    assert project.reason() is None


def test_a_file_that_was_not_read_does_not_matter(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "import os; os.path.isfile('text')")
    project.write("text", "a")
    project.build()
    project.write("text", "b")
    project.write("more", "b")
    assert project.reason() is None


@pytest.mark.parametrize(
    "look",
    [
        "os.path.exists('new')",
        "pathlib.Path('new').is_file()",
        "os.access('new', os.R_OK)",
        "os.stat('new', dir_fd=os.open('.', os.O_RDONLY))",
        "open('new')",
        "os.readlink('new')",
        "__import__('posix').stat('new')",
        "sys.path.insert(0, os.getcwd()); __import__('new')",
        "list(pathlib.Path('.').glob('*.txt'))",
        "os.listdir()",
        "list(os.scandir(os.open('.', os.O_RDONLY)))",
        "next(os.walk('.'))",
    ],
)
def test_what_was_looked_for_in_vain_may_appear(builds: FolderBuilds, one: Path, look: str) -> None:
    code = "import os, pathlib, sys\ntry:\n    {}\nexcept (OSError, ImportError):\n    pass\n"
    project = Folder(builds, one, code.format(look))
    project.build()
    name = "new.py" if "__import__('new')" in look else "x.txt" if "glob" in look else "new"
    project.write(name, "")
    assert (project.reason() or "").endswith("changed")


def test_a_file_that_was_opened_beside_a_descriptor_is_known(builds: FolderBuilds, one: Path) -> None:
    recipe = "import os\nos.close(os.open('text', os.O_RDONLY, dir_fd=os.open('sub', os.O_RDONLY)))\n"
    project = Folder(builds, one, recipe)
    (project.path / "sub").mkdir()
    project.write("sub/text", "a")
    project.build()
    assert project.reason() is None
    project.write("sub/text", "b")
    assert project.reason() == "sub/text changed"


def test_a_path_is_relative_to_where_the_build_was_then(builds: FolderBuilds, one: Path) -> None:
    recipe = "import os\nos.chdir('sub')\nopen('text').read()\nos.chdir('..')\n"
    project = Folder(builds, one, recipe)
    (project.path / "sub").mkdir()
    project.write("sub/text", "a")
    project.build()
    project.write("sub/text", "b")
    assert project.reason() == "sub/text changed"


def test_a_folder_that_is_listed_knows_the_kinds_of_its_entries(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "import os\n[each.is_dir() for each in os.scandir('sub')]")
    (project.path / "sub" / "inner").mkdir(parents=True)
    project.build()
    (project.path / "sub" / "inner").rmdir()
    project.write("sub/inner", "")
    assert project.reason() == "sub changed"


def test_where_a_listed_link_leads_to_is_known(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "import os\n[each.is_dir() for each in os.scandir('sub')]")
    (project.path / "sub").mkdir()
    (project.path / "target").mkdir()
    (project.path / "sub" / "link").symlink_to("../target")
    project.build()
    (project.path / "target").rmdir()
    assert project.reason() == "sub/link changed"


def test_a_mode_that_was_asked_for_is_known(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, "import os\n[each.stat() for each in os.scandir('sub')]")
    (project.path / "sub").mkdir()
    project.write("sub/text", "a")
    project.build()
    (project.path / "sub" / "text").chmod(0o755)
    assert project.reason() == "sub/text changed"


def test_what_the_build_has_written_must_be_there_as_it_was(builds: FolderBuilds, one: Path) -> None:
    recipe = "import os\nos.makedirs('build', exist_ok=True)\nopen('build/made', 'w').write('x')\nos.listdir('.')"
    project = Folder(builds, one, recipe)
    project.build()
    assert project.reason() is None
    (project.path / "build" / "made").unlink()
    assert project.reason() == "build/made changed"
    assert project.reason() is None


def test_what_the_build_has_made_and_removed_does_not_count(builds: FolderBuilds, one: Path) -> None:
    recipe = "import shutil, os\nos.makedirs('build/a')\nopen('build/a/b', 'w').write('x')\nshutil.rmtree('build')\n"
    project = Folder(builds, one, recipe)
    project.build()
    assert project.reason() is None


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("import subprocess; subprocess.run(['true'])", "it runs other programs (true)"),
        ("import os; os.system('true')", "it runs other programs (true)"),
        ("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)", "it runs other programs"),
        (
            "import os; os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)",
            "it runs other programs (true)",
        ),
        (
            "import _posixsubprocess as p, os\nr, w = os.pipe()\n"
            "from multiprocessing.util import spawnv_passfds\n"
            "os.waitpid(spawnv_passfds(b'/bin/true', [b'true'], []), 0)",
            "it runs other programs",
        ),
        ("import socket; socket.socket().close()", "it uses the network"),
        ("import ctypes; ctypes.CDLL(None).getpid()", "it uses a native library"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "it uses a native library"),
        ("import time; time.strftime('%Y')", "it asks for the date"),
        ("import os; os._exit", None),
        ("import time; time.strftime('%Y', time.gmtime(0))", None),
    ],
)
def test_a_build_that_does_what_nobody_can_trace_is_made_every_time(
    builds: FolderBuilds, one: Path, does: str, told: str | None
) -> None:
    project = Folder(builds, one, does)
    project.build()
    assert project.reason() == told


def test_any_variable_may_matter_but_not_the_terminal(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one)
    project.build(TERM="dumb", OWN="1")
    assert project.reason(TERM="other", OWN="1", PWD="/", SHLVL="7") is None
    assert project.reason(TERM="other", OWN="2") == "a variable changed"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--no-reuse",), "--no-reuse was given"),
        (("--reinstall",), "--reinstall was given"),
        (("--refresh",), "--refresh was given"),
        (("--reinstall-package", "One"), "--reinstall-package one was given"),
        (("-U",), None),
        (("-P", "one"), None),
    ],
)
def test_who_wants_it_built_gets_it_built(world: World, options: tuple[str, ...], told: str | None) -> None:
    write_recipe(world.folder / "one")
    install(world)
    assert reason(world, *options, "-e", "one") == told


def test_the_reason_is_told_where_it_was_asked_for_only(world: World) -> None:
    write_recipe(world.folder / "one")
    install(world)
    assert "rebuilt" not in world.install("--no-reuse", "-e", "one").err
    assert "rebuilt one: --no-reuse was given" in world.install("--no-reuse", "--explain", "-e", "one").err


def test_a_backend_in_the_project_is_run_every_time(world: World) -> None:
    write_project(world.folder, "one")
    install(world)
    assert reason(world) == "its backend is a part of it"


def test_a_build_requirement_that_is_an_address_may_change_without_a_trace(world: World) -> None:
    wheel = world.folder / "links" / "recipe_backend-1.0-py3-none-any.whl"
    write_recipe(world.folder / "one", requires=f"recipe-backend @ {wheel.as_uri()}")
    install(world)
    assert reason(world) == "its build requirement `recipe-backend` is a folder or an address"


@pytest.mark.parametrize("tool", ["uv", "miniuv"])
def test_cache_keys_name_what_nobody_has_seen_the_build_read(builds: FolderBuilds, one: Path, tool: str) -> None:
    tables = f'{STATIC}[tool.{tool}]\ncache-keys = ["one.txt", {{file = "**/*.rs"}}, {{env = "TERM"}}]\n'
    project = Folder(builds, one, tables=tables)
    (project.path / "src").mkdir()
    project.build(TERM="a")
    assert project.reason(TERM="a") is None
    project.write("one.txt", "")
    assert project.reason(TERM="a") == "one.txt changed"
    project.write("src/lib.rs", "")
    assert project.reason(TERM="a") == "what `cache-keys` names changed"
    assert project.reason(TERM="b") == "what `cache-keys` names changed"
    assert project.reason(TERM="b") is None


def test_a_cache_key_that_is_a_commit_is_no_proof(builds: FolderBuilds, one: Path) -> None:
    project = Folder(builds, one, tables=f"{STATIC}[tool.uv]\ncache-keys = [{{git = true}}]\n")
    project.build()
    assert project.reason() == "its `cache-keys` name more than files and variables"


def test_dynamic_metadata_is_known_without_a_build(world: World) -> None:
    project = write_recipe(world.folder / "one", "VERSION = open('version').read()", tables="")
    (project / "version").write_text("3.0")
    install(world)
    shutil.rmtree(world.folder / "links")
    assert install(world) == []
    assert world.installed() == {"one": "3.0"}


def test_a_folder_behind_another_link_is_another_folder(builds: FolderBuilds, tmp_path: Path) -> None:
    write_recipe(tmp_path / "first")
    write_recipe(tmp_path / "second")
    one = tmp_path / "one"
    one.symlink_to("first")
    assert builds.build(one)[1] == []
    assert builds.find(one) is not None
    one.unlink()
    one.symlink_to("second")
    assert builds.build(one)[1] == ["one: the place of its folder changed"]


def test_a_wheel_that_is_gone_from_the_cache_is_built_again(world: World) -> None:
    write_recipe(world.folder / "one")
    install(world)
    assert world.miniuv("cache", "clean").code == 0
    assert len(install(world)) == 1  # it was never built, as far as the cache knows


def test_a_failing_build_leaves_no_memory_of_itself(world: World) -> None:
    project = write_recipe(world.folder / "one", "raise SystemExit('no')")
    assert world.miniuv("pip", "install", "-e", "one").code == 1
    (project / "recipe.py").write_text("")
    assert len(install(world)) == 1


def test_a_traceback_of_a_traced_build_shows_nothing_of_the_tracing(world: World) -> None:
    write_recipe(world.folder / "one", "import os\nos.stat('nowhere')")
    said = world.miniuv("pip", "install", "-e", "one")
    assert said.code == 1
    assert "No such file or directory: 'nowhere'" in said.err
    logs = list((Path(world.environ["MINIUV_CACHE_DIR"])).rglob("*.log"))
    assert logs
    assert all("_trace.py" not in log.read_text() and "_trace_calls" not in log.read_text() for log in logs)


def test_the_evidence_of_a_reuse_holds_until_something_changes(builds: FolderBuilds, one: Path) -> None:
    look = "import os\nopen('text').read()\nos.listdir('sub')\nos.path.exists('new')\nos.path.isdir('kind')"
    project = Folder(builds, one, look)
    for name in ("text", "sub/inner", "kind/inner", "other"):
        project.write(name, "a")
    project.build()
    lines = builds.evidence(one)
    assert lines is not None
    assert all(map(holds, lines))
    project.write("other", "b")
    project.write("kind/more", "b")
    assert all(map(holds, lines))
    for changed in ("text", "sub/more", "new", "pyproject.toml"):
        before = sum(map(holds, lines))
        project.write(changed, "b")
        assert sum(map(holds, lines)) < before
    before = sum(map(holds, lines))
    shutil.rmtree(one / "kind")
    assert sum(map(holds, lines)) < before


def test_there_is_no_evidence_where_there_is_no_proof(builds: FolderBuilds, one: Path, tmp_path: Path) -> None:
    Folder(builds, one, "import os; os.system('true')")
    assert builds.evidence(one) is None
    Folder(builds, tmp_path / "two", tables=f'{STATIC}[tool.uv]\ncache-keys = ["*.txt"]\n')
    assert builds.evidence(tmp_path / "two") is None


def test_touched_files_are_read_once(builds: FolderBuilds, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Folder(builds, one, "open('text').read()")
    project.write("text", "a")
    project.build()
    before = builds.evidence(one)
    os.utime(one / "text", (1, 1))
    monkeypatch.setattr("miniuv.sources.evidence._OLD_ENOUGH", 0)
    after = builds.evidence(one)
    assert before is not None
    assert after is not None
    assert not all(map(holds, before))
    assert all(map(holds, after))


def test_tidying_the_cache_takes_no_wheel_that_can_be_used_again(world: World) -> None:
    write_recipe(world.folder / "one")
    install(world)
    assert world.miniuv("cache", "prune").code == 0
    assert reason(world) is None


def test_no_fast_exit_stands_for_a_build_that_was_asked_for(world: World) -> None:
    write_recipe(world.folder / "one")
    for _ in range(2):
        process = world.start("pip", "install", "--no-reuse", "-e", "one")
        told = process.communicate()[1]
        assert process.returncode == 0, told
        assert "Built one" in told
