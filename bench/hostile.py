"""The corpus of hostile wheels, given to each installer: ``python -m bench.hostile [--only ROW] [--rows]``.

Every wheel of it is to be refused before anything is touched. Told of each tool: how many it accepts, how many it
refuses after it has written into the environment, how often it shows a traceback or does not end, and whether anything
came to lie outside of the environment. pip and uv are those of ``bench.compare``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.tools import Tool, equip, make_environment
from demo.index_alone import load_index_alone
from tests.support.hostile_wheels import CORPUS, Hostile
from tests.support.refusals import tree

ACCEPTED, TOUCHED, TRACEBACK, ESCAPED, ENDLESS, REFUSED = OUTCOMES = (
    "accepted",
    "refused after writing",
    "traceback",
    "written outside",
    "no end",
    "refused",
)
_PATIENCE = 60.0
_ABSOLUTE = Path("/tmp/miniuv-hostile-X")
"""What the row with an absolute path is after."""


class Range:
    """Where one installer is tried: an environment that is new for every wheel, and a canary around it."""

    def __init__(self, folder: Path, tool: Tool) -> None:
        self._folder = folder
        self._tool = tool
        self._environment = folder / "around" / "environment"
        self._pristine = folder / "pristine"
        make_environment(self._environment, python=Path(sys.executable))
        self._pristine_tree = tree(self._environment)
        shutil.copytree(self._environment, self._pristine, symlinks=True)

    def try_wheel(self, hostile: Hostile) -> set[str]:
        """What becomes of one wheel, in words of ``OUTCOMES``."""
        shutil.rmtree(self._environment)
        shutil.copytree(self._pristine, self._environment, symlinks=True)
        wheel = hostile.write(self._folder / "wheels" / hostile.id)
        variables = self._tool.variables(cache=self._folder / "cache", builds=self._folder / "builds")
        argv = self._tool.command(self._environment, ("--no-deps", "--no-index", str(wheel)))
        found: set[str] = set()
        try:
            done = subprocess.run(
                argv,
                cwd=self._folder,
                env={**variables, "TMPDIR": str(self._folder)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            found.add(ENDLESS)
        else:
            found.add(REFUSED if done.returncode else ACCEPTED)
            if "Traceback (most recent call last)" in done.stderr + done.stdout:
                found.add(TRACEBACK)
        wheel.unlink()
        after = tree(self._environment)
        after.pop(".lock", None)  # who takes it before he refuses has changed nothing
        if ACCEPTED not in found and after != self._pristine_tree:
            found.add(TOUCHED)
        around = [path for path in self._environment.parent.iterdir() if path != self._environment]
        for path in (*around, _ABSOLUTE):
            if path.exists():
                found.add(ESCAPED)
                path.unlink()
        return found


def score(folder: Path, tool: Tool, corpus: Iterable[Hostile]) -> dict[str, set[str]]:
    """Row to what becomes of it, in a new ``folder``."""
    folder.mkdir()
    ground = Range(folder, tool)
    return {hostile.id: ground.try_wheel(hostile) for hostile in corpus}


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__.partition(":")[0])
    parser.add_argument("--only", default="", metavar="ROW", help="rows whose name starts so")
    parser.add_argument("--rows", action="store_true", help="name the rows behind each count")
    arguments = parser.parse_args(argv)
    corpus = [hostile for hostile in CORPUS if hostile.id.startswith(arguments.only)]
    with tempfile.TemporaryDirectory(prefix="miniuv-bench-") as temporary:
        folder = Path(os.path.realpath(temporary))
        settings = load_index_alone(os.environ, cache=folder / "unused", directory=folder)
        tools = equip(folder, python=Path(sys.executable), environ=os.environ, settings=settings)
        print(f"| of {len(corpus)} wheels | {' | '.join(OUTCOMES[:-1])} |\n|---|{'---|' * (len(OUTCOMES) - 1)}")
        for tool in tools:
            rows = score(folder / tool.name, tool, corpus)
            counts = Counter(outcome for found in rows.values() for outcome in found)
            print(
                f"| {tool.name} {tool.version} | {' | '.join(str(counts[each]) for each in OUTCOMES[:-1])} |",
                flush=True,
            )
            for outcome in OUTCOMES[:-1] if arguments.rows else ():
                print(f"{outcome}: {' '.join(row for row, found in rows.items() if outcome in found) or '-'}")


if __name__ == "__main__":
    main()
