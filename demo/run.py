"""The loop that deadlocks elsewhere: two environments made anew, two processes at once, round after round.

``python -m demo.run [--rounds N] [--processes N] [--quiet] [--keep]``
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo import look
from demo.crew import DemoError, ended, run_crew, tell
from demo.workshop import CHECKOUT, PROJECTS, Workshop, open_workshop

_PATIENCE = 600.0
"""Seconds after which a process is called hung; a cold round on a slow line takes one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """What one environment holds, as it says itself; equal where the environments are."""

    versions: Mapping[str, str]
    commits: Mapping[str, str]
    editables: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One round that went well."""

    installation: float
    """Seconds until the last process had ended."""
    installed: Installed


def run_rounds(workshop: Workshop, *, rounds: int, processes: int, say: Callable[[str], None]) -> list[Round]:
    """Run every round; raises ``DemoError`` on a hang, an error, a failing import or a difference."""
    done: list[Round] = []
    for number in range(1, rounds + 1):
        temperature = "warm cache" if done else "cold cache"
        say(f"round {number} of {rounds}, {temperature}")
        done.append(run_round(workshop, processes=processes, say=lambda line: say(f"  {line}")))
        check_equal(f"round {number}", done[-1].installed, "round 1", done[0].installed)
    return done


def run_round(workshop: Workshop, *, processes: int, say: Callable[[str], None]) -> Round:
    """Make the environments anew, install into all of them at once, and compare what is in them."""
    labels = [str(number) for number in range(1, processes + 1)]
    targets = {label: workshop.folder / f".venv{label}" for label in labels}
    for target in targets.values():
        shutil.rmtree(target, ignore_errors=True)

    def crew(commands: Mapping[str, Sequence[str]]) -> float:
        began = time.monotonic()
        run_crew(commands, directory=CHECKOUT, environment=workshop.environment, patience=_PATIENCE, say=say)
        return time.monotonic() - began

    python = str(workshop.choice.python)
    creation = crew({label: ["venv", str(target), "--python", python] for label, target in targets.items()})
    installation = crew(
        {label: ["pip", "install", *workshop.editables, "--python", str(target)] for label, target in targets.items()}
    )
    found = {label: look_into(target) for label, target in targets.items()}
    for label in labels:
        check_pins(workshop, label, found[label])
        check_equal(f"[{label}]", found[label], f"[{labels[0]}]", found[labels[0]])
    say(f"all import; {len(found[labels[0]].versions)} packages, the same in each")
    say(f"took {creation + installation:.1f} s: environments {creation:.1f} s, installing {installation:.1f} s")
    return Round(installation=installation, installed=found[labels[0]])


def look_into(environment: Path) -> Installed:
    """Import everything in ``environment``, and read what is installed there."""
    asked = subprocess.run(
        [str(environment / "bin" / "python"), "-IB", look.__file__], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DemoError(f"an import failed in the environment: {last}", where=str(environment))
    return Installed(**json.loads(asked.stdout))


def check_pins(workshop: Workshop, label: str, installed: Installed) -> None:
    """Check that the commits and the editables are those of the fixtures."""
    if dict(installed.commits) != dict(workshop.commits):
        raise DemoError(f"[{label}] has commits {installed.commits}, the fixtures ask for {workshop.commits}")
    expected = {project: (workshop.choice.fixtures / project).as_uri() for project in PROJECTS}
    if {name: url.rstrip("/") for name, url in installed.editables.items()} != expected:
        raise DemoError(f"[{label}] has editables {installed.editables}, not {expected}")


def check_equal(one: str, installed: Installed, other: str, reference: Installed) -> None:
    """Check that two environments hold the same."""
    if installed == reference:
        return
    names = sorted({*installed.versions, *reference.versions})
    differences = [
        f"{name}: {installed.versions.get(name, 'none')} and {reference.versions.get(name, 'none')}"
        for name in names
        if installed.versions.get(name) != reference.versions.get(name)
    ]
    told = ", ".join(differences) or "the commits or editables"
    raise DemoError(f"{one} and {other} hold different things: {told}")


def _summary(done: Sequence[Round], workshop: Workshop) -> list[str]:
    warm = sorted(round_.installation for round_ in done[1:])
    times = [f"cold {done[0].installation:.1f} s"]
    if warm:
        times.append(f"warm {warm[0]:.2f} s to {warm[-1]:.2f} s, median {statistics.median(warm):.2f} s")
    fetches = [f"{name}.git {workshop.server.packs_sent(f'{name}.git')}" for name in workshop.commits]
    return [
        f"installing, {len(done)} rounds: {'; '.join(times)}",
        f"fetches in all: {', '.join(fetches)}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where every round went well."""
    parser = argparse.ArgumentParser(prog="python -m demo.run", description="Two processes at once, for real.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="say only how long it took")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    options = parser.parse_args(arguments)

    say = (lambda _: None) if options.quiet else tell

    def show() -> int:
        with open_workshop(environ=os.environ, keep=options.keep, say=say) as workshop:
            done = run_rounds(workshop, rounds=options.rounds, processes=options.processes, say=say)
            for line in _summary(done, workshop):
                tell(line)
        return 0

    return ended(show)


if __name__ == "__main__":
    sys.exit(main())
