"""miniuv side by side with uv and pip: ``python -m bench.compare [--quick] [--only WORD] [--phases LIST] ...``.

Each scenario is installed cold (own empty cache), warm (the same cache, a fresh environment) and once more into that
environment, where nothing is to be done; then by several processes at once, cold. The installers take turns; every run
has fresh names, and what they leave is removed when all is over, for deleting slows later writing. A figure counts only
if the environment holds what the others' hold, and a cold one only if the cache was empty and everything was fetched
and built. What takes over a minute runs once.

Writes ``results.json``, ``results.md`` and plots into ``bench/out``, after each scenario, and prints the tables; with
``--publish`` into ``bench`` itself, and the tables into the README. Ends with 1 where a figure does not count.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.course import Course
from bench.figures import Results, Sample
from bench.measure import measure
from bench.others import Usage
from bench.phases import Phase, parse_phases
from bench.publish import RESULTS, publish
from bench.scenarios import led_to_repositories, make_scenarios
from bench.tables import OTHERS, PYTHON_START, report
from bench.tools import UV, BenchError, Tool, equip
from demo.index_alone import load_index_alone
from demo.workshop import CHECKOUT, Workshop, open_workshop
from miniuv.errors import MiniuvError, UsageError

_OUT = CHECKOUT / "bench" / "out" / "results.json"

Say = Callable[[str], None]


def compare(
    *, quick: bool, only: str, phases: tuple[Phase, ...], trials: int, keep: bool, say: Say
) -> Iterator[Results]:
    """Run the scenarios whose names have ``only`` in them; yield all that is known before the first and after each."""
    with _folder(keep=keep, say=say) as folder, open_workshop(environ=os.environ, say=say) as workshop:
        python = workshop.choice.python
        environ = led_to_repositories(workshop.environment, server_url=workshop.server.url)
        settings = load_index_alone(os.environ, cache=folder / "unused", directory=CHECKOUT)
        tools = equip(folder, python=python, environ=environ, settings=settings)
        results = Results(facts=_facts(folder, workshop, tools), scenarios={}, samples=())
        say("\n".join(f"{name}: {value}" for name, value in results.facts.items()))
        yield results
        course = Course(
            folder=folder,
            python=python,
            fetches=lambda: Counter(each.repository for each in workshop.server.requests if each.sent_pack),
            say=say,
            trials=trials,
            only=phases,
        )
        for name, make in make_scenarios(workshop, quick=quick).items():
            if only not in name:
                continue
            scenario = make()
            before, state = Usage.now(), _state(tools, folder=folder)
            samples: list[Sample] = [*course.run(scenario, tools)]
            if samples:
                state[OTHERS] = f"{Usage.now().others_since(before):.2f} cores"
                results = replace(
                    results, scenarios={**results.scenarios, name: state}, samples=(*results.samples, *samples)
                )
                yield results


@contextmanager
def _folder(*, keep: bool, say: Say) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="miniuv-bench-")).resolve()
    try:
        yield folder
    finally:
        if keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _facts(folder: Path, workshop: Workshop, tools: Sequence[Tool]) -> dict[str, str]:
    python = str(workshop.choice.python)
    return {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "file system": _said("stat", "--file-system", "--format=%T", str(folder)),
        "interpreter": _said(python, "-c", "import platform; print('Python', platform.python_version())"),
        "git": _said("git", "--version").removeprefix("git version "),
        **{tool.name: tool.version for tool in tools},
    }


def _state(tools: Sequence[Tool], *, folder: Path) -> dict[str, str]:
    return {
        "on": time.strftime("%Y-%m-%d"),
        "commit": _said("git", "-C", str(CHECKOUT), "describe", "--always", "--dirty=+"),
        PYTHON_START: f"{_python_start(tools, folder=folder):.4f} s",
    }


def _python_start(tools: Sequence[Tool], *, folder: Path) -> float:
    """Return the median of the seconds in which the installers' own Python starts and does nothing."""
    python = tools[0].program.with_name("python")
    notes = Path(tempfile.mkdtemp(prefix="start-", dir=folder))
    return statistics.median(
        measure(
            [[str(python), "-c", "pass"]],
            directory=folder,
            environment=tools[0].environment,
            notes=notes / str(number),
        ).seconds
        for number in range(9)
    )


def _said(*argv: str) -> str:
    """Return what a program says, or that it is unknown."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=f"miniuv, uv {UV} and pip in turn.")
    parser.add_argument("--quick", action="store_true", help="smaller scenarios, and 3 runs of each instead of 5")
    parser.add_argument("--only", default="", metavar="WORD", help="scenarios whose names have it")
    parser.add_argument("--phases", default="", metavar="LIST", help="some of cold,warm,no-op,2,4,8,16")
    parser.add_argument("--trials", type=int, metavar="N", help="runs of each")
    parser.add_argument("--publish", action="store_true", help="into bench/ and the README, not bench/out")
    parser.add_argument("--merge", action="store_true", help="keep the results of what does not run now")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, write the results and print the tables."""
    options = _parser().parse_args(arguments)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    path = RESULTS if options.publish else _OUT
    try:
        if options.publish and (options.only or options.phases) and not options.merge:
            raise UsageError("`--publish` of a part needs `--merge`, or the rest would be lost")
        phases = parse_phases(options.phases) if options.phases else ()
        kept = Results.read(path) if options.merge and path.exists() else None
        trials = options.trials or (3 if options.quick else 5)
        found = Results(facts={}, scenarios={}, samples=())
        for found in compare(
            quick=options.quick, only=options.only, phases=phases, trials=trials, keep=options.keep, say=say
        ):
            together = kept.merged(found) if kept else found  # refused before anything runs
            if found.samples:
                together.write(path)
        if not found.samples:
            raise BenchError("nothing ran", hint="`--only` and `--phases` leave nothing")
        publish(Results.read(path), path.parent, checkout=CHECKOUT if options.publish else None)
    except MiniuvError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"\nhint: {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(report(found))
    return int(any(sample.reason for sample in found.samples))


if __name__ == "__main__":
    sys.exit(main())
