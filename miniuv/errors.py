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
    ├── HashMismatchError
    ├── ArchiveError                a wheel or sdist that breaks a rule
    ├── MetadataError               core metadata that cannot be read
    ├── BuildError
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


class RequirementError(MiniuvError):
    """A requirement cannot be read, or asks for what is not supported."""


class ProjectError(MiniuvError):
    """A project folder or its ``pyproject.toml`` cannot be used."""


class TargetError(MiniuvError):
    """There is no usable target environment or interpreter."""


class GitError(MiniuvError):
    """git failed, or a repository does not hold what was asked for."""


class PackageIndexError(MiniuvError):
    """A package index or a download does not answer as it should."""


class HashMismatchError(MiniuvError):
    """Bytes differ from the hash that was promised for them."""


class ArchiveError(MiniuvError):
    """A wheel or an sdist breaks a rule of its format, or is not safe to unpack."""


class MetadataError(MiniuvError):
    """Core metadata cannot be read."""


class BuildError(MiniuvError):
    """A build backend failed or broke its contract."""


class ResolutionError(MiniuvError):
    """No set of candidates satisfies every requirement."""


class InstallError(MiniuvError):
    """The environment could not be changed; it is as it was."""


class CacheError(MiniuvError):
    """The cache cannot be used."""


class LockOrderError(CacheError):
    """A lock was asked for against the rules of ``cache/locks.py``: a defect of miniuv, never of the user."""


class LockWaitExpiredError(CacheError):
    """``--lock-wait`` seconds went by and somebody else still holds the lock."""

    exit_code = 75
