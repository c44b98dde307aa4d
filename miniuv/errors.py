"""Every error miniuv raises on purpose, under one root.

::

    MiniuvError                     exit code 1
    ├── UsageError                  exit code 2
    ├── Interrupted                 exit code 130
    ├── SettingsError
    ├── RequirementError            a requirement that cannot be read
    ├── ProjectError                a pyproject.toml that cannot be read or used
    ├── TargetError                 no usable target environment or interpreter
    ├── GitError
    ├── PackageIndexError           an index that does not answer as it should
    │   └── OfflineError            what is asked for is not in the cache, and the network is switched off
    ├── HashMismatchError
    ├── ArchiveError                a wheel or sdist that breaks a rule
    ├── MetadataError               core metadata that cannot be read
    ├── BuildError
    │   └── BackendError            the backend itself failed, and would again
    ├── ResolutionError
    ├── InstallError
    └── CacheError
        ├── LockOrderError          a lock asked for against the rules: a defect of miniuv
        └── LockWaitExpiredError    exit code 75
"""


class MiniuvError(Exception):
    """The root: one message for people, where it stood, and what to do about it.

    ``message`` says what was wrong, lower case, no final period. ``where`` names the place that the user
    can open: ``proj1/pyproject.toml:4``, ``the command line``. ``hint`` says what to do.
    """

    exit_code = 1
    usual_hint: str | None = None
    """What to do about this kind of error, where the one who raises it knows nothing better."""
    deterministic = False
    """Whether the same input would fail so again: then others who want the same work are told, and do not try."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(MiniuvError):
    """The command line itself is wrong."""

    exit_code = 2


class Interrupted(MiniuvError):  # noqa: N818  # it is what happened, not what failed
    """The user pressed Ctrl-C."""

    exit_code = 130


class SettingsError(MiniuvError):
    """A setting has a value that it cannot have."""

    usual_hint = "change it there; `miniuv COMMAND --help` lists the options"


class RequirementError(MiniuvError):
    """A requirement cannot be read, or asks for what is not supported."""

    usual_hint = "a requirement reads `name>=1`, `name @ URL` or a path"


class ProjectError(MiniuvError):
    """A project folder or its ``pyproject.toml`` cannot be used."""

    usual_hint = "mend the file, and run the command again"


class TargetError(MiniuvError):
    """There is no usable target environment or interpreter."""

    usual_hint = "make an environment with `miniuv venv`, or name one with `--python PATH`"


class GitError(MiniuvError):
    """git failed, or a repository does not hold what was asked for."""

    usual_hint = "try the same with `git ls-remote URL`"


class PackageIndexError(MiniuvError):
    """A package index or a download does not answer as it should."""

    usual_hint = "try again, or name another index with `--index-url`; `-v` tells more"


class OfflineError(PackageIndexError):
    """The network is switched off, and the cache does not hold what is asked for."""


class HashMismatchError(MiniuvError):
    """Bytes differ from the hash that was promised for them."""

    deterministic = True

    usual_hint = "if the file is known to have changed, take the new hash from a source that you trust"


class ArchiveError(MiniuvError):
    """A wheel or an sdist breaks a rule of its format, or is not safe to unpack."""

    deterministic = True

    usual_hint = "tell its author, or choose another version"


class MetadataError(MiniuvError):
    """Core metadata cannot be read."""

    deterministic = True

    usual_hint = "tell its author, or choose another version"


class BuildError(MiniuvError):
    """A build backend failed or broke its contract."""

    usual_hint = "the log has everything that the backend said"


class BackendError(BuildError):
    """The backend itself failed, for a reason that lies in the project: neither a signal, nor the disk or memory."""

    deterministic = True


class ResolutionError(MiniuvError):
    """No set of candidates satisfies every requirement."""

    usual_hint = "change one of the requirements"


class InstallError(MiniuvError):
    """The environment could not be changed; it is as it was."""

    usual_hint = "mend the cause, and run the command again: the environment is as it was"


class CacheError(MiniuvError):
    """The cache cannot be used."""

    usual_hint = "choose another folder with `--cache-dir`"


class LockOrderError(CacheError):
    """A lock was asked for against the rules of ``cache/locks.py``: a defect of miniuv, never of the user."""


class LockWaitExpiredError(CacheError):
    """``--lock-wait`` seconds went by and somebody else still holds the lock."""

    exit_code = 75
