"""Everything new, complete, beside the environment: what can fail fails here, and no lock is needed."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from miniuv.archive.intact import check_intact
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
    link_mode: LinkMode,
    runner: Runner,
    reporter: Reporter,
    verified: bool = False,
) -> Iterator[StagedPlan]:
    """Make every file of ``prepared`` ready; nothing of it is left at the end but what was committed.

    Raises ``InstallError``, and ``DamagedWheelError`` where a file in the cache was edited. ``verified``: the caller
    has looked at them this moment.
    """
    layout = Layout.of(interpreter)
    with translated(layout, prepared), open_staging(layout, link_mode) as staging:
        with _expecting_files(prepared):
            if not verified:
                check_intact(one.wheel for one in prepared)
            distributions = _describe(prepared, layout=layout, interpreter=interpreter)
            chosen, overlaps = choose_files(distributions)
            staging.fill([file for file, _ in chosen])
        compiled: dict[str, NewFile] = {}
        if compile_modules:
            modules = _modules([file for file, _ in chosen], staging)
            done = compile_bytecode(interpreter, modules, runner=runner, reporter=reporter)
            compiled = {module.final: _compiled(module, interpreter) for module in done}
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


def _modules(files: Sequence[NewFile], staging: Staging) -> list[Module]:
    libraries = tuple(f"{library}/" for library in staging.layout.libraries)
    return [
        Module(source=staging.staged(file.target), final=file.target)
        for file in files
        if file.target.endswith(".py") and file.target.startswith(libraries)
    ]


def _compiled(module: Module, interpreter: Interpreter) -> NewFile:
    return NewFile(target=module.compiled(module.final, interpreter.cache_tag), source=None, sha256="", size=0)
