"""Changes of a project folder, each of a kind that somebody makes one day."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

GIT_NAMES = {f"GIT_{role}_{part}": "x@y" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
GIT_NAMES |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

FILES = {
    "src/sample/__init__.py": '"""A sample."""\n__version__ = "1.2.0"\n',
    "src/sample/module.py": "x = 1\n",
    "src/sample/data.txt": "data\n",
    "src/sample/inner/__init__.py": "",
    "src/sample/inner/deep.py": "y = 2\n",
    "README.md": "# A sample\n",
    "LICENSE": "Do what you like.\n",
    "docs/index.md": "Read me.\n",
}
"""What a project needs to be changed in all these ways, besides its ``pyproject.toml``."""


def git(folder: Path, *arguments: str) -> None:
    """Run git there, with no settings but the test's."""
    environment = {**os.environ, **GIT_NAMES}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True)


def _append(path: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / path).open("a") as file:
            file.write(text)

    return change


def _write(path: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    return change


def _remove(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def _rename(path: str, other: str) -> Callable[[Path], object]:
    return lambda folder: (folder / path).rename(folder / other)


def _secretly(path: str, before: str, after: str) -> Callable[[Path], None]:
    """Another content of the same length, with the times of before."""

    def change(folder: Path) -> None:
        place = folder / path
        times = place.stat()
        text = place.read_text()
        assert before in text
        assert len(before) == len(after)
        place.write_text(text.replace(before, after))
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))

    return change


def _edit_dependency(folder: Path) -> None:
    """Where the project names it."""
    requirements = folder / "requirements.txt"
    place = requirements if requirements.exists() else folder / "pyproject.toml"
    _secretly(place.name, "other>=2", "other>=3")(folder)


def _replace_by_link(folder: Path) -> None:
    place = folder / "src/sample/module.py"
    place.unlink()
    place.symlink_to("inner/deep.py")


def _swap_folder(folder: Path) -> None:
    inner, other = folder / "src/sample/inner", folder / "src/elsewhere"
    shutil.copytree(inner, other)
    (other / "more.py").write_text("z = 3\n")
    shutil.rmtree(inner)
    inner.symlink_to("../elsewhere")


def _touch(folder: Path) -> None:
    os.utime(folder / "src/sample/module.py", (1_700_000_000, 1_700_000_000))


def _tag(folder: Path) -> None:
    if (folder / ".git").exists():
        git(folder, "tag", "-am", "x", "1.3.0")


def _commit(folder: Path) -> None:
    if (folder / ".git").exists():
        (folder / "src/sample/module.py").write_text("x = 5\n")
        git(folder, "commit", "-qam", "second")


MUTATIONS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a module is edited": _append("src/sample/module.py", "x = 2\n"),
    "the package is edited": _append("src/sample/__init__.py", "__version__ = '1.2.1'\n"),
    "a module is added": _write("src/sample/new.py", "n = 1\n"),
    "a module is removed": _remove("src/sample/module.py"),
    "a module is renamed": _rename("src/sample/module.py", "src/sample/other.py"),
    "a package is added": _write("src/second/__init__.py", ""),
    "a package is added at the top": _write("toplevel/__init__.py", ""),
    "a data file is added": _write("src/sample/more.json", "{}"),
    "a data file is edited": _append("src/sample/data.txt", "more\n"),
    "a data file is edited secretly": _secretly("src/sample/data.txt", "data", "atad"),
    "pyproject.toml has a keyword more": lambda folder: (folder / "pyproject.toml").write_text(
        (folder / "pyproject.toml").read_text().replace("[project]\n", '[project]\nkeywords = ["new"]\n')
    ),
    "a dependency is edited secretly": _edit_dependency,
    "the README is edited": _append("README.md", "More.\n"),
    "the LICENSE is edited secretly": _secretly("LICENSE", "you like", "she does"),
    "a second licence is added": _write("LICENSE.other", "Or else.\n"),
    "setup.cfg appears": _write("setup.cfg", "[metadata]\nkeywords = late\n[options]\nzip_safe = false\n"),
    "setup.py appears": _write("setup.py", "from setuptools import setup\nsetup(zip_safe=False)\n"),
    "MANIFEST.in appears": _write("MANIFEST.in", "recursive-include src *.txt\n"),
    ".gitignore appears": _write(".gitignore", "*.txt\nmodule.py\n"),
    ".hgignore appears": _write(".hgignore", "syntax: glob\n*.txt\n"),
    "hatch.toml appears": _write("hatch.toml", '[build.targets.wheel]\nexclude = ["data.txt"]\n'),
    "PKG-INFO appears": _write("PKG-INFO", "Metadata-Version: 2.1\nName: sample\nVersion: 9.9\n"),
    "a module becomes a program": lambda folder: (folder / "src/sample/module.py").chmod(0o755),
    "a module is touched": _touch,
    "a module becomes a link": _replace_by_link,
    "a folder becomes a link to another": _swap_folder,
    "a file outside of the package is edited": _append("docs/index.md", "More.\n"),
    "the package is no package any more": _remove("src/sample/inner/__init__.py"),
    "a tag is made": _tag,
    "a commit is made": _commit,
}
