"""The three installers, each as its users have it: installed into an environment, and led to the same index."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import SUBJECT
from bench.projects import BUILD_LOG
from demo.index_alone import index_alone_variables
from demo.workshop import CHECKOUT
from miniuv.errors import MiniuvError
from miniuv.settings import Settings

UV = "0.13.9"
_OTHERS = ("PIP_", "UV_", "MINIUV_", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")


class BenchError(MiniuvError):
    """What the bench needs cannot be had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """An installer."""

    name: str
    version: str
    program: Path
    environment: Mapping[str, str]

    def command(self, target: Path, arguments: tuple[str, ...]) -> list[str]:
        """Return the command that installs ``arguments`` into ``target``."""
        if self.name == "pip":
            # The others compile where they are told to, pip where it is not told otherwise.
            compiling = () if "--compile" in arguments else ("--no-compile",)
            return [str(self.program), "--python", str(target), "install", *compiling, *arguments]
        return [str(self.program), "pip", "install", "--python", str(target), *arguments]

    def variables(self, *, cache: Path, builds: Path) -> dict[str, str]:
        """Return the variables of a run on ``cache`` whose builds are noted in the file ``builds``."""
        return {**self.environment, f"{self.name.upper()}_CACHE_DIR": str(cache), BUILD_LOG: str(builds)}


def equip(folder: Path, *, python: Path, environ: Mapping[str, str], settings: Settings) -> tuple[Tool, ...]:
    """Install miniuv from its own wheel, uv and pip into a new environment below ``folder``.

    ``environ`` is what leads git to the server; ``settings`` lead to the index.
    """
    home = folder / "tools"
    bare = {name: value for name, value in environ.items() if not name.startswith(_OTHERS)}
    environment = {**bare, **_variables(settings), "NO_COLOR": "1"}

    def run(*argv: str) -> str:
        done = subprocess.run(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise BenchError(f"`{' '.join(argv[:4])}` failed: {last}")
        return done.stdout.strip()

    run(str(python), "-m", "venv", str(home))
    pip = (str(home / "bin" / "python"), "-m", "pip", "--quiet")
    run(*pip, "install", "--upgrade", "pip", f"uv=={UV}")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(folder / "wheel"), str(CHECKOUT))
    run(*pip, "install", *(str(wheel) for wheel in (folder / "wheel").glob("*.whl")))
    return tuple(
        Tool(
            name=name,
            version=run(str(home / "bin" / name), "--version").split()[1],
            program=home / "bin" / name,
            environment=environment,
        )
        for name in (SUBJECT, "uv", "pip")
    )


def make_environment(target: Path, *, python: Path) -> None:
    """Make an environment with nothing in it, the same way whoever installs into it."""
    argv = [str(python), "-I", "-m", "venv", "--without-pip", str(target)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def _variables(settings: Settings) -> dict[str, str]:
    """Return what leads each of the three to the index of ``settings``, and to nothing else of the machine."""
    index = settings.index_url.reveal()
    trusted = " ".join(settings.trusted_hosts)
    proxy = settings.proxy.reveal() if settings.proxy else ""
    own = index_alone_variables({}, settings)
    own.pop("MINIUV_CACHE_DIR")
    told = {
        **own,
        "MINIUV_LINK_MODE": "hardlink",
        "UV_LINK_MODE": "hardlink",
        "UV_NO_CONFIG": "1",
        "UV_NO_GITHUB_FAST_PATH": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_DEFAULT_INDEX": index,
        "UV_INSECURE_HOST": trusted,
        "SSL_CERT_FILE": str(settings.cert or ""),
        "HTTPS_PROXY": proxy,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": index,
        "PIP_TRUSTED_HOST": trusted,
        "PIP_CERT": str(settings.cert or ""),
        "PIP_PROXY": proxy,
    }
    return {name: value for name, value in told.items() if value}
