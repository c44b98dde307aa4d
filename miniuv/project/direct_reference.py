"""Direct references and paths: ``git+https://…@ref#subdirectory=…``, archive URLs, folders and files."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from miniuv.errors import RequirementError
from miniuv.models.source import ArchiveSource, DirectorySource, DirectSource
from miniuv.models.url import Url, redact
from miniuv.project.fragment import parse_fragment, parse_hashes, parse_subdirectory
from miniuv.project.git_reference import GIT_SCHEMES, parse_git_source, refuse_scp
from miniuv.project.pep508 import lower_first

ARCHIVE_SUFFIXES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_OTHER_SYSTEMS = ("hg", "svn", "bzr")


def parse_direct_source(text: str, *, base: Path, editable: bool = False) -> tuple[DirectSource, str | None]:
    """Read ``text``; paths start from ``base``. Also returns the name that an ``#egg=`` promises.

    Looks at the file system only to tell a folder from a file. Raises ``RequirementError``.
    """
    text = text.strip()
    refuse_scp(text)
    scheme = _scheme(text)
    if scheme is None:
        return _from_path(text, base=base, editable=editable), None
    if editable and scheme != "file":
        raise _no_remote_editable(text, scheme)
    try:
        if scheme.startswith("git+"):
            return parse_git_source(text)
        if scheme == "file":
            return _from_file_url(text, base=base, editable=editable)
        if scheme in ("http", "https"):
            return _from_archive_url(text)
    except ValueError as error:  # `urlsplit` refuses hosts such as `[`
        raise RequirementError(f"`{redact(text)}` is no valid URL: {lower_first(str(error))}") from error
    raise _unknown_scheme(text, scheme)


def looks_direct(text: str) -> bool:
    """Whether ``text`` can only be a URL or a path, not a name: it has a scheme, a slash or an archive's suffix."""
    bare = text.strip()
    if bare.startswith((".", "/", "~", "git+")) or _scheme(bare) is not None:
        return True
    head = re.split(r"[\s;@\[]", bare, maxsplit=1)[0]
    return "/" in head or "\\" in head or head.lower().endswith(ARCHIVE_SUFFIXES)


def _scheme(text: str) -> str | None:
    match = _SCHEME.match(text)
    if match and (text.startswith("//", match.end()) or match["scheme"].lower() == "file" or "+" in match["scheme"]):
        return match["scheme"].lower()
    return "git+" if text.startswith("git+") else None


def _from_path(text: str, *, base: Path, editable: bool) -> DirectSource:
    fragment: Mapping[str, str] = {}
    path = absolute_path(text, base)
    if "#" in text and not _exists(path):
        bare, _, rest = text.partition("#")
        fragment, path = parse_fragment(rest, text), absolute_path(bare, base)
    return _local(path, fragment, text, editable=editable)


def absolute_path(text: str, base: Path) -> Path:
    """Make ``text`` absolute without looking through symbolic links; ``~/`` is the user's own folder."""
    if "\0" in text:
        raise RequirementError(f"{text!r} is no path")
    if text == "~" or text.startswith("~/"):
        text = os.path.expanduser(text)
    return Path(os.path.abspath(base / text))


def _from_file_url(text: str, *, base: Path, editable: bool) -> tuple[DirectSource, str | None]:
    bare, _, rest = text.partition("#")
    fragment = parse_fragment(rest, text)
    parts = urlsplit(bare)
    if parts.netloc not in ("", "localhost"):
        raise RequirementError(
            f"`{text}` names the host `{redact(parts.netloc)}`: a file URL has none",
            hint=f"write `file:///` and an absolute path, or the path itself: `./{parts.netloc}{parts.path}`",
        )
    path = absolute_path(unquote(parts.path), base)
    return _local(path, fragment, text, editable=editable), fragment.get("egg")


def _local(path: Path, fragment: Mapping[str, str], text: str, *, editable: bool) -> DirectSource:
    subdirectory = parse_subdirectory(fragment, text)
    if _is_dir(path):
        folder = path / subdirectory if subdirectory else path
        if not _is_dir(folder):
            hint = "check `#subdirectory=`: it starts from the project's folder"
            raise RequirementError(f"`{text}`: there is no folder `{folder}`", hint=hint)
        return DirectorySource(path=folder, editable=editable)
    if editable:
        problem = "is a file" if _exists(path) else "does not exist"
        raise RequirementError(
            f"`{text}`: an editable must be a folder on this machine, and `{path}` {problem}",
            hint="name the folder that holds the project's `pyproject.toml`",
        )
    if not _exists(path):
        there = "" if text == str(path) else f": there is no `{path}`"
        raise RequirementError(
            f"`{text}` does not exist{there}", hint="check the path; it starts from the current folder"
        )
    if not path.name.lower().endswith(ARCHIVE_SUFFIXES):
        raise RequirementError(
            f"`{text}`: `{path.name}` is neither a project folder nor a wheel or sdist",
            hint=f"these are read: {', '.join(ARCHIVE_SUFFIXES)}",
        )
    return ArchiveSource(url=Url.parse(path.as_uri()), hashes=parse_hashes(fragment, text), subdirectory=subdirectory)


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than any path
        return False


def _from_archive_url(text: str) -> tuple[DirectSource, str | None]:
    bare, _, rest = text.partition("#")
    url = Url.parse(bare)
    host = urlsplit(url.shown).hostname
    if not host:
        raise RequirementError(f"`{url}` has no host", hint="write `https://HOST/PATH`, or `file:///PATH` for a file")
    source = ArchiveSource(url=url)
    if not source.filename.lower().endswith(ARCHIVE_SUFFIXES):
        raise RequirementError(
            f"`{url}` is no wheel or sdist: its name ends in none of {', '.join(ARCHIVE_SUFFIXES)}",
            hint="write a blank before the `;` of a marker"
            if ";" in bare
            else f"for a git repository write `git+{url}`",
        )
    fragment = parse_fragment(rest, text)
    return (
        ArchiveSource(url=url, hashes=parse_hashes(fragment, text), subdirectory=parse_subdirectory(fragment, text)),
        fragment.get("egg"),
    )


def _no_remote_editable(text: str, scheme: str) -> RequirementError:
    shown = redact(text)
    if not scheme.startswith("git+"):
        return RequirementError(
            f"`{shown}`: an editable must be a folder on this machine",
            hint="unpack it there and name the folder, or install it without `-e`",
        )
    try:
        source, hint = parse_git_source(text)
    except RequirementError as error:
        return error
    name = hint or unquote(source.repository.path.rstrip("/").rpartition("/")[2]).removesuffix(".git")
    checkout = f" --branch {source.ref}" if source.ref else ""
    return RequirementError(
        f"`{shown}`: an editable must be a folder on this machine, not a repository",
        hint=f"clone it first, then install the clone:\n  git clone{checkout} {source.repository} {name}\n"
        f"  miniuv pip install -e ./{name}",
    )


def _unknown_scheme(text: str, scheme: str) -> RequirementError:
    shown = redact(text)
    if scheme.partition("+")[0] in _OTHER_SYSTEMS:
        return RequirementError(
            f"`{shown}`: only git is supported, not `{scheme.partition('+')[0]}`",
            hint="check it out yourself, and install the folder",
        )
    if scheme in ("ssh", "git"):
        return RequirementError(
            f"`{shown}`: nothing is installed from a bare `{scheme}:` address",
            hint=f"write `git+{'https' if scheme == 'git' else scheme}{shown[len(scheme) :]}`",
        )
    return RequirementError(
        f"`{shown}` starts with `{scheme}:`, and nothing is fetched that way",
        hint=f"write one of {', '.join(f'`{known}:`' for known in (*GIT_SCHEMES, 'https', 'http', 'file'))}",
    )
