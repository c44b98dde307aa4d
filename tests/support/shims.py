"""Little libraries that stand between a program and the system, compiled when a test needs one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent
_OPTIONS = ("-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC")


def compile_shim(name: str, folder: Path) -> Path:
    """Compile ``tests/support/<name>.c`` to a library in ``folder``, for ``LD_PRELOAD``; skip where that cannot be."""
    if sys.platform != "linux":
        pytest.skip("preloaded libraries are tried on Linux only")
    library = folder / f"{name}.so"
    command = [*_compiler(folder), *_OPTIONS, "-o", str(library), str(_SOURCES / f"{name}.c"), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


def _compiler(folder: Path) -> list[str]:
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    wheel = folder / "compiler"
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(wheel)]
    done = subprocess.run([*install, "ziglang"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("there is no C compiler, and the `ziglang` wheel cannot be had")
    return [sys.executable, str(wheel / "ziglang" / "__main__.py"), "cc"]
