"""The installers take turns on a scenario; what each run took is known to have been the same work."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.contents import differences, read_contents
from bench.figures import Sample
from bench.measure import Measured, measure
from bench.phases import COLD, NO_OP, Phase, chosen
from bench.scenarios import Scenario
from bench.tools import Tool, make_environment

Say = Callable[[str], None]

_PLACE = re.compile(r"\w+://\S+|(?<!\S)/\S+")
"""Addresses and paths, which are the machine's own and no matter of the results."""


@dataclass(kw_only=True, slots=True)
class _Stock:
    """Where one installer works: its own cache, its own copy of the editables."""

    place: Path
    arguments: tuple[str, ...]
    target: Path | None = None
    """The environment that it installed into last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Where the installers run, and how often."""

    folder: Path
    python: Path
    fetches: Callable[[], Mapping[str, int]]
    """How often each repository was fetched until now, by the server's count."""
    say: Say
    trials: int
    once_from: float = 60.0
    """Seconds; what took as long is not run again."""
    only: tuple[Phase, ...] = ()
    """No other phases; all that the scenario has where it is empty."""

    def run(self, scenario: Scenario, tools: Sequence[Tool]) -> Iterator[Sample]:
        """Run every trial; an installer that fails cold has no later phases in its trial."""
        yield from _Round(course=self, scenario=scenario, tools=tools).samples()


@dataclass(kw_only=True, slots=True)
class _Round:
    """All trials of one scenario."""

    course: Course
    scenario: Scenario
    tools: Sequence[Tool]
    stocks: dict[str, _Stock] = field(default_factory=dict)
    """The last one of each installer, for the phases that want a warm cache."""
    over: set[tuple[str, str]] = field(default_factory=set)
    """Installers and phases that took too long to be run again."""
    reference: dict[str, str] = field(default_factory=dict)
    """What the first environment holds, and so must all."""

    def samples(self) -> Iterator[Sample]:
        """Run everything."""
        phases = chosen(self.scenario.phases, self.course.only)
        for trial in range(1, self.course.trials + 1):
            first = (trial - 1) % len(self.tools)
            failed: set[str] = set()
            for phase in phases:
                for tool in (*self.tools[first:], *self.tools[:first]):
                    if tool.name not in failed and self._is_wanted(tool, phase):
                        sample = self._sample(tool, phase, trial)
                        if sample is None or (sample.reason and phase == COLD):
                            failed.add(tool.name)
                        if sample is not None:
                            yield sample

    def _is_wanted(self, tool: Tool, phase: Phase) -> bool:
        if tool.name == "pip" and (phase.processes > 1 or not self.scenario.with_pip):
            return False
        return (tool.name, phase.name) not in self.over

    def _sample(self, tool: Tool, phase: Phase, trial: int) -> Sample | None:
        """Run ``phase`` once; None where the cold run that it needs, and nobody asked for, failed."""
        stock = self.stocks.get(tool.name)
        if phase.cold or stock is None:
            stock = self._furnish(tool, trial, phase if phase.cold else COLD)
        if phase.cold:
            sample = self._run(tool, phase, trial, stock)
            if phase == COLD and not sample.reason:
                self.stocks[tool.name] = stock
            return sample
        if stock is not self.stocks.get(tool.name):
            filled = self._run(tool, COLD, trial, stock)
            if filled.reason:
                return None
            self.stocks[tool.name] = stock
        return self._run(tool, phase, trial, stock)

    def _furnish(self, tool: Tool, trial: int, phase: Phase) -> _Stock:
        place = self.course.folder / _slug(self.scenario.name) / f"{trial}-{_slug(phase.name)}" / tool.name
        return _Stock(place=place, arguments=self.scenario.furnish(place))

    def _run(self, tool: Tool, phase: Phase, trial: int, stock: _Stock) -> Sample:
        """Run ``phase`` once and see what came of it."""
        targets = self._targets(phase, trial, stock)
        cache, builds = stock.place / "cache", stock.place / "builds"
        empty = not cache.exists()
        fetched, built = Counter(self.course.fetches()), _read_builds(builds)
        os.sync()  # else one installer's files are written while another is timed
        took = measure(
            [tool.command(target, stock.arguments) for target in targets],
            directory=stock.place,
            environment=tool.variables(cache=cache, builds=builds),
            notes=stock.place / "notes" / f"{trial}-{_slug(phase.name)}",
        )
        fetched = Counter(self.course.fetches()) - fetched
        built = _read_builds(builds) - built
        reason = _failure(took)
        if not reason and phase.cold:
            reason = self._why_not_cold(stock.place, empty=empty, fetched=fetched, built=built)
        if not reason:
            reason = self._unlike(targets, stock.place)
            stock.target = targets[0]
        if took.seconds >= self.course.once_from:
            self.over.add((tool.name, phase.name))
        sample = Sample(
            scenario=self.scenario.name,
            phase=phase.name,
            tool=tool.name,
            trial=trial,
            seconds=took.seconds,
            cpu=took.cpu,
            memory=took.memory,
            fetches=sum(fetched[repository] for repository in self.scenario.repositories),
            builds=sum(built[package] for package in self.scenario.packages),
            processes=phase.processes,
            size=self.scenario.size,
            reason=reason,
        )
        self._tell(sample)
        return sample

    def _targets(self, phase: Phase, trial: int, stock: _Stock) -> tuple[Path, ...]:
        if phase == NO_OP and stock.target is not None:
            return (stock.target,)
        names = [f"{trial}-{_slug(phase.name)}-{number}" for number in range(phase.processes)]
        targets = tuple(stock.place / "environments" / name for name in names)
        for target in targets:
            make_environment(target, python=self.course.python)
        return targets

    def _why_not_cold(self, place: Path, *, empty: bool, fetched: Mapping[str, int], built: Mapping[str, int]) -> str:
        if not empty:
            return "was not cold: there was a cache"
        missed = [f"{name} was not fetched" for name in self.scenario.repositories if not fetched.get(name)]
        missed += [f"{name} was not built" for name in self.scenario.packages if not built.get(name)]
        missed += [f"{name} was not built" for name in self.scenario.unbuilt(place)]
        return f"was not cold: {_some(missed)}" if missed else ""

    def _unlike(self, targets: Iterable[Path], place: Path) -> str:
        for target in targets:
            contents = read_contents(target, place=place)
            if len(contents) <= 1:
                return "nothing is installed"
            self.reference = self.reference or contents
            if different := differences(contents, self.reference):
                return f"holds other things than the first: {_some(different)}"
        return ""

    def _tell(self, sample: Sample) -> None:
        counts = f"does not count: {sample.reason}" if sample.reason else f"{sample.fetches} fetches"
        if self.scenario.packages and not sample.reason:
            counts += f", {sample.builds} builds"
        what = f"{sample.scenario}, {sample.trial}, {sample.phase}, {sample.tool}"
        self.course.say(f"{what}: {sample.seconds:.3f} s, {counts}")


def _failure(took: Measured) -> str:
    for status, said in zip(took.statuses, took.said, strict=True):
        if status != 0:
            lines = said.strip().splitlines() or ["it said nothing"]
            told = next((line for line in lines if line.lower().startswith("error")), lines[-1])
            return f"failed with {status}: {_PLACE.sub('…', told.strip())}"
    return ""


def _some(things: Sequence[str]) -> str:
    more = f" and {len(things) - 3} more" if len(things) > 3 else ""
    return f"{', '.join(things[:3])}{more}"


def _read_builds(log: Path) -> Counter[str]:
    return Counter(log.read_text("utf-8").split()) if log.exists() else Counter()


def _slug(name: str) -> str:
    return name.replace(" ", "-").replace("'", "")
