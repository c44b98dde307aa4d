"""Everything new, complete, beside the environment: what can fail fails here, and no lock is needed."""

import contextlib
from collections.abc import Iterator, Sequence

from miniuv.archive.intact import check_intact
from miniuv.install.bytecode import Bytecode
from miniuv.install.compile import Module, compile_bytecode
from miniuv.install.conflicts import Overlap, choose_files
from miniuv.install.contents import NewDistribution, NewFile, wheel_contents
from miniuv.install.failures import translated
from miniuv.install.layout import Layout
from miniuv.install.link import LinkMode
from miniuv.install.staging import Staging, open_staging
from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import PreparedWheel
from miniuv.process import Runner
from miniuv.reporter import Reporter
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedPlan:
    """New files that wait for their place."""

    staging: Staging
    distributions: tuple[NewDistribution, ...]
    """In plan order."""
    files: tuple[tuple[NewFile, int], ...]
    """Each with the place of its distribution in the plan."""
    overlaps: tuple[Overlap, ...]
    """Paths that two of them bring."""


@contextlib.contextmanager
def staged_plan(
    prepared: Sequence[PreparedWheel],
    *,
    interpreter: Interpreter,
    compile_modules: bool,
    bytecode: Bytecode | None = None,
    link_mode: LinkMode,
    runner: Runner,
    reporter: Reporter,
    verified: bool = False,
) -> Iterator[StagedPlan]:
    """Make every file of ``prepared`` ready; nothing of it is left at the end but what was committed.

    Raises ``InstallError``, and ``DamagedWheelError`` where a file in the cache was edited. ``verified``: the caller
    has looked at them this moment. ``bytecode`` has what is compiled already.
    """
    layout = Layout.of(interpreter)
    with translated(layout, prepared), open_staging(layout, link_mode) as staging:
        with _expecting_files(prepared):
            if not verified:
                check_intact(one.wheel for one in prepared)
            distributions = _describe(prepared, layout=layout, interpreter=interpreter)
            _tell(distributions, reporter)
            chosen, overlaps = choose_files(distributions)
            files = [file for file, _ in chosen]
            compiled: dict[str, NewFile] = {}
            if compile_modules and bytecode is not None:
                known = bytecode.of(one.wheel for one in prepared)
                brought = {file.target for file in files}
                for file in _modules(files, staging):
                    source = known.get(file.source or "")
                    new = _compiled(file.target, interpreter, source=source)
                    if source is not None and new.target not in brought:
                        compiled[file.target] = new
            staging.fill([*files, *compiled.values()])
        if compile_modules:
            modules = [
                Module(source=staging.staged(file.target), final=file.target)
                for file in _modules(files, staging)
                if file.target not in compiled
            ]
            done = compile_bytecode(interpreter, modules, runner=runner, reporter=reporter)
            compiled |= {module.final: _compiled(module.final, interpreter) for module in done}
        records = [(distribution.record(compiled), order) for order, distribution in enumerate(distributions)]
        staging.fill([file for file, _ in records])
        pycs = [(compiled[file.target], order) for file, order in chosen if file.target in compiled]
        yield StagedPlan(
            staging=staging,
            distributions=distributions,
            files=(*chosen, *pycs, *records),
            overlaps=overlaps,
        )


@contextlib.contextmanager
def _expecting_files(prepared: Sequence[PreparedWheel]) -> Iterator[None]:
    """Somebody else may find a wheel damaged, and drop it, while we link its files."""
    try:
        yield
    except FileNotFoundError:
        check_intact(one.wheel for one in prepared)
        raise


def _describe(
    prepared: Sequence[PreparedWheel], *, layout: Layout, interpreter: Interpreter
) -> tuple[NewDistribution, ...]:
    return tuple(wheel_contents(one, layout=layout, interpreter=interpreter) for one in prepared)


def _tell(distributions: Sequence[NewDistribution], reporter: Reporter) -> None:
    for one in distributions:
        for remark in one.remarks:
            reporter.warning(remark)
        for path in one.startup:
            reporter.note(f"{one.title} brings `{path}`: every start of the interpreter runs what it says")


def _modules(files: Sequence[NewFile], staging: Staging) -> list[NewFile]:
    libraries = tuple(f"{library}/" for library in staging.layout.libraries)
    return [file for file in files if file.target.endswith(".py") and file.target.startswith(libraries)]


def _compiled(module: str, interpreter: Interpreter, *, source: str | None = None) -> NewFile:
    return NewFile(target=interpreter.compiled_path(module), source=source, sha256="", size=0)
