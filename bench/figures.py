"""From runs to medians and ratios, and the file that keeps them."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from miniuv.errors import MiniuvError

SUBJECT = "miniuv"
"""The one that is compared with the others."""


class ResultsError(MiniuvError):
    """Results that cannot be read, or that do not belong together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run of one process, or of several at once."""

    scenario: str
    phase: str
    tool: str
    trial: int
    seconds: float
    cpu: float
    memory: int
    fetches: int
    """Of repositories, by the server's count."""
    builds: int = 0
    """Of wheels of git packages, as far as those note it."""
    processes: int = 1
    size: int = 0
    """How many git requirements, where growing numbers of them are compared."""
    reason: str = ""
    """Why it does not count; empty where it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """All runs of one installer that count, in one phase of one scenario."""

    scenario: str
    phase: str
    tool: str
    runs: int
    """0: none counts, and what follows is 0 too."""
    seconds: float
    cpu: float
    memory: float
    fetches: float
    builds: float
    processes: int
    size: int
    ratios: dict[str, float]
    """This one's seconds by the others', by their name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """All runs, and where and when they were."""

    facts: dict[str, str]
    """The machine and the installers."""
    scenarios: dict[str, dict[str, str]]
    """When each scenario ran, and how busy the machine was."""
    samples: tuple[Sample, ...]

    def merged(self, newer: "Results") -> "Results":
        """Return these results with ``newer`` instead where both ran the same phase of the same scenario.

        Raises ResultsError where they are of another machine, or of other installers.
        """
        if self.facts != newer.facts:
            changed = sorted(
                name for name in {*self.facts, *newer.facts} if self.facts.get(name) != newer.facts.get(name)
            )
            raise ResultsError(
                f"the results that are kept are of another {', '.join(changed)}", hint="run every scenario anew"
            )
        again = {(sample.scenario, sample.phase) for sample in newer.samples}
        kept = [sample for sample in self.samples if (sample.scenario, sample.phase) not in again]
        scenarios = {**self.scenarios, **newer.scenarios}
        order = [*scenarios]
        samples = sorted((*kept, *newer.samples), key=lambda sample: order.index(sample.scenario))
        return Results(facts=newer.facts, scenarios=scenarios, samples=tuple(samples))

    def write(self, path: Path) -> None:
        """Write them as JSON, a line for each run; with the figures, for whoever reads the file."""
        kept = {"facts": self.facts, "scenarios": self.scenarios}
        parts = [f"{json.dumps(name)}: {json.dumps(value, indent=1)}" for name, value in kept.items()]
        parts.append(f'"figures": {_lines(asdict(figure) for figure in summarise(self.samples))}')
        parts.append(f'"samples": {_lines(map(asdict, self.samples))}')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{" + ",\n".join(parts) + "}\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what ``write`` wrote; raises ResultsError."""
        try:
            found = json.loads(path.read_text("utf-8"))
            samples = tuple(Sample(**sample) for sample in found["samples"])
            return cls(facts=found["facts"], scenarios=found["scenarios"], samples=samples)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ResultsError(f"cannot read the results: {error}", where=str(path)) from error


def summarise(samples: Sequence[Sample]) -> list[Figure]:
    """Return the medians of what counts, in the order of the samples."""
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.scenario, sample.phase, sample.tool), []).append(sample)
    counting = {key: [each for each in group if not each.reason] for key, group in groups.items()}
    seconds = {key: statistics.median(each.seconds for each in group) for key, group in counting.items() if group}
    return [
        Figure(
            scenario=key[0],
            phase=key[1],
            tool=key[2],
            runs=len(counting[key]),
            seconds=seconds.get(key, 0.0),
            cpu=_median(each.cpu for each in counting[key]),
            memory=_median(each.memory for each in counting[key]),
            fetches=_median(each.fetches for each in counting[key]),
            builds=_median(each.builds for each in counting[key]),
            processes=group[0].processes,
            size=group[0].size,
            ratios=_ratios(key, seconds),
        )
        for key, group in groups.items()
    ]


def _ratios(key: tuple[str, str, str], seconds: Mapping[tuple[str, str, str], float]) -> dict[str, float]:
    scenario, phase, tool = key
    return {
        other: seconds[key] / theirs
        for (of, at, other), theirs in seconds.items()
        if key in seconds and (of, at) == (scenario, phase) and other != tool
    }


def _median(numbers: Iterable[float]) -> float:
    return statistics.median([*numbers] or [0.0])


def _lines(entries: Iterable[object]) -> str:
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"
