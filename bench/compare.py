"""miniuv side by side with uv and pip: ``python -m bench.compare [--quick] [--only WORD] [--keep]``.

Each scenario is installed cold (own empty cache), warm (the same cache, a fresh environment) and once more into that
environment, where nothing is to be done. The installers take turns; every run has fresh names, and what they leave is
removed when all is over, for deleting slows later writing. A figure counts only if the environment holds what the
others' hold, and a cold one only if the cache was empty and every repository was fetched.
Writes ``bench/out/results.json`` and prints a table; ends with 1 where a figure does not count.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.contents import differences, read_contents
from bench.figures import Sample, render, summarise
from bench.measure import measure
from bench.scenarios import Scenario, led_to_repositories, make_scenarios
from bench.tools import UV, Tool, equip, make_environment
from demo.git_server import GitServer
from demo.index_alone import load_index_alone
from demo.workshop import CHECKOUT, open_workshop
from miniuv.errors import MiniuvError

PHASES = ("cold", "warm", "no-op")
RESULTS = CHECKOUT / "bench" / "out" / "results.json"
_ONCE_ONLY = 60.0
"""Seconds from which pip runs once only."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Where the installers run."""

    folder: Path
    python: Path
    server: GitServer
    say: Say

    def run(self, scenario: Scenario, tools: Sequence[Tool], *, trials: int) -> Iterator[Sample]:
        """Run every trial, taking turns; an installer that fails has no later phases in its trial."""
        running = list(tools)
        for trial in range(1, trials + 1):
            turn = running[(trial - 1) % len(running) :] + running[: (trial - 1) % len(running)]
            for sample in self._try_all(scenario, turn, trial=trial):
                yield sample
                if sample.tool == "pip" and sample.phase == "cold" and sample.seconds > _ONCE_ONLY:
                    running = [tool for tool in tools if tool.name != "pip"]

    def _try_all(self, scenario: Scenario, tools: Sequence[Tool], *, trial: int) -> Iterator[Sample]:
        top = self.folder / scenario.name.replace(" ", "-") / str(trial)
        places = {tool.name: top / tool.name for tool in tools}
        arguments = {tool.name: scenario.furnish(places[tool.name]) for tool in tools}
        reference: dict[str, str] = {}
        for phase in PHASES:
            for tool in [each for each in tools if each.name in places]:
                place = places[tool.name]
                target = place / ("cold" if phase == "cold" else "warm")
                if phase != "no-op":
                    make_environment(target, python=self.python)
                sample, contents = self._try(scenario, tool, arguments[tool.name], place, target, phase)
                if not sample.reason:
                    reference = reference or contents
                    sample = replace(sample, reason=_unlike(contents, reference))
                elif not contents:
                    del places[tool.name]
                sample = replace(sample, trial=trial)
                counts = f"does not count: {sample.reason}" if sample.reason else f"{sample.fetches} fetches"
                self.say(f"{scenario.name}, {trial}, {phase}, {tool.name}: {sample.seconds:.3f} s, {counts}")
                yield sample

    def _try(
        self, scenario: Scenario, tool: Tool, arguments: tuple[str, ...], place: Path, target: Path, phase: str
    ) -> tuple[Sample, dict[str, str]]:
        """Run once; the contents are empty where it failed."""
        cache = place / "cache"
        before = [self.server.packs_sent(repository) for repository in scenario.repositories]
        empty = not cache.exists()
        took = measure(
            tool.command(target, arguments),
            directory=place,
            environment=tool.with_cache(cache),
            notes=place / "notes" / phase,
        )
        after = [self.server.packs_sent(repository) for repository in scenario.repositories]
        fetches = [now - then for now, then in zip(after, before, strict=True)]
        reason = ""
        if took.status != 0:
            reason = f"failed with {took.status}: {(took.said.strip().splitlines() or ['it said nothing'])[-1]}"
        elif phase == "cold" and not (empty and all(fetches)):
            reason = f"was not cold: fetches {fetches}"
        sample = Sample(
            scenario=scenario.name,
            phase=phase,
            tool=tool.name,
            trial=0,
            seconds=took.seconds,
            cpu=took.cpu,
            memory=took.memory,
            fetches=sum(fetches),
            reason=reason,
        )
        return sample, {} if took.status else read_contents(target, place=place)


def _unlike(contents: dict[str, str], reference: dict[str, str]) -> str:
    different = differences(contents, reference)
    if not contents or not different:
        return "" if contents else "nothing is installed"
    more = f" and {len(different) - 3} more" if len(different) > 3 else ""
    return f"holds other things than the first: {', '.join(different[:3])}{more}"


def compare(*, trials: int, only: str, keep: bool, say: Say) -> tuple[list[Sample], dict[str, object]]:
    """Run the scenarios whose names have ``only`` in them; return the runs, and where and when they were."""
    folder = Path(tempfile.mkdtemp(prefix="miniuv-bench-")).resolve()
    samples: list[Sample] = []
    try:
        with open_workshop(environ=os.environ, say=say) as workshop:
            python = workshop.choice.python
            environ = led_to_repositories(workshop.environment, server_url=workshop.server.url)
            settings = load_index_alone(os.environ, cache=folder / "unused", directory=CHECKOUT)
            tools = equip(folder, python=python, environ=environ, settings=settings)
            say(", ".join(f"{tool.name} {tool.version}" for tool in tools))
            facts: dict[str, object] = {
                "when": time.strftime("%Y-%m-%d"),
                "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
                "python": platform.python_version() if python == Path(sys.executable) else workshop.choice.note,
                "versions": {tool.name: tool.version for tool in tools},
                "load_before": os.getloadavg()[0],
            }
            course = Course(folder=folder, python=python, server=workshop.server, say=say)
            for scenario in make_scenarios(workshop):
                if only in scenario.name:
                    samples.extend(course.run(scenario, tools, trials=trials))
            facts["load_after"] = os.getloadavg()[0]
        return samples, facts
    finally:
        if keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write the results and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=f"miniuv, uv {UV} and pip in turn.")
    parser.add_argument("--quick", action="store_true", help="3 runs of each instead of 5")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios whose names have it")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    options = parser.parse_args(arguments)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        samples, facts = compare(trials=3 if options.quick else 5, only=options.only, keep=options.keep, say=say)
    except MiniuvError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"\nhint: {error.hint}")
        return 1
    except KeyboardInterrupt:
        return 130
    figures = summarise(samples)
    RESULTS.parent.mkdir(exist_ok=True)
    written = {"facts": facts, "figures": list(map(asdict, figures)), "samples": list(map(asdict, samples))}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    print(render(figures, facts=facts))
    return int(any(sample.reason for sample in samples))


if __name__ == "__main__":
    sys.exit(main())
