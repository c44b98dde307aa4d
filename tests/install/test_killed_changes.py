"""Killed before any change that it makes in an environment, or failing there, a command leaves no torn distribution."""

import contextlib
import csv
import errno
import hashlib
import os
import random
import re
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.crash_points import Crash, CrashingCommands
from tests.support.projects import write_project
from tests.support.shims import compile_shim
from tests.support.wheels import make_wheel

_SAMPLES = 6
"""Points of each kind of change that an ordinary run of the tests tries; the stress run tries all."""
_PAIRS = 300
_KILLED = -9

Tree = dict[str, str]


@dataclass(kw_only=True)
class Bench:
    """One change of one environment, made again and again."""

    kind: str
    world: World
    commands: CrashingCommands
    change: Sequence[str]
    old: Tree = field(default_factory=dict)
    new: Tree = field(default_factory=dict)
    mixed: int = 0
    """How often the environment was neither before it was recovered."""

    @property
    def environment(self) -> Path:
        return self.world.folder / ".venv"

    def reset(self) -> None:
        """The environment is as it was before the change."""
        shutil.rmtree(self.environment)
        shutil.copytree(self.world.folder / "pristine", self.environment, symlinks=True)

    def run(self, *, chosen: int, error: int = 0) -> Crash:
        """Make the change, killed before change number ``chosen``, or with ``error`` there."""
        self.reset()
        return self.commands.run(self.change, environ=self.world.environ, chosen=chosen, error=error)

    def recover(self, *, chosen: int = 0) -> Crash:
        """The next command, which may be killed too."""
        return self.commands.run(["pip", "check"], environ=self.world.environ, chosen=chosen)

    def check(self, point: str) -> bool:
        """After the next command all is old or all is new, and the change can be made; whether it was new."""
        self.mixed += _tree(self.environment) not in (self.old, self.new)
        said = self.world.miniuv("pip", "check")
        assert said.code == 0, f"{point}: {said.err}"
        found = _tree(self.environment)
        assert found in (self.old, self.new), f"{point}: torn: {_difference(found, self.old, self.new)}"
        again = self.world.miniuv(*self.change)
        assert again.code == 0, f"{point}: {again.err}"
        assert _tree(self.environment) == self.new, point
        assert not [*self.environment.rglob(".miniuv")], point
        return found == self.new


def _tree(environment: Path) -> Tree:
    """Every file that a distribution may own, with its content, links and empty folders too."""
    found: Tree = {}
    for parent, folders, files in os.walk(environment):
        folders[:] = [name for name in folders if not name.startswith(".miniuv")]
        if Path(parent) == environment:
            files = [name for name in files if not name.startswith(".lock")]
        for name in files:
            path = Path(parent, name)
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(environment))] = hashlib.sha256(data).hexdigest()
        if not files and not folders:
            found[str(Path(parent).relative_to(environment)) + "/"] = ""
    return found


def _difference(found: Tree, *others: Tree) -> str:
    near = min((dict(found.items() ^ other.items()) for other in others), key=len)
    return ", ".join(sorted(near)[:6])


def _check_records(environment: Path) -> int:
    """Every file in every RECORD is there with its hash; how many RECORDs there are."""
    records = [*environment.rglob("*.dist-info/RECORD")]
    for record in records:
        for path, promise, _ in csv.reader(record.read_text().splitlines()):
            data = (record.parent.parent / path).read_bytes()
            digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert promise in ("", f"sha256={digest}"), f"{record}: {path}"
    return len(records)


def _wheels(folder: Path, version: str) -> None:
    text = f"VERSION = {version!r}\n"
    make_wheel(
        folder,
        "alpha",
        version,
        {
            "alpha/__init__.py": text,
            "alpha/inner/__init__.py": text,
            f"alpha/inner/only_{version[0]}.py": text,
            "alpha.pth": f"# {text}",
            "shared/alpha_part.py": text,
            f"alpha-{version}.data/data/share/alpha/{version}.txt": text,
            f"alpha-{version}.data/scripts/alpha-tool": f"#!python\n{text}",
        },
        entry_points={"console_scripts": {"alpha": "alpha:main"}},
        requires=[f"beta=={version}"],
    )
    make_wheel(folder, "beta", version, {"beta.py": text, "shared/beta_part.py": text})
    make_wheel(folder, "gamma", "1.0", {"gamma.py": "", "shared/gamma_part.py": ""})


def _from(world: World) -> list[str]:
    return ["--find-links", str(world.folder / "wheels"), "--compile"]


def _fresh(world: World) -> list[str]:
    return ["pip", "install", *_from(world), "alpha==2.0"]


def _upgrade(world: World) -> list[str]:
    world.install(*_from(world), "alpha==1.0", "gamma")
    return ["pip", "install", *_from(world), "alpha==2.0"]


def _uninstall(world: World) -> list[str]:
    world.install(*_from(world), "alpha==1.0", "gamma")
    return ["pip", "uninstall", "alpha", "beta"]


def _reinstall(world: World) -> list[str]:
    options = [*_from(world)[:2], "--link-mode", "hardlink"]
    world.install(*options, "alpha==1.0", "gamma")
    # A file that has gone astray tells the new state from the old.
    (world.folder / ".venv" / "share" / "alpha" / "1.0.txt").unlink()
    return ["pip", "install", *options, "--reinstall", "alpha==1.0"]


def _editable(world: World) -> list[str]:
    project = write_project(world.folder, "pebble", dynamic=True)
    world.install("-e", project)
    shutil.rmtree(project)
    write_project(world.folder, "pebble", version="2.0", dynamic=True)
    return ["pip", "install", "-e", str(project)]


_KINDS: dict[str, Callable[[World], list[str]]] = {
    "fresh": _fresh,
    "upgrade": _upgrade,
    "uninstall": _uninstall,
    "reinstall": _reinstall,
    "editable": _editable,
}

_RECORDS = {"fresh": 2, "upgrade": 3, "uninstall": 1, "reinstall": 3, "editable": 1}
"""How many there are afterwards."""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim("crash_points", tmp_path_factory.mktemp("shim"))


@contextlib.contextmanager
def _bench(kind: str, folder: Path, library: Path) -> Iterator[Bench]:
    world = World.make(folder)
    for version in ("1.0", "2.0"):
        _wheels(world.folder / "wheels", version)
    change = _KINDS[kind](world)
    environment = world.folder / ".venv"
    shutil.copytree(environment, world.folder / "pristine", symlinks=True)
    with CrashingCommands(library=library, below=environment, folder=world.folder, scratch=folder) as commands:
        bench = Bench(kind=kind, world=world, commands=commands, change=change)
        bench.old = _tree(environment)
        done = bench.run(chosen=0)
        assert done.code == 0, done.err
        bench.new = _tree(environment)
        assert bench.old != bench.new
        assert _check_records(environment) == _RECORDS[kind]
        yield bench


@pytest.fixture(params=_KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, library: Path) -> Iterator[Bench]:
    with _bench(request.param, tmp_path, library) as made:
        yield made


def _points(bench: Bench) -> range:
    whole = bench.run(chosen=0)
    assert any(change.endswith(".miniuv/journal") for change in whole.changes), "the library sees no journal"
    return range(1, len(whole.changes) + 1)


def _around_the_journal(bench: Bench, samples: int) -> list[int]:
    """Points spread over all, and the first ones after the journal is there."""
    changes = bench.run(chosen=0).changes
    decided = next(number for number, change in enumerate(changes, 1) if change.endswith("/.miniuv/journal"))
    spread = [1 + round(number * (len(changes) - 1) / (samples - 1)) for number in range(samples)]
    return sorted({*spread, decided, decided + 1, decided + 2, decided + 4})


def _kill(bench: Bench, points: Iterable[int]) -> str:
    met, new = 0, 0
    for chosen in points:
        crash = bench.run(chosen=chosen)
        if len(crash.changes) < chosen:
            continue
        assert crash.code == _KILLED, crash.err
        met += 1
        new += bench.check(f"killed before `{crash.changes[chosen - 1]}`")
    assert met
    assert 0 < new < met, "the journal decides somewhere in between"
    return f"{met} tried, {bench.mixed} mixed, all recovered: {met - new} old, {new} new, 0 torn"


def test_a_change_of_an_environment_may_be_killed_before_any_of_its_steps(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(bench, _around_the_journal(bench, _SAMPLES))
    record_property("figure", f"kill points in an environment, {bench.kind}: {outcome}")


@pytest.mark.stress
def test_a_change_of_an_environment_may_be_killed_before_every_step(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(bench, _points(bench))
    record_property("figure", f"kill points in an environment, {bench.kind}: {outcome}")


def _kill_twice(bench: Bench, pairs: Iterable[tuple[int, float]]) -> str:
    """Kill at the first of a pair, and the next command at the second, a share of all that it does."""
    met = 0
    for chosen, share in pairs:
        assert bench.run(chosen=chosen).code == _KILLED
        kept = bench.environment.with_name("kept")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(bench.environment, kept, symlinks=True)
        total = len(bench.recover().changes)
        if not total:
            continue
        bench.run(chosen=chosen)
        crash = bench.recover(chosen=1 + int(share * total))
        if crash.code != _KILLED:
            continue
        met += 1
        bench.check(f"killed at {chosen}, and recovering before `{crash.changes[-1]}`")
    return f"{met} pairs, all recovered"


def _decided(bench: Bench) -> list[int]:
    """The points at which there is a journal."""
    changes = bench.run(chosen=0).changes
    begin, end = (number for number, change in enumerate(changes, 1) if change.endswith("/.miniuv/journal"))
    return [*range(begin + 1, end + 1)]


@pytest.mark.parametrize("bench", ["upgrade", "uninstall"], indirect=True)
def test_the_recovery_may_be_killed_as_well(bench: Bench, record_property: Callable[[str, object], None]) -> None:
    points = _decided(bench)
    pairs = [(points[0], 0.5), (points[len(points) // 2], 0.0), (points[len(points) // 2], 0.7), (points[-1], 0.9)]
    outcome = _kill_twice(bench, pairs)
    record_property("figure", f"killed while recovering, {bench.kind}: {outcome}")


@pytest.mark.stress
def test_the_recovery_may_be_killed_at_every_step(bench: Bench, record_property: Callable[[str, object], None]) -> None:
    points = _decided(bench)
    pairs = [(point, number / len(points)) for point in points for number in range(len(points))]
    if len(points) > 40:
        pairs = random.Random(5).sample(pairs, _PAIRS)
    outcome = _kill_twice(bench, pairs)
    record_property("figure", f"killed while recovering, {bench.kind}: {outcome}")


def _fail(bench: Bench, points: Iterable[int], error: int) -> str:
    """Let each of ``points`` fail; the environment is old or new at once, or else after the next command."""
    failed, met = 0, 0
    for chosen in points:
        done = bench.run(chosen=chosen, error=error)
        if len(done.changes) < chosen:
            continue
        point = f"{os.strerror(abs(error))} at `{done.changes[chosen - 1]}`: {done.err}"
        assert done.code in (0, 1), point
        assert not re.search(r"defect of miniuv|Traceback", done.err), point
        met += 1
        if done.code == 0 and "could not be compiled" in done.err:  # no more than a warning
            assert _check_records(bench.environment) == _RECORDS[bench.kind], point
            continue
        if done.code == 1:
            failed += 1
            assert "hint:" in done.err, point
            found = _tree(bench.environment)
            if "could not be restored" not in done.err and "cannot be removed" not in done.err:
                assert found == bench.old, f"{point}: {_difference(found, bench.old)}"
        else:
            assert _tree(bench.environment) == bench.new, point
        bench.check(point)
    return f"{met} tried, {failed} ended with a clear error, 0 torn"


@pytest.mark.parametrize("bench", ["upgrade"], indirect=True)
@pytest.mark.parametrize("error", [errno.ENOSPC, -errno.EACCES, -errno.EIO])
def test_a_step_that_fails_leaves_an_environment_old_or_new(
    bench: Bench, error: int, record_property: Callable[[str, object], None]
) -> None:
    outcome = _fail(bench, _around_the_journal(bench, _SAMPLES - 2), error)
    record_property("figure", f"{errno.errorcode[abs(error)]} in an environment, {bench.kind}: {outcome}")


@pytest.mark.stress
@pytest.mark.parametrize("error", [errno.ENOSPC, -errno.ENOSPC, -errno.EACCES, -errno.EIO, errno.EIO])
def test_every_step_that_fails_leaves_an_environment_old_or_new(
    bench: Bench, error: int, record_property: Callable[[str, object], None]
) -> None:
    outcome = _fail(bench, _points(bench), error)
    record_property("figure", f"{errno.errorcode[abs(error)]} in an environment, {bench.kind}: {outcome}")


def _mounted(*arguments: str | Path) -> None:
    if subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount a file system of our own (needs root)")


class _Layered(Bench):
    """The environment is the lower layer of an overlay: its folders cannot be renamed there."""

    def reset(self) -> None:
        subprocess.run(["umount", self.environment], check=False, capture_output=True)
        layers = self.world.folder / "layers"
        shutil.rmtree(layers, ignore_errors=True)
        for name in ("upper", "work"):
            (layers / name).mkdir(parents=True)
        pristine = self.world.folder / "pristine"
        options = f"lowerdir={pristine},upperdir={layers}/upper,workdir={layers}/work"
        _mounted("-t", "overlay", "-o", options, "none", self.environment)


class _Split(Bench):
    """A scheme folder of the environment is on another file system."""

    def reset(self) -> None:
        share = self.environment / "share"
        subprocess.run(["umount", share], check=False, capture_output=True)
        super().reset()
        _mounted("-t", "tmpfs", "-o", "size=9m", "none", share)
        shutil.copytree(self.world.folder / "pristine" / "share", share, dirs_exist_ok=True)


@contextlib.contextmanager
def _on(kind: type[Bench], made: Bench, mount: Path, title: str) -> Iterator[Bench]:
    bench = kind(
        kind=f"{made.kind} {title}",
        world=made.world,
        commands=made.commands,
        change=made.change,
        old=made.old,
        new=made.new,
    )
    try:
        yield bench
    finally:
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


@pytest.fixture(params=["upgrade", "uninstall"])
def layered(request: pytest.FixtureRequest, tmp_path: Path, library: Path) -> Iterator[Bench]:
    with (
        _bench(request.param, tmp_path, library) as made,
        _on(_Layered, made, made.environment, "on an overlay") as bench,
    ):
        yield bench


@pytest.fixture
def split(tmp_path: Path, library: Path) -> Iterator[Bench]:
    with (
        _bench("upgrade", tmp_path, library) as made,
        _on(_Split, made, made.environment / "share", "of two file systems") as bench,
    ):
        yield bench


def test_a_change_of_an_environment_on_two_file_systems_may_be_killed(
    split: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(split, _around_the_journal(split, 4))
    record_property("figure", f"kill points in an environment, {split.kind}: {outcome}")


@pytest.mark.stress
def test_a_change_of_an_environment_on_two_file_systems_may_be_killed_before_every_step(
    split: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(split, _points(split))
    record_property("figure", f"kill points in an environment, {split.kind}: {outcome}")


def test_a_change_of_the_lower_layer_of_an_overlay_may_be_killed(
    layered: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(layered, _around_the_journal(layered, 4))
    record_property("figure", f"kill points in an environment, {layered.kind}: {outcome}")


@pytest.mark.stress
def test_a_change_of_the_lower_layer_of_an_overlay_may_be_killed_before_every_step(
    layered: Bench, record_property: Callable[[str, object], None]
) -> None:
    outcome = _kill(layered, _points(layered))
    record_property("figure", f"kill points in an environment, {layered.kind}: {outcome}")
