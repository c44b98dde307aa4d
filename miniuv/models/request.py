"""What the user wants, before anything has been read."""

from pathlib import Path

from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallOptions:
    """How to install; one frozen object instead of a dozen keyword arguments."""

    upgrade: bool = False
    upgrade_packages: frozenset[str] = frozenset()
    """Normalised names of ``-P``."""
    reinstall: bool = False
    reinstall_packages: frozenset[str] = frozenset()
    no_reuse: bool = False
    """Build folders, whatever is known of an earlier build."""
    no_deps: bool = False
    compile_bytecode: bool = False
    dry_run: bool = False
    prereleases: bool = False
    """``--pre``."""
    force: bool = False
    """Overwrite files that no distribution owns."""
    no_build: bool = False
    """``--only-binary :all:``: editables are exempt."""
    strict: bool = False
    require_hashes: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetRequest:
    """Which Python to install into."""

    python: str | None = None
    """``--python``: an interpreter, an environment folder or a version; ``None``: discover."""
    system: bool = False
    break_system_packages: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallRequest:
    """One ``miniuv pip install``, as typed."""

    requirements: tuple[str, ...] = ()
    editables: tuple[str, ...] = ()
    requirement_files: tuple[str, ...] = ()
    constraint_files: tuple[str, ...] = ()
    target: TargetRequest
    options: InstallOptions
    directory: Path
    """The working directory that relative paths start from."""
