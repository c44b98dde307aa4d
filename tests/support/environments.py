"""Real environments that wheels are installed into, and what is in them."""

import hashlib
import itertools
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.direct_url import DirectUrl
from packaging.utils import canonicalize_name, parse_wheel_filename

from miniuv.archive.wheel import unpack_wheel
from miniuv.environment.installed import installed_distributions
from miniuv.install.link import LinkMode
from miniuv.install.transaction import apply_plan
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter, Scheme
from miniuv.models.plan import PlannedInstall, PlannedRemoval
from miniuv.models.request import InstallOptions
from miniuv.models.resolution import Candidate
from miniuv.models.source import DirectorySource, Sha256
from miniuv.models.wheel import PreparedWheel, UnpackedWheel
from miniuv.process import Runner, SubprocessRunner
from miniuv.reporter import Reporter
from miniuv.values import replace
from tests.support.pythons import Listener, make_environment


def unpack(wheel: Path, cache: Path) -> UnpackedWheel:
    """Unpack ``wheel`` below ``cache``, always into the same place; what is there already is used."""
    digest = Sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())
    entry = cache / digest
    for number in itertools.count():
        entry = cache / f"{digest}-{number}"
        if not entry.exists():
            break
    entry.mkdir(parents=True)
    return unpack_wheel(wheel, filename=wheel.name, digest=digest, entry=entry)


@dataclass
class Environment:
    """One environment, with the cache that it is filled from."""

    interpreter: Interpreter
    cache: Path
    reporter: Listener = field(default_factory=Listener)

    @classmethod
    def make(cls, folder: Path, name: str = "env") -> "Environment":
        """Make one below ``folder``."""
        return cls(interpreter=make_environment(folder / name), cache=folder / "cache")

    def copy(self, folder: Path) -> "Environment":
        """Copy it to ``folder``, which is faster than to make one; programs in it still start the original's Python."""
        old = self.interpreter
        shutil.copytree(old.prefix, folder, symlinks=True)

        def moved(path: Path) -> Path:
            return folder / path.relative_to(old.prefix)

        scheme = old.scheme
        copied = replace(
            old,
            executable=moved(old.executable),
            prefix=folder,
            scheme=Scheme(
                purelib=moved(scheme.purelib),
                platlib=moved(scheme.platlib),
                scripts=moved(scheme.scripts),
                data=moved(scheme.data),
                headers=moved(scheme.headers),
            ),
        )
        return Environment(interpreter=copied, cache=folder.with_name("cache"))

    @property
    def prefix(self) -> Path:
        """Its folder."""
        return self.interpreter.prefix

    @property
    def site(self) -> Path:
        """Its site-packages."""
        return self.interpreter.scheme.purelib

    @property
    def bin(self) -> Path:
        """Its programs."""
        return self.interpreter.scheme.scripts

    def installed(self) -> dict[str, InstalledDistribution]:
        """What is installed, by normalised name."""
        return {one.name: one for one in installed_distributions(self.interpreter, reporter=Reporter())}

    def prepare(self, wheel: Path, *, requested: bool = True, direct_url: DirectUrl | None = None) -> PreparedWheel:
        """Unpack ``wheel`` and plan it, instead of what is installed under its name."""
        name, version, _, _ = parse_wheel_filename(wheel.name)
        source = DirectorySource(path=wheel.parent, editable=False)
        replaces = tuple(
            one for one in installed_distributions(self.interpreter, reporter=Reporter()) if one.name == name
        )
        planned = PlannedInstall(
            candidate=Candidate(name=name, version=version, source=source),
            replaces=replaces,
            requested=requested,
            reason="a test",
        )
        return PreparedWheel(planned=planned, wheel=unpack(wheel, self.cache), direct_url=direct_url)

    def apply(
        self,
        prepared: Sequence[PreparedWheel] = (),
        *,
        remove: Sequence[str] = (),
        options: InstallOptions | None = None,
        link_mode: LinkMode = "auto",
        runner: Runner | None = None,
    ) -> None:
        """Change it."""
        installed = self.installed()
        removals = [PlannedRemoval(installed=installed[canonicalize_name(name)], reason="a test") for name in remove]
        apply_plan(
            prepared,
            removals,
            interpreter=self.interpreter,
            options=options or InstallOptions(),
            link_mode=link_mode,
            runner=runner or SubprocessRunner(),
            reporter=self.reporter,
        )

    def install(self, *wheels: Path, options: InstallOptions | None = None, link_mode: LinkMode = "auto") -> None:
        """Install ``wheels`` as requested by name."""
        self.apply([self.prepare(wheel) for wheel in wheels], options=options, link_mode=link_mode)

    def run(self, *arguments: str | Path) -> str:
        """Start its Python, or one of its programs by path, and return what it says."""
        first, *rest = arguments
        argv = (
            [str(first), *map(str, rest)]
            if isinstance(first, Path)
            else [str(self.interpreter.executable), *map(str, arguments)]
        )
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.strip()

    def tree(self) -> dict[str, tuple[int, str]]:
        """Every file and folder: mode, and content or link target."""
        found: dict[str, tuple[int, str]] = {}
        for parent, folders, files in os.walk(self.prefix):
            for name in [*folders, *files]:
                path = Path(parent, name)
                mode = path.lstat().st_mode
                content = ""
                if stat.S_ISLNK(mode):
                    content = os.readlink(path)
                elif stat.S_ISREG(mode):
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path.relative_to(self.prefix))] = mode, content
        return found
