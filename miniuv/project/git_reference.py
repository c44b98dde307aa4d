"""``git+https://host/org/repo.git@ref#subdirectory=dir``, with everything refused that git could misread."""

import os
import re
from urllib.parse import unquote, urlsplit, urlunsplit

from miniuv.errors import RequirementError
from miniuv.models.source import GitSource
from miniuv.models.url import Url, redact
from miniuv.project.fragment import parse_fragment, parse_subdirectory

GIT_SCHEMES = ("git+https", "git+http", "git+ssh", "git+file")

# git-check-ref-format(1), "these rules", without the ones that only matter to its own porcelain.
_BAD_REF = re.compile(r"^[-/]|[/.]$|\.lock(?:/|$)|\.\.|//|(?:^|/)\.|@\{|[\x00-\x20\x7f~^:?*\[\\]|\ufffd|^@$")
# scp's `user@host:path`, also where it got stuck behind `git+` or `ssh://`; a number after the colon is a port.
_SCP = re.compile(
    r"(?P<prefix>(?:git\+)?(?:ssh://)?)(?P<user>[\w.-]+@)?(?P<host>\w[\w.-]*):"
    r"(?P<path>(?!//|-|\d+(?:/|$))[^\s:@]+(?P<ref>@[^\s:]*)?)"
)
_KNOWN_KEYS = ("subdirectory", "egg")


def parse_git_source(text: str) -> tuple[GitSource, str | None]:
    """Read a ``git+…`` reference, and the name that its ``#egg=`` promises. Raises ``RequirementError``."""
    bare, _, rest = text.partition("#")
    _check_scheme(bare)
    fragment = parse_fragment(rest, text, known=_KNOWN_KEYS)
    address, ref = _split_ref(Url.parse(bare[len("git+") :]).reveal())
    _check_address(address)
    source = GitSource(
        repository=Url.parse(address),
        ref=None if ref is None else _checked_ref(ref, text),
        subdirectory=parse_subdirectory(fragment, text),
    )
    return source, fragment.get("egg")


def scp_rewrite(text: str) -> str | None:
    """Turn git's short form ``git@host:org/repo`` into a URL; ``None`` where ``text`` is something else."""
    match = _SCP.match(text)
    if match is None or not (match["prefix"] or match["user"]):
        return None
    if not match["user"] and "." not in match["host"]:
        return None
    if match["prefix"].endswith("//") and match["path"].startswith("/"):
        return None
    return f"git+ssh://{match['user'] or 'git@'}{match['host']}/{match['path'].lstrip('/')}"


def refuse_scp(text: str) -> None:
    """Raise ``RequirementError`` with the URL to write, where ``text`` is git's short form."""
    rewritten = scp_rewrite(text)
    if rewritten is not None:
        raise RequirementError(
            f"`{redact(text)}` is git's short form, which is no URL (PEP 508)", hint=f"write `{rewritten}`"
        )


def _check_scheme(text: str) -> None:
    refuse_scp(text)
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() not in GIT_SCHEMES or not rest.startswith("//"):
        expected = ", ".join(f"`{known}://`" for known in GIT_SCHEMES)
        path = text.removeprefix("git+")
        hint = f"write one of {expected}"
        if path.startswith(("/", ".", "~")):
            absolute = os.path.abspath(os.path.expanduser(path))
            hint = f"write `git+file://{absolute}` for a repository on this machine"
        raise RequirementError(f"`{redact(text)}` does not say how the repository is reached", hint=hint)


def _split_ref(address: str) -> tuple[str, str | None]:
    parts = urlsplit(address)
    path, at, ref = parts.path.partition("@")
    if not at:
        return address, None
    if "@" in ref:
        raise RequirementError(
            f"`git+{redact(address)}` has two `@` in its path", hint="write `%40` for an `@` that belongs to a name"
        )
    return urlunsplit(parts._replace(path=path)), ref


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    shown = f"git+{redact(address)}"
    try:
        host, user = parts.hostname or "", unquote(parts.username or "")
    except ValueError as error:
        raise RequirementError(f"`{shown}` is no URL: {error}") from error
    if parts.scheme.lower() == "file":
        if parts.netloc not in ("", "localhost"):
            raise RequirementError(f"`{shown}` names a host: a file URL has none", hint="write `git+file:///…`")
    elif not host:
        raise RequirementError(f"`{shown}` has no host")
    if host.startswith("-") or user.startswith("-") or unquote(host).startswith("-"):
        raise RequirementError(f"`{shown}` has a host or user that starts with `-`")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in unquote(address)):
        raise RequirementError(f"`{shown}` contains an encoded control character")
    if not unquote(parts.path).strip("/"):
        raise RequirementError(
            f"`{shown}` names no repository", hint="write `%40` for an `@` that belongs to the repository's name"
        )


def _checked_ref(quoted: str, text: str) -> str:
    ref = unquote(quoted)
    if not ref:
        raise RequirementError(f"`{redact(text)}` has nothing after its `@`", hint="name a branch, tag or commit")
    if ";" in quoted:
        raise RequirementError(f"`{redact(text)}`: `;` in a ref", hint="write a blank before the `;` of a marker")
    if _BAD_REF.search(ref):
        shown = ref if ref.isprintable() else repr(ref)
        raise RequirementError(f"`{redact(text)}`: `{shown}` cannot be the name of a branch, tag or commit")
    return ref
