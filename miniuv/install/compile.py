"""Byte-compile modules with the target interpreter, several processes at once."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miniuv.models.interpreter import Interpreter
from miniuv.process import Runner
from miniuv.reporter import Reporter, activity
from miniuv.settings.resolved import available_cores
from miniuv.values import dataclass

_SCRIPT = Path(__file__).with_name("_compile.py")
NOT_TRIED = "the interpreter did not compile"
"""Begins the message where it was not the module's fault."""
_WORTH_A_PROCESS = 40
"""Modules: starting an interpreter takes as long as compiling about as many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """One module to compile."""

    source: str
    """Where it lies now."""
    final: str
    """Where it will lie; tracebacks name that."""
    place: str = ""
    """Where it would lie for its ``.pyc`` to come beside it, where that is not ``source``."""


def compile_bytecode(
    interpreter: Interpreter,
    modules: Sequence[Module],
    *,
    workers: int | None = None,
    runner: Runner,
    reporter: Reporter,
) -> tuple[Module, ...]:
    """Compile ``modules``, and return those that could be; the others are warned about together."""
    failures = compile_modules(interpreter, modules, workers=workers, runner=runner, reporter=reporter)
    failed = [module for module in modules if module.source in failures]
    for module in failed:
        reporter.note(f"`{module.final}` could not be compiled: {failures[module.source]}")
    if failed:
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        reporter.warning(
            f"`{failed[0].final}`{more} could not be compiled: {failures[failed[0].source]}",
            hint="it is installed all the same, and only fails when it is imported",
        )
    return tuple(module for module in modules if module.source not in failures)


def compile_modules(
    interpreter: Interpreter,
    modules: Sequence[Module],
    *,
    workers: int | None = None,
    runner: Runner,
    reporter: Reporter,
) -> dict[str, str]:
    """Compile ``modules``; returns what was wrong with those that could not be, by their source."""
    if not modules:
        return {}
    count = workers or min(available_cores(), 8)
    count = max(1, min(count, len(modules) // _WORTH_A_PROCESS))
    shares = [modules[start::count] for start in range(count)]
    failures: dict[str, str] = {}
    with activity(reporter, "compile", f"{len(modules)} modules"), ThreadPoolExecutor(count) as pool:
        for answer in pool.map(lambda share: _compile_share(interpreter, share, runner), shares):
            failures |= answer
    return failures


def _compile_share(interpreter: Interpreter, share: Sequence[Module], runner: Runner) -> dict[str, str]:
    work = [[each.source, interpreter.compiled_path(each.place or each.source), each.final] for each in share]
    # -I -S: neither the user's variables nor the environment's .pth files have a say in this.
    argv = [str(interpreter.executable), "-I", "-S", str(_SCRIPT)]
    try:
        completed = runner.run(argv, stdin=json.dumps(work).encode())
        answer = json.loads(completed.stdout)
        return {str(source): str(message) for source, message in answer}
    except (OSError, ValueError) as error:
        reason = f"{NOT_TRIED}: {error}"
        return {module.source: reason for module in share}
