"""What the outcome of ``pip install`` rests on, written down so that the same command again need only look at it.

In doubt nothing is written, and nothing fails because of it.
"""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import miniuv
from miniuv import state
from miniuv.environment.installed import site_folders
from miniuv.index.credentials import netrc_file
from miniuv.index.local import local_path
from miniuv.models.interpreter import Interpreter
from miniuv.models.outcome import Basis
from miniuv.models.request import InstallRequest
from miniuv.models.source import ArchiveSource, DirectorySource, PinnedGit, PinnedSource
from miniuv.names import WORK_FOLDER
from miniuv.resolve.gather import Inputs
from miniuv.settings import Settings
from miniuv.sources.catalog import Catalog
from miniuv.stamps import TICK, holds, newest_time, stamp


def environment_stamps(interpreter: Interpreter, *, just_changed: bool = False) -> tuple[str, ...]:
    """Describe what is installed and what it is installed for; empty where that tells too little.

    It does where somebody changed the environment this very moment, and may change it once more unseen;
    ``just_changed``: that was us, and we still have its lock.
    """
    try:
        lines = tuple(_environment(interpreter))
    except OSError:
        return ()
    return lines if just_changed or newest_time(lines) < time.time_ns() - TICK else ()


def make_basis(
    *,
    request: InstallRequest,
    inputs: Inputs,
    settings: Settings,
    interpreter: Interpreter,
    environment: tuple[str, ...],
    catalog: Catalog,
    questions: tuple[tuple[str, ...], ...],
    environ: Mapping[str, str],
) -> Basis | None:
    """Gather what a run rested on that left the environment as it was asked for; ``None`` in any doubt.

    ``settings`` are with what requirement files say of indexes; ``environment`` and ``questions`` as in ``Basis``.
    """
    target = _target(request)
    if not environment or target is None or not _may_stand(request, settings, interpreter):
        return None
    builds: list[str] = []
    files = [str(file) for file in settings.files]
    files += [path for file in inputs.files for path in file.paths]
    files += [str(local_path(place)) for place in settings.find_links if place.scheme == "file"]
    if questions:  # whose answers depend on who asks
        files.append(os.path.abspath(netrc_file(environ)))
    for pinned in list(catalog.asked.values()):
        rests_on = _of_source(pinned, catalog)
        if rests_on is None:
            return None
        files += rests_on[0]
        builds += rests_on[1]
    if not all(os.path.isabs(path) for path in files):  # standard input, or an address
        return None
    code = (miniuv.__file__, state.__file__)
    lines = [stamp(path, linked=True) for path in code] + [stamp(path) for path in dict.fromkeys(files)]
    return Basis(
        interpreter=interpreter,
        environment=environment,
        inputs=tuple(lines),
        builds=tuple(dict.fromkeys(builds)),
        questions=questions,
        target=target or None,
    )


def write_state(basis: Basis, *, key: str, color: str, told: Sequence[str], started: int) -> None:
    """Write the state file of a command that began at ``started`` (nanoseconds since the epoch) and changes no more.

    What was read must be older than the command, or it may have changed while it was read; what is installed must
    still be what it was for the command itself.
    """
    if newest_time(basis.inputs) >= started - TICK or not all(map(holds, (*basis.inputs, *basis.builds))):
        return
    prefix = basis.interpreter.prefix
    with contextlib.suppress(OSError):
        state.write(
            str(prefix),
            key,
            absent=str(prefix / WORK_FOLDER),
            target=basis.target or "",
            look=lambda: _environment(basis.interpreter),
            expected=basis.environment,
            inputs=(*basis.inputs, *basis.builds),
            questions=basis.questions,
            color=color,
            told=told,
        )


def date_back(interpreter: Interpreter, infos: Sequence[str]) -> None:
    """Let every later change of the environment show; see ``state.date_environment_back``."""
    sites = [str(site) for site in site_folders(interpreter)]
    state.date_environment_back(infos, scripts=str(interpreter.scheme.scripts), sites=sites)


def _environment(interpreter: Interpreter) -> list[str]:
    return state.environment_stamps(
        str(interpreter.prefix),
        executable=str(interpreter.executable),
        scripts=str(interpreter.scheme.scripts),
        sites=[str(site) for site in site_folders(interpreter)],
    )


def _target(request: InstallRequest) -> str | None:
    """The path that names the environment; empty where it is found without; ``None``: it is found by other means."""
    python = request.target.python
    if python is None:
        return ""
    from miniuv.environment.candidates import version_request

    path = request.directory / Path(python).expanduser()
    return str(path) if version_request(python) is None and os.path.lexists(path) else None


def _may_stand(request: InstallRequest, settings: Settings, interpreter: Interpreter) -> bool:
    options = request.options
    asks_again = options.upgrade_packages or options.reinstall or options.reinstall_packages or options.no_reuse
    # A requirement that is the name of a file is refused.
    named = any(text.endswith((".txt", ".in")) for text in request.requirements)
    apart = request.target.system or not interpreter.is_environment
    return not (asks_again or options.dry_run or (settings.refresh and not options.upgrade) or apart or named)


def _of_source(pinned: PinnedSource, catalog: Catalog) -> tuple[Sequence[str], Sequence[str]] | None:
    """The files, and the stamps, that the content of a direct source rests on; ``None`` where it may change unseen."""
    match pinned:
        case PinnedGit():
            return ((), ()) if pinned.is_fixed else None
        case ArchiveSource(url=url, hashes=hashes):
            if url.scheme == "file":
                return [str(local_path(url))], ()
            return ((), ()) if hashes else None
        case DirectorySource(path=path):
            proof = catalog.evidence(pinned)
            return None if proof is None else ([str(path / "pyproject.toml")], proof)
        case _:
            return None
