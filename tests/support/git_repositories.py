"""Git repositories made on the spot, always the same for the same contents, whoever's machine it is."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_BASE_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "tester",
    "GIT_AUTHOR_EMAIL": "tester@example.invalid",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "tester",
    "GIT_COMMITTER_EMAIL": "tester@example.invalid",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "LC_ALL": "C",
}


def git(*arguments: str, at: Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
    """Run git in ``at`` with nobody's configuration; return what it says, without blanks around it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],
        cwd=at,
        input=stdin,
        env={**variables, **_BASE_ENVIRONMENT, **(environment or {})},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)} failed: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode().strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class GitRepository:
    """A bare repository, to be served or to be named by ``git+file``."""

    path: Path

    @classmethod
    def create(cls, path: Path, *, object_format: str = "sha1") -> Self:
        """Make an empty one whose default branch is ``main``; ``path`` usually ends in ``.git``."""
        path.mkdir(parents=True)
        git("init", "--quiet", "--bare", f"--object-format={object_format}", "--template=", ".", at=path)
        git("symbolic-ref", "HEAD", "refs/heads/main", at=path)
        return cls(path=path)

    @property
    def url(self) -> str:
        """The ``file:`` address."""
        return self.path.as_uri()

    def commit(
        self,
        files: Mapping[str, str | bytes],
        *,
        branch: str = "main",
        message: str = "a commit",
        executable: Sequence[str] = (),
        links: Mapping[str, str] | None = None,
        submodules: Mapping[str, str] | None = None,
    ) -> str:
        """Commit exactly ``files`` onto ``branch``; return the commit's id.

        ``links`` are symbolic links by path; ``submodules`` map a path to a commit (``.gitmodules`` is a file like
        any other).
        """
        entries = []
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            blob = git("hash-object", "-w", "--no-filters", "--stdin", at=self.path, stdin=data)
            entries.append(f"{'100755' if name in executable else '100644'} blob {blob}\t{name}")
        for name, target in (links or {}).items():
            blob = git("hash-object", "-w", "--no-filters", "--stdin", at=self.path, stdin=target.encode())
            entries.append(f"120000 blob {blob}\t{name}")
        entries.extend(f"160000 commit {commit}\t{name}" for name, commit in (submodules or {}).items())
        index = {"GIT_INDEX_FILE": str(self.path / "index.made")}
        git(
            "update-index", "--add", "--index-info",
            at=self.path, stdin="".join(f"{entry}\n" for entry in entries).encode(), environment=index,
        )  # fmt: skip
        tree = git("write-tree", at=self.path, environment=index)
        (self.path / "index.made").unlink(missing_ok=True)
        parents = [argument for tip in self._tips(branch) for argument in ("-p", tip)]
        commit = git("commit-tree", *parents, "-m", message, tree, at=self.path)
        git("update-ref", f"refs/heads/{branch}", commit, at=self.path)
        return commit

    def tag(self, name: str, target: str = "main", *, annotated: bool = False) -> str:
        """Tag ``target``; return the id of what the tag's ref holds: the tag object where it is ``annotated``."""
        options = ["--annotate", "-m", name] if annotated else []
        git("tag", "--force", *options, name, target, at=self.path)
        return git("rev-parse", f"refs/tags/{name}", at=self.path)

    def head(self, branch: str = "main") -> str:
        """Return the commit that ``branch`` is at."""
        return git("rev-parse", f"refs/heads/{branch}", at=self.path)

    def _tips(self, branch: str) -> list[str]:
        return git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", at=self.path).split()


def project_files(
    name: str,
    version: str = "1.0",
    *,
    dependencies: Sequence[str] = (),
    optional_dependencies: Mapping[str, Sequence[str]] | None = None,
    prefix: str = "",
) -> dict[str, str]:
    """Return the files of a minimal setuptools project with static metadata, one module and no other needs.

    ``prefix`` (``packages/one/``) puts it in a subdirectory.
    """
    module = name.replace("-", "_").lower()
    lines = [
        "[build-system]",
        'requires = ["setuptools>=64"]',
        'build-backend = "setuptools.build_meta"',
        "",
        "[project]",
        f'name = "{name}"',
        f'version = "{version}"',
        f"dependencies = {_toml_list(dependencies)}",
    ]
    if optional_dependencies:
        lines += ["", "[project.optional-dependencies]"]
        lines += [f"{extra} = {_toml_list(requirements)}" for extra, requirements in optional_dependencies.items()]
    lines += ["", "[tool.setuptools]", f'py-modules = ["{module}"]', ""]
    return {f"{prefix}pyproject.toml": "\n".join(lines), f"{prefix}{module}.py": f'VERSION = "{version}"\n'}


def _toml_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "]"
