"""Folders whose wheel is what is installed already: nothing is to be done for them."""

import os
import stat
from collections.abc import Sequence

from miniuv.archive.intact import hash_file
from miniuv.errors import InstallError
from miniuv.install.contents import NewDistribution, wheel_contents
from miniuv.install.layout import Layout
from miniuv.models.interpreter import Interpreter
from miniuv.models.plan import Plan
from miniuv.models.request import InstallOptions
from miniuv.models.source import DirectorySource
from miniuv.models.wheel import PreparedWheel
from miniuv.values import replace


def changed_only(
    plan: Plan, prepared: Sequence[PreparedWheel], *, interpreter: Interpreter, options: InstallOptions
) -> tuple[Plan, tuple[PreparedWheel, ...]]:
    """Take out of ``plan``, and of what is ``prepared`` for it, each folder that is installed as it would be again.

    By the word of its RECORD, and every file must be there and be the same, by its size and the wheel's own time or by
    its hash; for ``--compile`` its bytecode must be there too.
    """
    if options.reinstall:
        return plan, tuple(prepared)
    layout = Layout.of(interpreter)
    same = {
        one.planned.candidate.name
        for one in prepared
        if one.planned.candidate.name not in options.reinstall_packages
        and _is_installed(one, layout=layout, interpreter=interpreter, compiled=options.compile_bytecode)
    }
    if not same:
        return plan, tuple(prepared)
    kept = [old for planned in plan.installs if planned.candidate.name in same for old in planned.replaces]
    return (
        replace(
            plan,
            installs=tuple(planned for planned in plan.installs if planned.candidate.name not in same),
            kept=tuple(sorted((*plan.kept, *kept), key=lambda distribution: distribution.name)),
        ),
        tuple(one for one in prepared if one.planned.candidate.name not in same),
    )


def _is_installed(one: PreparedWheel, *, layout: Layout, interpreter: Interpreter, compiled: bool) -> bool:
    if not isinstance(one.planned.candidate.source, DirectorySource) or len(one.planned.replaces) != 1:
        return False
    (installed,) = one.planned.replaces
    if installed.problem is not None:
        return False
    try:
        new = wheel_contents(one, layout=layout, interpreter=interpreter)
        if os.path.realpath(installed.info) != new.info:
            return False
        with open(f"{new.info}/RECORD", "rb") as stream:
            recorded = set(stream.read().splitlines())
        bytecode = {line for line in recorded if line.endswith(b".pyc,,")}
        wanted = set(new.record({}).data.splitlines())
        return wanted == recorded - bytecode and _are_there(new, layout, interpreter if compiled else None)
    except (OSError, InstallError):
        return False


def _are_there(new: NewDistribution, layout: Layout, compiled_by: Interpreter | None) -> bool:
    libraries = tuple(f"{library}/" for library in layout.libraries)
    for file in new.files:
        facts = os.lstat(file.target)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.size:
            return False
        is_as_linked = file.source is not None and facts.st_mtime_ns == os.stat(file.source).st_mtime_ns
        if file.sha256 and not is_as_linked and hash_file(file.target) != file.sha256:
            return False
        if compiled_by and file.target.endswith(".py") and file.target.startswith(libraries):
            os.lstat(compiled_by.compiled_path(file.target))
    return True
