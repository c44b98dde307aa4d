"""The target Python, as it describes itself."""

from collections.abc import Mapping
from pathlib import Path

from packaging.version import Version

from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """Where the parts of a wheel go (``sysconfig`` paths of the target; ``headers`` is per distribution)."""

    purelib: Path
    platlib: Path
    scripts: Path
    data: Path
    headers: Path
    """The folder below which a distribution's own header folder is made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """Facts asked of the interpreter itself, never assumed."""

    executable: Path
    """``sys.executable``: absolute; inside an environment it is the environment's own."""
    real_executable: Path
    """The file behind every link and shim; identifies the installation."""
    prefix: Path
    base_prefix: Path
    version: Version
    """Full: ``3.12.1``."""
    implementation: str
    """``cpython``, ``pypy``."""
    cache_tag: str
    """``cpython-312``: the middle of a ``.pyc`` name."""
    tags: tuple[str, ...]
    """Supported wheel tags, most preferred first: ``cp312-cp312-manylinux_2_17_x86_64``."""
    markers: Mapping[str, str] = field(hash=False)
    """The PEP 508 marker environment."""
    scheme: Scheme
    is_conda: bool = False
    externally_managed: str | None = None
    """PEP 668: the distributor's message; ``None`` where the installation is not managed by one."""

    @property
    def is_environment(self) -> bool:
        """Whether it is a virtual environment (PEP 405) or a conda one."""
        return self.is_conda or self.prefix != self.base_prefix

    @property
    def python(self) -> str:
        """``3.12``."""
        return f"{self.version.major}.{self.version.minor}"

    def compiled_path(self, module: str) -> str:
        """The ``.pyc`` that belongs to the path of a module (PEP 3147)."""
        folder, slash, name = module.rpartition("/")
        return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{self.cache_tag}.pyc"
