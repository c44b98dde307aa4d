"""``--compile`` compiles a wheel once for all environments of an interpreter."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.install import compile as compiling
from miniuv.install.bytecode import Bytecode
from miniuv.process import Completed, SubprocessRunner
from miniuv.reporter import Reporter
from tests.support.commands import World
from tests.support.environments import Environment
from tests.support.processes import read_lock_log, until
from tests.support.projects import write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_AFTER_COMPILING = """

_build_wheel = build_wheel


def build_wheel(*arguments):
    import glob, time
    deadline = time.monotonic() + 60
    while not glob.glob(os.path.join(os.environ["KEPT"], "*", "*", "foo*.dist-info")):
        assert time.monotonic() < deadline, "nothing is compiled"
        time.sleep(0.01)
    return _build_wheel(*arguments)
"""
WHERE = "import sys\ndef where(): return sys._getframe().f_code.co_filename\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The final paths of all modules that some interpreter had to compile."""
    seen: list[str] = []
    original = compiling._compile_share

    def counted(interpreter: Any, share: Sequence[compiling.Module], runner: Any) -> dict[str, str]:
        seen.extend(module.final for module in share)
        return original(interpreter, share, runner)

    monkeypatch.setattr(compiling, "_compile_share", counted)
    return seen


def install(world: World, wheel: Path, *options: str) -> str:
    """Install ``wheel`` into a fresh environment; returns what was told."""
    assert world.miniuv("venv", "--clear", ".venv").code == 0
    said = world.miniuv("pip", "install", "--compile", str(wheel), *options)
    assert said.code == 0, said.err
    return said.err


def kept(world: World) -> list[Path]:
    return sorted((Path(world.environ["MINIUV_CACHE_DIR"]) / "v1/bytecode").glob("*/tree/**/*.pyc"))


def test_a_second_environment_is_given_what_the_first_compiled(
    world: World, tmp_path: Path, compiled: list[str]
) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": WHERE, "pkg/a.py": ""})
    install(world, wheel)
    assert sorted(compiled) == ["foo.py", "pkg/a.py"]
    record = (world.site / "foo-1.0.dist-info/RECORD").read_text()
    install(world, wheel)

    assert sorted(compiled) == ["foo.py", "pkg/a.py"]
    assert (world.site / "foo-1.0.dist-info/RECORD").read_text() == record
    assert len([line for line in record.splitlines() if line.endswith(".pyc,,")]) == 2


class _Held(SubprocessRunner):
    """Starts nothing before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_start = threading.Event()
        self.runs = 0

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        self.runs += 1
        assert self.may_start.wait(30)
        return super().run(argv, **options)


def test_who_needs_the_same_at_the_same_time_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("MINIUV_LOCK_LOG", str(log))
    env = Environment.make(tmp_path)
    wheels = [env.prepare(make_wheel(tmp_path, name, "1.0", {f"{name}.py": ""})).wheel for name in ("foo", "bar")]
    runner = _Held()

    def compiled() -> dict[str, str]:
        with Store.open(tmp_path / "store", reporter=Reporter(), runtime=tmp_path / "runtime") as store:
            jobs = JobRunner(locks=store.locks, reporter=Reporter(), limits={}, lock_wait=None)
            kept = Bytecode(store=store, jobs=jobs, interpreter=env.interpreter, runner=runner, reporter=Reporter())
            return kept.of(wheels)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(compiled) for _ in range(2)]
        until(lambda: log.exists() and any(event["event"] == "wait" for event in read_lock_log(log)))
        runner.may_start.set()
        first, second = (each.result(60) for each in both)

    assert runner.runs == 1
    assert first == second
    assert {Path(source).name for source in first} == {"foo.py", "bar.py"}


def test_what_the_index_has_is_compiled_once_while_another_is_built(tmp_path: Path, compiled: list[str]) -> None:
    (tmp_path / "index").mkdir()
    with SimpleIndex(tmp_path / "index") as index:
        world = World.make(tmp_path, index=index.url)
        for name in ("foo", "bar"):
            make_wheel(index.folder, name, "1.0", files={f"{name}.py": ""})
        project = write_project(world.folder, "late")
        backend = project / "backend" / "tiny.py"
        backend.write_text(backend.read_text() + _AFTER_COMPILING)
        world.environ["KEPT"] = str(Path(world.environ["MINIUV_CACHE_DIR"]) / "v1" / "bytecode")
        said = world.miniuv("pip", "install", "--compile", "foo", "bar", str(project))
    assert said.code == 0, said.err
    assert sorted(compiled) == ["bar.py", "foo.py", "late/__init__.py"]
    assert {path.name.partition(".")[0] for path in world.site.rglob("*.pyc")} >= {"foo", "bar", "__init__"}


def test_what_was_damaged_in_the_cache_is_not_compiled(tmp_path: Path, compiled: list[str]) -> None:
    (tmp_path / "index").mkdir()
    with SimpleIndex(tmp_path / "index") as index:
        world = World.make(tmp_path, index=index.url)
        make_wheel(index.folder, "foo", "1.0", files={"foo.py": "X = 'good'\n"})
        assert world.miniuv("pip", "install", "foo").code == 0
        (unpacked,) = (Path(world.environ["MINIUV_CACHE_DIR"]) / "v1" / "unpacked").glob("*/**/foo.py")
        unpacked.chmod(0o644)
        unpacked.write_text("X = 'evil'\n")
        assert world.miniuv("venv", "--clear", ".venv").code == 0
        said = world.miniuv("pip", "install", "--compile", "foo")
    assert said.code == 0, said.err
    (code,) = world.site.rglob("*.pyc")
    assert (compiled, b"good" in code.read_bytes()) == (["foo.py"], True)


def test_python_takes_it_for_its_own_and_names_the_module_where_it_lies(world: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": WHERE})
    for _ in range(2):
        install(world, wheel)
        times = {path: path.stat().st_mtime_ns for path in world.site.rglob("*.pyc")}

        assert world.evaluate("import foo; print(foo.where())") == str(world.site / "foo.py")
        assert {path: path.stat().st_mtime_ns for path in world.site.rglob("*.pyc")} == times


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_it_goes_with_its_distribution(world: World, tmp_path: Path, mode: str) -> None:
    install(world, make_wheel(tmp_path, "foo", "1.0", files={"pkg/foo.py": ""}), "--link-mode", mode)
    assert list(world.site.rglob("*.pyc")) != []
    assert world.miniuv("pip", "uninstall", "foo").code == 0

    assert list((world.site).glob("pkg*")) == []
    assert len(kept(world)) == 1


def test_an_edit_through_a_link_does_not_reach_the_next_environment(
    world: World, tmp_path: Path, compiled: list[str]
) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": "x = 1"})
    install(world, wheel, "--link-mode", "hardlink")
    (pyc,) = world.site.rglob("*.pyc")
    before = pyc.read_bytes()
    pyc.write_bytes(b"edited")
    assert kept(world)[0].read_bytes() == b"edited"
    install(world, wheel, "--link-mode", "hardlink")

    assert [path.read_bytes() for path in world.site.rglob("*.pyc")] == [before]
    assert compiled == ["foo.py", "foo.py"]


def test_what_cannot_be_compiled_is_warned_about_every_time(world: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": "", "python2.py": "print 'x'\n"})
    told = [install(world, wheel) for _ in range(2)]

    assert ["could not be compiled" in text for text in told] == [True, True]
    assert [path.name.partition(".")[0] for path in world.site.rglob("*.pyc")] == ["foo"]


def test_bytecode_that_a_wheel_brings_is_replaced(world: World, tmp_path: Path) -> None:
    tag = world.evaluate("import sys; print(sys.implementation.cache_tag)")
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": WHERE, f"__pycache__/foo.{tag}.pyc": "stale"})
    for _ in range(2):
        install(world, wheel)

        assert world.evaluate("import foo; print(foo.where())") == str(world.site / "foo.py")


def test_an_interpreter_that_does_not_compile_leaves_nothing_in_the_cache(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", files={"foo.py": ""})
    with monkeypatch.context() as patched:
        patched.setattr(compiling, "_SCRIPT", tmp_path / "missing.py")
        assert "did not compile" in install(world, wheel)
    assert kept(world) == []
    install(world, wheel)

    assert len(kept(world)) == 1


def test_damage_is_found_by_verify(world: World, tmp_path: Path) -> None:
    install(world, make_wheel(tmp_path, "foo", "1.0", files={"foo.py": ""}), "--link-mode", "copy")
    (pyc,) = kept(world)
    assert world.miniuv("cache", "verify").code == 0
    times = pyc.stat()
    pyc.write_bytes(b"x" * times.st_size)
    said = world.miniuv("cache", "verify")

    assert said.code == 1
    assert said.out.startswith("bytecode/")
    assert kept(world) == []


def test_it_is_listed_and_cleaned_by_the_name_of_its_package(world: World, tmp_path: Path) -> None:
    install(world, make_wheel(tmp_path, "foo", "1.0", files={"foo.py": ""}))

    assert any("bytecode" in line and "foo 1.0" in line for line in world.miniuv("cache", "list").out.splitlines())
    assert world.miniuv("cache", "clean", "foo").code == 0
    assert kept(world) == []
