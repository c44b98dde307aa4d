"""The two repositories that the fixtures pin, made here and always the same.

Commits of a real host are out of reach where there is no way out. So the trees come from the index's sdists,
checked against the digests below, and git's plumbing writes them: no filter, no template, no configuration and no
umask has a say in the ids. ``python -m demo.repositories FOLDER`` makes them and prints the ids.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miniuv.errors import GitError
from miniuv.models.source import CommitId, Sha256

UPSTREAM = "https://github.com/StarfishStorage/"
"""Where the requirements of the fixtures point; ``insteadOf`` leads from here to loopback."""

_WHO_AND_WHEN = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "miniuv demo"), ("EMAIL", "demo@miniuv.invalid"), ("DATE", "1713312000 +0000"))
}
_BRANCH = "refs/heads/master"


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoProject:
    """One project that the fixtures require, and what its repository is made from."""

    name: str
    version: str
    sha256: Sha256
    """Of the sdist."""

    @property
    def sdist(self) -> str:
        """The file name on the index."""
        return f"{self.name}-{self.version}.tar.gz"

    @property
    def repository(self) -> str:
        """The folder's name below the server's root."""
        return f"{self.name}.git"


PROJECTS = (
    DemoProject(
        name="gunicorn",
        version="22.0.0",
        sha256=Sha256("4a0b436239ff76fb33f11c07a16482c521a7e09c1ce3cc293c2330afe01bec63"),
    ),
    DemoProject(
        name="python-swiftclient",
        version="4.6.0",
        sha256=Sha256("d4d18540413893fc16ad87791d740f823f763435e8212e68eb53d60da2638233"),
    ),
)


def make_repositories(root: Path, *, sdists: Mapping[str, Path], environ: Mapping[str, str]) -> dict[str, CommitId]:
    """Make the bare repository of each project below ``root``; return the commit of each by project name."""
    return {
        project.name: make_repository(
            sdists[project.name],
            root / project.repository,
            message=f"{project.name} {project.version}",
            tag=project.version,
            environ=environ,
        )
        for project in PROJECTS
    }


def make_repository(sdist: Path, repository: Path, *, message: str, tag: str, environ: Mapping[str, str]) -> CommitId:
    """Write the tree of ``sdist`` as the only commit of a new bare repository; return the commit's id."""
    import tempfile

    from miniuv.archive.sdist import unpack_sdist

    repository.parent.mkdir(parents=True, exist_ok=True)
    _git("init", "--quiet", "--bare", "--object-format=sha1", "--template=", str(repository), environ=environ)
    with tempfile.TemporaryDirectory(prefix="miniuv-demo-") as scratch:
        tree = _write_tree(repository, unpack_sdist(sdist, Path(scratch)), environ)
    commit = _git("commit-tree", "-m", message, tree, at=repository, environ=environ)
    _git("symbolic-ref", "HEAD", _BRANCH, at=repository, environ=environ)
    _git("update-ref", _BRANCH, commit, at=repository, environ=environ)
    _git("update-ref", f"refs/tags/{tag}", commit, at=repository, environ=environ)
    return CommitId(commit)


def _write_tree(repository: Path, top: Path, environ: Mapping[str, str]) -> str:
    files = sorted(path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    ids = _git(
        "hash-object",
        "-w",
        "--no-filters",
        "--stdin-paths",
        at=repository,
        stdin="".join(f"{path}\n" for path in files),
        environ=environ,
    ).split()
    blobs = dict(zip(files, ids, strict=True))

    def write(folder: Path) -> str | None:
        lines = []
        for child in sorted(folder.iterdir()):
            if child in blobs:
                mode = "100755" if child.stat().st_mode & 0o100 else "100644"
                lines.append(f"{mode} blob {blobs[child]}\t{child.name}\0")
            elif child.is_dir() and not child.is_symlink() and (tree := write(child)) is not None:
                lines.append(f"040000 tree {tree}\t{child.name}\0")
        if not lines:
            return None  # git knows no empty folders
        return _git("mktree", "-z", at=repository, stdin="".join(lines), environ=environ)

    written = write(top)
    if written is None:
        raise GitError("the sdist holds no file", where=str(top))
    return written


def _git(*arguments: str, environ: Mapping[str, str], at: Path | None = None, stdin: str = "") -> str:
    """Run git with nobody's configuration; return what it says."""
    environment = {
        **{name: value for name, value in environ.items() if not name.startswith("GIT_")},
        **_WHO_AND_WHEN,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
    }
    location = [] if at is None else [f"--git-dir={at}"]
    try:
        done = subprocess.run(
            ["git", *location, *arguments], input=stdin, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise GitError("there is no `git` on PATH", hint="install git 2.31 or newer") from error
    if done.returncode != 0:
        raise GitError(f"`git {arguments[0]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> None:
    """Make the repositories in the folder of the command line."""
    from demo.index_alone import load_index_alone
    from demo.sdists import fetch_sdists

    root = Path(sys.argv[1])
    settings = load_index_alone(os.environ, cache=root / "sdists", directory=Path.cwd())
    sdists = fetch_sdists(settings, environ=os.environ)
    for name, commit in make_repositories(root, sdists=sdists, environ=os.environ).items():
        print(f"{commit}  {UPSTREAM}{name}.git")


if __name__ == "__main__":
    main()
