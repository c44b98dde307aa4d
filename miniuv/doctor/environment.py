"""The environment: how it was found, whether it works, and what others have left in it."""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from miniuv.cache.owner import describe_holder, kernel_locks
from miniuv.doctor.findings import Finding, Warnings, note, told, wrong
from miniuv.doctor.locks import excludes
from miniuv.environment.installed import installed_distributions, site_folders
from miniuv.environment.interpreters import Interpreters
from miniuv.environment.places import active_environment, check_changeable, is_change_pending
from miniuv.errors import MiniuvError
from miniuv.install.journal import Journal, way_out
from miniuv.install.layout import Layout
from miniuv.install.recovery import foreign_places
from miniuv.install.staging import abandoned
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import TargetRequest
from miniuv.names import ENVIRONMENT_LOCKS
from miniuv.process import Runner
from miniuv.settings.files import one_line

_SETTING = re.compile(r"^\s*([\w-]+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_SHOWN = 5


def look_at_environment(
    interpreters: Interpreters, request: TargetRequest, *, environ: Mapping[str, str], directory: Path, runner: Runner
) -> Iterator[Finding]:
    """Yield what there is to say of the target, also where its interpreter does not start."""
    folder = _folder(request, environ, directory)
    try:
        interpreter = interpreters.target(request, directory=directory, change=False)
    except MiniuvError:
        if folder is not None:
            yield from told(_of_settings(folder, None))
            yield from told(_of_work_folder(folder))
        raise
    yield Finding(text=f"`{interpreter.prefix}`, {_found_by(request, environ, directory)}")
    kind = "conda's" if interpreter.is_conda else "an environment" if interpreter.is_environment else "no environment"
    yield Finding(text=f"Python {interpreter.version} ({interpreter.implementation}) starts; it is {kind}")
    if interpreter.externally_managed is not None and not interpreter.is_environment:
        yield note("another tool manages it (PEP 668)", "work in an environment: `miniuv venv`")
    if interpreter.is_environment and not interpreter.is_conda:
        yield from told(_of_settings(interpreter.prefix, interpreter))
    yield from told(_of_folders(interpreter))
    yield from told(_of_lock(interpreter.prefix, runner))
    yield from told(_of_change(interpreter))
    yield from told(_of_distributions(interpreter))


def _folder(request: TargetRequest, environ: Mapping[str, str], directory: Path) -> Path | None:
    """The folder that is meant, as far as that can be said without starting anything."""
    if request.python is not None:
        named = directory / Path(request.python).expanduser()
        return named if named.is_dir() else None
    if request.system:
        return None
    place = active_environment(environ, directory)
    return place.folder if place is not None else None


def _found_by(request: TargetRequest, environ: Mapping[str, str], directory: Path) -> str:
    if request.python is not None:
        return "named by `--python`"
    place = None if request.system else active_environment(environ, directory)
    if place is None:
        return "asked for by `--system`"
    return f"the nearest `{place.found_by}`" if place.found_by.startswith(".") else f"named by {place.found_by}"


def _of_settings(prefix: Path, interpreter: Interpreter | None) -> Iterator[Finding]:
    file = prefix / "pyvenv.cfg"
    anew = f"make it anew: `miniuv venv --clear {prefix}`"
    try:
        text = file.read_text("utf-8", "replace")
    except FileNotFoundError:
        yield wrong(f"`{file}` is missing, so no tool knows that this is an environment", anew)
        return
    settings = {name.lower(): value for name, value in _SETTING.findall(text)}
    home = settings.get("home", "")
    if not home:
        yield wrong(f"`{file}` does not say which Python it was made from", anew)
    elif not os.path.isdir(home):
        yield wrong(f"`{file}` says that it was made from the Python in `{home}`, which is gone", anew)
    if interpreter is None:
        return
    version = settings.get("version_info") or settings.get("version") or ""
    made_by = ".".join(version.split(".")[:2])
    if made_by and made_by != interpreter.python:
        text = f"`{file}` says Python {one_line(ValueError(made_by))}, and {interpreter.version} starts"
        yield wrong(text, f"its Python was replaced: {anew}")
    if settings.get("include-system-site-packages", "").lower() == "true":
        yield note("it also sees what is installed outside of it (`include-system-site-packages`)")


def _of_folders(interpreter: Interpreter) -> Iterator[Finding]:
    for site in site_folders(interpreter):
        if not os.path.isdir(site):
            yield note(f"`{site}` is not there yet; the next installation makes it")
    check_changeable(interpreter)
    if os.path.realpath(interpreter.scheme.purelib) != os.path.realpath(interpreter.scheme.platlib):
        yield Finding(text=f"installs into `{interpreter.scheme.purelib}` and `{interpreter.scheme.platlib}`")


def _of_lock(prefix: Path, runner: Runner) -> Iterator[Finding]:
    lock, owned = (prefix / name for name in ENVIRONMENT_LOCKS)
    if owned.is_file():
        yield note(f"`{owned}` says that it is locked: {describe_holder(owned)}", "wait for that, or end it")
    try:
        facts = lock.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(facts.st_mode):
        yield wrong(f"`{lock}` is no file, so the environment cannot be locked", "remove it")
        return
    if missing := stat.S_IMODE(prefix.stat().st_mode) & 0o666 & ~facts.st_mode:
        text = f"`{lock}` has fewer permissions than the environment: some who may change that cannot lock it"
        yield wrong(text, f"`chmod {(stat.S_IMODE(facts.st_mode) | missing):o} {lock}`")
    if kernel_locks().holders(lock):
        yield note(f"somebody is changing it: {describe_holder(lock)}", "what waits for that goes on when it ends")
    elif os.access(lock, os.R_OK | os.W_OK):
        yield from excludes(lock, runner, what="of the environment")


def _of_change(interpreter: Interpreter) -> Iterator[Finding]:
    layout = Layout.of(interpreter)
    journal = Journal.read(layout)
    if journal is not None:
        does = "takes it back" if journal.is_undone else "finishes it"
        text = f"a change was cut short: {journal.summary}"
        if places := foreign_places(journal):
            text += f"; another tool has changed `{places[0]}` since, so the next command stops"
            yield wrong(text, way_out(layout, journal.titles))
        else:
            yield wrong(text, f"`miniuv pip check` {does}, and so does the next command that changes something")
    yield from _of_work_folder(interpreter.scheme.data, journal)


def _of_work_folder(data: Path, journal: Journal | None = None) -> Iterator[Finding]:
    if journal is None and is_change_pending(data):
        text = "a change was cut short, and cannot be finished while the interpreter does not start"
        yield wrong(text, "mend the interpreter, then `miniuv pip check`; or make the environment anew")
        return
    folders = set(journal.folders) if journal is not None else set()
    left = [folder for folder in abandoned(Layout.work_folder_of(data)) if str(folder) not in folders]
    if left:
        text = f"killed commands have left work behind: `{left[0]}`{_more(len(left))}"
        yield note(text, "the next command that changes something, or `miniuv pip check`, removes it")


def _of_distributions(interpreter: Interpreter) -> Iterator[Finding]:
    reporter = Warnings()
    installed = installed_distributions(interpreter, reporter=reporter)
    broken = len(reporter.findings)
    yield from reporter.findings
    for name, count in sorted(Counter(each.name for each in installed).items()):
        if count > 1:
            yield wrong(f"{name} is installed {count} times", f"`miniuv pip install --reinstall {name}` leaves one")
    for distribution in installed:
        if distribution.problem is None and _is_without_record(distribution):
            repair = f"`miniuv pip install --reinstall {distribution.name}` repairs it"
            yield wrong(f"{distribution} has no RECORD: it was installed or removed by halves", repair)
    yield from _of_remains(interpreter)
    if not broken:
        yield Finding(text=f"{len(installed)} packages are installed; `miniuv pip check --files` verifies their files")


def _is_without_record(distribution: InstalledDistribution) -> bool:
    return distribution.info.suffix == ".dist-info" and not (distribution.info / "RECORD").is_file()


def _of_remains(interpreter: Interpreter) -> Iterator[Finding]:
    """What pip moves aside is called ``~…``; it stays where pip was killed."""
    remains: list[str] = []
    for site in site_folders(interpreter):
        if site.is_dir():
            remains += [str(site / name) for name in sorted(os.listdir(site)) if _is_remnant(name)]
    if remains:
        listed = " ".join(f"`{path}`" for path in remains[:_SHOWN])
        yield wrong(
            f"pip was killed, and has left what it moved aside: {listed}{_more(len(remains), _SHOWN)}",
            "remove these; what is installed does not need them",
        )


def _is_remnant(name: str) -> bool:
    # `installed_distributions` tells of those that look like a distribution.
    return name.startswith("~") and not name.endswith((".dist-info", ".egg-info", ".egg-link"))


def _more(count: int, shown: int = 1) -> str:
    return f" and {count - shown} more" if count > shown else ""
