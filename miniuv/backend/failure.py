"""What went wrong in a backend, in words."""

import re
import signal

from miniuv.backend.output import HookLog
from miniuv.errors import BackendError, BuildError

_SHOWN_LINES = 20
_MISSING_MODULE = re.compile(r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<module>[\w.]+)'?")
_LOOKING_IT_UP = re.compile(r"_in_process\.py\", line \d+, in _build_backend")
_MISSING_OBJECT = re.compile(r"AttributeError: (.+ has no attribute .+)")

_SCARCITY = re.compile(
    r"MemoryError|KeyboardInterrupt|No space left on device|Disk quota exceeded|Input/output error|"
    r"Read-only file system|Stale file handle|Cannot allocate memory|virtual memory exhausted|out of memory|bad_alloc|"
    r"\bKilled\b|Resource temporarily unavailable|Too many open files|"
    r"Connection (?:refused|reset|aborted)|timed out|Network is unreachable|"
    r"Temporary failure in name resolution|Name or service not known"
)
"""What a backend prints when it was the machine or the network that failed, not the project."""
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_NEVER_STARTED = 126
"""From here on a status is no verdict of the backend's: it could not be run, or a signal ended it (as in a shell)."""


class HookEndedError(Exception):
    """The process of a hook did not end with status 0; the text says how it did."""

    def __init__(self, returncode: int) -> None:
        super().__init__(_how_it_ended(returncode))
        self.returncode = returncode


def hook_failure(cause: Exception, *, hook: str, backend: str, title: str, log: HookLog) -> BuildError:
    """The error for what a hook call raised: what to call it, the backend's last lines, and what to do."""
    from pyproject_hooks import BackendUnavailable, HookMissing

    if isinstance(cause, HookMissing):
        return _missing_hook(cause.hook_name, backend=backend, title=title)
    if isinstance(cause, BackendUnavailable):
        lines = tuple(cause.traceback.rstrip().splitlines()[-1:])
        return _kind(lines)(
            _with_lines(f"its backend `{backend}` cannot be imported", lines), where=title, hint=_import_hint(lines)
        )
    if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
        return BuildError(
            f"`{hook}` cannot be run: {cause}", where=title, hint="check free space, limits and permissions"
        )
    lines = log.excerpt(_SHOWN_LINES)
    if any(map(_LOOKING_IT_UP.search, lines)) and (absent := _MISSING_OBJECT.fullmatch(lines[-1])):
        return BackendError(
            f"its backend `{backend}` cannot be found for `{hook}`: {absent[1]}",
            where=title,
            hint="check `build-backend` in `[build-system]`: it reads `module` or `module:object`",
        )
    kind = BuildError if isinstance(cause, OSError) else _kind(lines)
    if isinstance(cause, HookEndedError):
        message = f"`{backend}` ended `{hook}` with {cause}"
        kind = kind if 0 < cause.returncode < _NEVER_STARTED else BuildError
    else:
        message = f"`{backend}` gave no usable answer to `{hook}`: {cause}"
    hint = f"its whole output is in `{log.path}`"
    if full := next(filter(None, map(_FULL.search, lines)), None):
        message, lines = f"{message}: {full[0].lower()}", ()  # where it happened in the backend is nobody's fault
        hint = f"free some space, or choose another folder with `--cache-dir`; {hint}"
    elif missing := _missing_module(lines):
        hint = f"{missing}; {hint}"
    elif "SIGKILL" in message:
        hint = f"the system ends programs so when memory runs out; {hint}"
    return kind(_with_lines(message, lines), where=title, hint=hint)


def _kind(lines: tuple[str, ...]) -> type[BuildError]:
    return BuildError if any(map(_SCARCITY.search, lines)) else BackendError


def _how_it_ended(returncode: int) -> str:
    if returncode > 0:
        return f"exit status {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def _missing_hook(hook: str, *, backend: str, title: str) -> BuildError:
    if hook == "build_editable":
        return BackendError(
            f"its backend `{backend}` has no hook `build_editable`, so it cannot be installed as editable",
            where=title,
            hint="ask for a newer backend in `build-system.requires` (`setuptools>=64`), or install without `-e`",
        )
    return BackendError(
        f"its backend `{backend}` has no hook `{hook}`",
        where=title,
        hint="check `build-backend` in `[build-system]`: every backend must have it (PEP 517)",
    )


def _with_lines(message: str, lines: tuple[str, ...]) -> str:
    return "\n".join((message, *(f"  | {line}" for line in lines)))


def _missing_module(lines: tuple[str, ...]) -> str | None:
    for line in reversed(lines):
        if match := _MISSING_MODULE.search(line):
            return f"add what provides `{match['module']}` to `build-system.requires` of the project"
    return None


def _import_hint(lines: tuple[str, ...]) -> str:
    return _missing_module(lines) or "check `build-backend` and `backend-path` in `[build-system]`"
