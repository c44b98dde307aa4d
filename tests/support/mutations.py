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


def _git(*arguments: str) -> Callable[[Path], None]:
    return lambda folder: git(folder, *arguments)


def _then(*changes: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def _touch_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and ".git" not in path.relative_to(folder).parts:
            os.utime(path)


def _copy_files(folder: Path) -> None:
    """The same content in other files, as an editor writes it."""
    for path in (folder / "src").rglob("*.py"):
        other = path.with_suffix(".new")
        shutil.copy(path, other)
        other.replace(path)


def _replace_commit(folder: Path) -> None:
    git(folder, "commit", "-q", "--allow-empty", "-m", "another", "--no-edit")
    git(folder, "replace", "HEAD~1", "HEAD")
    git(folder, "reset", "-q", "--soft", "HEAD~1")


_EDIT = _append("src/sample/module.py", "x = 3\n")

GIT_MUTATIONS: dict[str, Callable[[Path], object]] = {
    "nothing at all": lambda _: None,
    "git status is run": _git("status"),
    "git describe is run": _git("describe", "--dirty"),
    "all files are touched": _touch_all,
    "all files are touched and git looks": _then(_touch_all, _git("status")),
    "files are written as they were": _copy_files,
    "an edit is taken back": _then(_EDIT, _git("checkout", "src/sample/module.py")),
    "a source is edited": _EDIT,
    "a file is there that git does not know": _write("src/sample/more.py", "n = 1\n"),
    "a file is there beside the package": _write("notes.txt", "n\n"),
    "an ignored file is there": _write("src/sample/more.ignored", "n\n"),
    "an ignored folder is there": _write("ignored/more.py", "n\n"),
    "an edit is staged": _then(_EDIT, _git("add", ".")),
    "an edit is staged and taken back": _then(_EDIT, _git("add", "."), _git("reset", "-q", "--hard")),
    "a new file is staged": _then(_write("src/sample/more.py", "n = 1\n"), _git("add", ".")),
    "a new file is meant to be staged": _then(_write("src/sample/more.py", "n = 1\n"), _git("add", "-N", ".")),
    "a file is tracked no more": _git("rm", "-q", "--cached", "src/sample/data.txt"),
    "a tracked file is removed": _remove("src/sample/data.txt"),
    "an edit is committed": _then(_EDIT, _git("commit", "-qam", "second")),
    "a commit is made of nothing": _git("commit", "-q", "--allow-empty", "-m", "second"),
    "the commit is amended": _git("commit", "-q", "--amend", "-m", "other"),
    "a light tag is made": _git("tag", "1.4.0"),
    "an annotated tag is made": _git("tag", "-am", "x", "1.4.0"),
    "another tag is made": _git("tag", "wip"),
    "the tag is removed": _git("tag", "-d", "1.2.0"),
    "the tag is moved": _then(_git("commit", "-q", "--allow-empty", "-m", "second"), _git("tag", "-fam", "x", "1.2.0")),
    "another branch is there": _git("checkout", "-qb", "other"),
    "another branch is made": _git("branch", "other"),
    "HEAD is detached": _git("checkout", "-q", "--detach"),
    "an edit is stashed": _then(_EDIT, _git("stash")),
    "core.abbrev is set": _git("config", "core.abbrev", "13"),
    "core.fileMode is set": _git("config", "core.fileMode", "false"),
    "core.abbrev is set by the user": lambda folder: _write("home/.gitconfig", "[core]\n\tabbrev = 13\n")(
        folder.parent
    ),
    "the user ignores more": lambda folder: _write("home/.config/git/ignore", "*.py\n")(folder.parent),
    "references are packed": _git("pack-refs", "--all"),
    "the repository is packed": _git("gc", "-q"),
    "an object is made": _git("commit-tree", "HEAD^{tree}", "-m", "nobody's"),
    "a commit is replaced": _replace_commit,
    "a remote is there": _then(_git("remote", "add", "origin", "."), _git("fetch", "-q", "origin")),
    "a .mailmap appears": _write(".mailmap", "Other <o@y> <x@y>\n"),
    ".gitattributes appears": _write(".gitattributes", "*.txt export-ignore\n"),
    "attributes of the repository appear": _write(".git/info/attributes", "*.txt export-ignore\n"),
    "the repository ignores more": _write(".git/info/exclude", "*.txt\n"),
    "a merge is under way": _write(".git/MERGE_HEAD", "0" * 40 + "\n"),
    "a file counts as unchanged and is edited": _then(
        _git("update-index", "--assume-unchanged", "src/sample/module.py"), _EDIT
    ),
    "a file is skipped and edited": _then(_git("update-index", "--skip-worktree", "src/sample/module.py"), _EDIT),
    "a repository is there inside": _git("init", "-q", "src/sample/inner"),
    "a repository is there between": _git("init", "-q", "src"),
    "a working tree is added": lambda folder: git(folder, "worktree", "add", "-q", str(folder / "ignored" / "tree")),
    "the repository is gone": lambda folder: shutil.rmtree(folder / ".git"),
    "the index is gone": _remove(".git/index"),
}
"""What happens to a repository; ``*.ignored`` and ``ignored`` are ignored in it. ``home`` beside it is the user's."""

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
