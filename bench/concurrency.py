"""Two processes with the same cold work: they split it.

``python -m bench.concurrency [--builds N] [--seconds S]`` builds N sdists whose backend takes S seconds, first by one
process and one at a time, then by two such processes that share a cache. Prints the times, what each process did, and
their overlap; ends with 1 where two take more than 0.65 of the serial time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.support.commands import World
from tests.support.processes import read_lock_log
from tests.support.projects import project_files, write_files
from tests.support.pythons import make_environment

BAR = 0.65
_PATIENCE = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """How some processes did the same builds."""

    seconds: float
    """From the first start to the last end."""
    builds: Counter[str]
    """How often each project was built."""
    shares: tuple[float, ...]
    """What part of the builds each process did, the smallest first."""
    together: float
    """Seconds in which two processes or more were building."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Sdists to build, each with a backend that sleeps."""

    world: World
    sdists: tuple[Path, ...]

    @classmethod
    def make(cls, folder: Path, *, builds: int, seconds: float) -> "Course":
        """Write the sdists below ``folder``."""
        world = World.make(folder, environment=False)
        world.environ |= {"MINIUV_CONCURRENT_BUILDS": "1", "TINY_BUILD_LOG": str(folder / "builds.log")}
        sdists = tuple(_sdist(world.folder, f"work{number}", seconds) for number in range(builds))
        return cls(world=world, sdists=sdists)

    def run(self, *, processes: int) -> Race:
        """Let ``processes`` install all of it, from one cold cache, one build at a time each."""
        environ = self.world.environ
        shutil.rmtree(environ["MINIUV_CACHE_DIR"], ignore_errors=True)
        log, builds = self.world.folder / "locks.log", Path(environ["TINY_BUILD_LOG"])
        log.unlink(missing_ok=True)
        builds.unlink(missing_ok=True)
        for number in range(processes):
            shutil.rmtree(self.world.folder / f".venv{number}", ignore_errors=True)
            make_environment(self.world.folder / f".venv{number}")
        began = time.monotonic()
        started = [self._start(number, log) for number in range(processes)]
        try:
            for process in started:
                _, complaints = process.communicate(timeout=_PATIENCE)
                if process.returncode != 0:
                    raise RuntimeError(complaints)
        finally:
            for process in started:
                process.kill()
        seconds = time.monotonic() - began
        spans = _spans(log)
        shares = Counter({process.pid: 0 for process in started})
        shares.update(pid for pid, _, _ in spans)
        return Race(
            seconds=seconds,
            builds=Counter(builds.read_text().split()[1::2]),
            shares=tuple(sorted(share / len(spans) for share in shares.values())),
            together=_together(spans),
        )

    def _start(self, number: int, log: Path) -> "subprocess.Popen[str]":
        return self.world.start(
            "pip", "install", *self.sdists, "--python", f".venv{number}", environ={"MINIUV_LOCK_LOG": str(log)}
        )


def _sdist(folder: Path, name: str, seconds: float) -> Path:
    stem = f"{name}-1.0"
    files = project_files(name)
    files["backend/tiny.py"] += (
        f"\n\n_build_wheel = build_wheel\n\n\ndef build_wheel(*arguments):\n"
        f"    import time\n    time.sleep({seconds})\n    return _build_wheel(*arguments)\n"
    )
    files["PKG-INFO"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    tree = write_files(folder / "trees" / stem, files)
    archive = shutil.make_archive(str(folder / stem), "gztar", tree.parent, tree.name)
    return Path(archive)


def _spans(log: Path) -> list[tuple[int, float, float]]:
    """Each build's process, start and end."""
    begun: dict[tuple[object, object], float] = {}
    spans = []
    for event in read_lock_log(log):
        if event.get("kind") != "wheel":
            continue
        worker, moment = (event["pid"], event["thread"]), float(str(event["time"]))
        if event["event"] == "run":
            begun[worker] = moment
        elif event["event"] == "done":
            spans.append((int(str(event["pid"])), begun.pop(worker), moment))
    return spans


def _together(spans: Sequence[tuple[int, float, float]]) -> float:
    moments = sorted(moment for _, start, end in spans for moment in (start, end))
    total = 0.0
    for start, end in pairwise(moments):
        if len({pid for pid, first, last in spans if first <= start and end <= last}) > 1:
            total += end - start
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both and compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.concurrency", description="Do two processes split work?")
    parser.add_argument("--builds", type=int, default=12, metavar="N")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="miniuv-bench-") as folder:
        course = Course.make(Path(folder), builds=options.builds, seconds=options.seconds)
        alone = course.run(processes=1)
        print(f"one process:   {alone.seconds:5.1f} s", flush=True)
        both = course.run(processes=2)
    ratio = both.seconds / alone.seconds
    shares = " and ".join(f"{share:.0%}" for share in both.shares)
    print(f"two processes: {both.seconds:5.1f} s, {ratio:.2f} of it (at most {BAR})")
    print(f"               did {shares} of the builds, both at work for {both.together:.1f} s")
    print(f"               {both.builds.total()} builds of {len(both.builds)} projects; {os.cpu_count()} cores")
    return int(ratio > BAR or both.builds.total() > len(both.builds))


if __name__ == "__main__":
    sys.exit(main())
