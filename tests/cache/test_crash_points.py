"""Killed before any change that it makes in the cache, or failing there, a command leaves nothing to stumble over."""

import errno
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.crash_points import Crash, CrashingCommands
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_files, write_project
from tests.support.shims import compile_shim
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_SAMPLES = 4
"""Points of each kind of source that an ordinary run of the tests tries; the stress run tries all."""
_KILLED = -9


@dataclass(kw_only=True)
class Bench:
    """One thing to install, on a cold cache, again and again."""

    kind: str
    world: World
    commands: CrashingCommands
    requirement: Sequence[str]
    installed: dict[str, str]

    @property
    def cache(self) -> Path:
        return Path(self.world.environ["MINIUV_CACHE_DIR"])

    def reset(self) -> None:
        """A cold cache and an empty environment."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.rmtree(self.world.folder / ".venv", ignore_errors=True)
        shutil.copytree(self.world.folder / "pristine", self.world.folder / ".venv", symlinks=True)

    def install(self, *, chosen: int, whole: bool = True, error: int = 0) -> Crash:
        """Install on a cold cache, killed before change number ``chosen``, or with ``error`` from there on."""
        self.reset()
        arguments = ["pip", "install", *self.requirement]
        return self.commands.run(arguments, environ=self.world.environ, chosen=chosen, whole=whole, error=error)

    def prune(self, point: str) -> None:
        """A collection of garbage leaves nothing unfinished."""
        pruned = self.world.miniuv("cache", "prune")
        assert pruned.code == 0, f"killed before `{point}`: {pruned.err}"
        assert self.left_over() == [], f"killed before `{point}`"

    def check_after(self, point: str) -> None:
        """The same command succeeds, the cache is sound, and nothing unfinished is left in it."""
        again = self.world.miniuv("pip", "install", *self.requirement)
        assert again.code == 0, f"killed before `{point}`: {again.err}"
        assert "dropped" not in again.err, f"killed before `{point}`: {again.err}"
        assert self.world.installed() == self.installed, point
        verified = self.world.miniuv("cache", "verify")
        assert verified.code == 0, f"killed before `{point}`: {verified.out}{verified.err}"
        self.prune(point)

    def left_over(self) -> list[str]:
        """Whatever is unfinished or belongs to a process that is gone."""
        folders = [self.cache / "v1" / name for name in ("tmp", "leases", "trash/doomed", "trash/parked")]
        return [str(path) for folder in folders if folder.exists() for path in folder.iterdir()]


def _wheel(world: World, index: SimpleIndex) -> Sequence[str]:
    make_wheel(index.folder, "pebble", "1.0", requires=["gravel"])
    make_wheel(index.folder, "gravel", "1.0")
    return ["pebble"]


def _sdist(world: World, index: SimpleIndex) -> Sequence[str]:
    tree = write_files(index.folder / "trees" / "pebble-1.0", project_files("pebble", dynamic=True))
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n")
    shutil.make_archive(str(index.folder / "pebble-1.0"), "gztar", tree.parent, tree.name)
    shutil.rmtree(index.folder / "trees")
    return ["pebble"]


def _git(world: World, index: SimpleIndex) -> Sequence[str]:
    repository = GitRepository.create(world.folder / "pebble.git")
    repository.commit(project_files("pebble", dynamic=True))
    repository.commit({**project_files("pebble", dynamic=True), "extra/file": "text"})
    return [f"pebble @ git+{repository.url}@main"]


def _editable(world: World, index: SimpleIndex) -> Sequence[str]:
    write_project(world.folder, "pebble", dynamic=True)
    return ["-e", "pebble"]


_KINDS: dict[str, Callable[[World, SimpleIndex], Sequence[str]]] = {
    "wheel": _wheel,
    "sdist": _sdist,
    "git": _git,
    "editable": _editable,
}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim("crash_points", tmp_path_factory.mktemp("shim"))


@pytest.fixture(params=_KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, library: Path) -> Iterator[Bench]:
    packages = tmp_path / "index"
    packages.mkdir()
    with SimpleIndex(packages, metadata="advertised") as index:
        world = World.make(tmp_path, index=index.url)
        requirement = _KINDS[request.param](world, index)
        (world.folder / ".venv").rename(world.folder / "pristine")
        cache = Path(world.environ["MINIUV_CACHE_DIR"])
        with CrashingCommands(library=library, below=cache, folder=world.folder, scratch=tmp_path) as commands:
            made = Bench(
                kind=request.param, world=world, commands=commands, requirement=requirement, installed={"pebble": "1.0"}
            )
            if request.param == "wheel":
                made.installed["gravel"] = "1.0"
            yield made


def _sampled(points: Sequence[int], samples: int) -> list[int]:
    """The first, the last, and some between them."""
    steps = max(1, samples - 1)
    return sorted({points[round(number * (len(points) - 1) / steps)] for number in range(samples)})


def _try(bench: Bench, points: Iterable[int], *, whole: bool = True) -> int:
    """Kill before each of ``points``, change nothing else, and look at what is left; how many were met."""
    met = 0
    for chosen in points:
        crash = bench.install(chosen=chosen, whole=whole)
        if len(crash.changes) < chosen:
            continue  # threads took another order, and there was one change less this time
        met += 1
        point = crash.changes[chosen - 1]
        if crash.code != _KILLED:
            assert not whole, f"not killed before `{point}`: {crash.err}"
            assert "defect of miniuv" not in crash.err, f"a child killed before `{point}`: {crash.err}"
            assert bench.left_over() == [], f"a child killed before `{point}`: {crash.err}"
        if chosen % 2:
            bench.prune(point)
        bench.check_after(point)
    return met


def _all(bench: Bench) -> tuple[str, ...]:
    """Every change, in order, of an install that nothing happens to."""
    whole = bench.install(chosen=0)
    assert whole.code == 0, whole.err
    assert len(whole.changes) > _SAMPLES, "the library counts nothing"
    return whole.changes


def _inside_locks(changes: Sequence[str]) -> list[list[int]]:
    """For each lock file of git's: the changes that are made while it is there, its own rename being the last."""
    windows = []
    for number, change in enumerate(changes, 1):
        kind, path = change.split(" ", 1)
        if kind == "open" and path.endswith(".lock"):
            ends = {f"rename {path.removesuffix('.lock')}", f"unlink {path}"}
            last = next(index for index, later in enumerate(changes, 1) if index > number and later in ends)
            windows.append([*range(number + 1, last + 1)])
    return windows


def test_a_cold_install_may_be_killed_before_any_change_in_the_cache(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    total = len(_all(bench))
    met = _try(bench, _sampled(range(1, total + 1), _SAMPLES))
    record_property("figure", f"kill points, {bench.kind}: {met} of {total} tried, all recovered")


@pytest.mark.stress
def test_a_cold_install_may_be_killed_before_every_change_in_the_cache(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    total = len(_all(bench))
    met = _try(bench, range(1, total + 1))
    record_property("figure", f"kill points, {bench.kind}: {met} of {total} tried, all recovered")
    assert met >= 0.98 * total


@pytest.mark.stress
def test_a_child_of_a_cold_install_may_be_killed_before_every_change_it_makes(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    total = len(_all(bench))
    met = _try(bench, range(1, total + 1), whole=False)
    record_property("figure", f"kill points, {bench.kind}, children alone: {met} of {total} tried, all recovered")


@pytest.mark.parametrize("bench", ["git"], indirect=True)
@pytest.mark.parametrize("whole", [True, False], ids=["miniuv and git", "git alone"])
def test_git_may_be_killed_while_it_has_a_lock_file(
    bench: Bench, whole: bool, record_property: Callable[[str, object], None]
) -> None:
    windows = _inside_locks(_all(bench))
    assert len(windows) >= 3, "two references and an index at least"
    points = sorted({point for window in windows for point in (window[0], window[-1])})
    met = _try(bench, points, whole=whole)
    victims = "miniuv and git" if whole else "git alone"
    record_property("figure", f"kill points within git's own locks, {victims}: {met} tried, all recovered")


def _fail(bench: Bench, points: Iterable[int], error: str) -> int:
    """Let each of ``points`` fail, and whatever needs space after it; how many ended the command."""
    ended = 0
    for chosen in points:
        crash = bench.install(chosen=chosen, error=getattr(errno, error))
        point = f"{error} from change {chosen} on: {crash.err}"
        assert bench.left_over() == [], point
        if crash.code == 0:
            assert bench.world.installed() == bench.installed, point
        else:
            ended += 1
            assert crash.code == 1, point
            assert "hint:" in crash.err, point
            own = re.sub(r"(?m)^ *\|.*", "", crash.err)  # without what a backend said
            assert not re.search("defect of miniuv|the system refused|Traceback", own), point
            assert bench.world.installed() == {}, point
        bench.check_after(point)
    return ended


@pytest.mark.parametrize(
    ("bench", "error"),
    [("wheel", "EDQUOT"), ("sdist", "EIO"), ("git", "ENOSPC"), ("editable", "ENOSPC")],
    indirect=["bench"],
)
def test_a_disk_that_is_full_from_any_change_on_ends_a_cold_install_with_a_clear_error(
    bench: Bench, error: str, record_property: Callable[[str, object], None]
) -> None:
    total = len(_all(bench))
    ended = _fail(bench, _sampled(range(1, total + 1), _SAMPLES - 1), error)
    assert ended > 0
    record_property("figure", f"{error} at a change, {bench.kind}: {ended} clear errors, nothing left, retry works")


@pytest.mark.stress
@pytest.mark.parametrize(("error", "step"), [("ENOSPC", 1), ("EDQUOT", 7), ("EIO", 7)])
def test_a_disk_that_is_full_from_every_change_on_ends_a_cold_install_with_a_clear_error(
    bench: Bench, error: str, step: int, record_property: Callable[[str, object], None]
) -> None:
    points = range(1, len(_all(bench)) + 1, step)
    ended = _fail(bench, points, error)
    record_property("figure", f"{error} at {len(points)} changes, {bench.kind}: {ended} clear errors, retries work")
