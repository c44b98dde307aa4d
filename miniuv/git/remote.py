"""A repository's address: what git is given, what people see, and what two spellings have in common."""

import re
from hashlib import sha256
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from miniuv.errors import GitError
from miniuv.models.source import canonical_repository
from miniuv.models.url import Url, redact
from miniuv.values import dataclass, field, replace

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^]/]+\]|[^:/]+):(?P<path>.*)", re.DOTALL)
_KNOWN = ("https", "http", "ssh", "file", "git")
_USER, _PASSWORD = "MINIUV_GIT_USER", "MINIUV_GIT_PASSWORD"
_ANSWER = f'printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"'
_CREDENTIAL_HELPER = f'!f() {{ test "$1" != get || {_ANSWER}; }}; f'
"""gitcredentials(7): what git asks for a user and a password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """Where a repository is. Two remotes are equal when their ``identity`` is."""

    identity: str
    """One database for each; free of credentials."""
    shown: str = field(compare=False)
    """For people."""
    address: str = field(repr=False, compare=False)
    """What git is given; a password is taken out of it, so that no process list shows it."""
    protocol: str = field(compare=False)
    """As written, before the user's ``insteadOf``."""
    credentials: str | None = field(default=None, repr=False, compare=False)
    """``user:password``, percent-decoded."""

    @classmethod
    def of(cls, repository: Url) -> Self:
        """Return the remote that a requirement names."""
        address, credentials = _split_credentials(repository.reveal())
        return cls(
            identity=canonical_repository(repository),
            shown=repository.shown,
            address=address,
            protocol=repository.scheme,
            credentials=credentials,
        )

    @property
    def key(self) -> str:
        """A file name for it: readable, and different for every identity."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.identity.rpartition("/")[2]).strip("-")[:40]
        return f"{slug or 'repository'}-{sha256(self.identity.encode()).hexdigest()[:24]}"

    @property
    def settings(self) -> dict[str, str]:
        """Git settings by which the credentials are found for this host, and for none that a redirect leads to.

        No other helper is asked: it would keep them on the disk, or drop what it has of the user's own.
        """
        if not self.variables:
            return {}
        parts = urlsplit(self.address)
        return {"credential.helper": "", f"credential.{parts.scheme}://{parts.netloc}.helper": _CREDENTIAL_HELPER}

    @property
    def variables(self) -> dict[str, str]:
        """What goes with ``settings``: the credentials themselves, in the environment, which no process list shows."""
        if self.credentials is None or self.protocol not in ("https", "http"):
            return {}
        user, _, password = self.credentials.partition(":")
        return {_USER: user, _PASSWORD: password}

    def submodule(self, url: str) -> "Remote":
        """Return the remote of a submodule whose ``.gitmodules`` says ``url``; raises ``GitError``."""
        text = _relative(self.address, url) if url.startswith(("./", "../")) else url
        text = f"file://{text}" if text.startswith("/") else text
        protocol = protocol_of(text)
        # A repository must not lead us to files of this machine, nor to a weaker transport than its own.
        allowed = {"https", "ssh", *({self.protocol} & {"http", "file"})}
        if protocol not in allowed or not _is_plain(text):
            raise GitError(
                f"the submodule address `{redact(url)!r}` is not allowed",
                where=self.shown,
                hint=f"a submodule of a {self.protocol} repository must be reached by {' or '.join(sorted(allowed))}",
            )
        if not _SCHEME.match(text):
            return _scp_remote(text)
        remote = Remote.of(Url.parse(text.replace(" ", "%20")))
        same_host = urlsplit(text).netloc == urlsplit(self.address).netloc
        return replace(remote, credentials=self.credentials) if same_host and not remote.credentials else remote


def protocol_of(address: str) -> str | None:
    """Name the transport that git would use for ``address``; ``None`` for a remote helper or an unknown one."""
    if scheme := _SCHEME.match(address):
        name = scheme[1].lower()
        name = "ssh" if name in ("git+ssh", "ssh+git") else name
        return name if name in _KNOWN else None
    if _HELPER.match(address):
        return None
    return "ssh" if _SCP.fullmatch(address) else "file"


def _split_credentials(text: str) -> tuple[str, str | None]:
    parts = urlsplit(text)
    userinfo, _, host = parts.netloc.rpartition("@")
    if ":" not in userinfo or parts.scheme.lower() not in ("https", "http"):
        return text, None
    credentials = unquote(userinfo)
    if _CONTROL.search(credentials):
        raise GitError("the user or password of an address contains a control character", where=redact(text))
    return urlunsplit(parts._replace(netloc=host)), credentials


def _scp_remote(text: str) -> Remote:
    match = _SCP.fullmatch(text)
    assert match is not None, "protocol_of() said ssh"
    path = match["path"] if match["path"].startswith("/") else f"/~/{match['path']}"
    path = path.rstrip("/").removesuffix(".git")
    shown = redact(text)
    return Remote(identity=f"ssh://{match['host'].lower()}{path}", shown=shown, address=text, protocol="ssh")


def _relative(parent: str, url: str) -> str:
    """Resolve ``./`` and ``../`` as git does: against the parent's address as if it were a folder."""
    root = _SCHEME.match(parent)
    start = root.end() if root else 0
    base, rest = parent[start:].rstrip("/"), url
    while rest.startswith(("./", "../")):
        step, rest = rest.split("/", 1)
        if step == "..":
            cut = max(base.rfind("/"), -1 if root else base.rfind(":"))
            if cut < (0 if not root or parent.startswith("file:") else 1):
                raise GitError(f"the submodule address `{redact(url)}` leaves its host", where=redact(parent))
            separator = base[cut]
            base = base[:cut] + (":" if separator == ":" else "")
    joint = "" if base.endswith(":") else "/"
    return parent[:start] + base + joint + rest.rstrip("/")


def _is_plain(text: str) -> bool:
    """Refuse what git or ssh could take for an option, and characters that mean different things to each."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        return False
    rest = text[match.end() :] if (match := _SCHEME.match(text)) else text
    authority = re.split(r"[/]" if match else r"[:/]", rest, maxsplit=1)[0]
    return not any(part.startswith("-") for part in (rest, *authority.split("@"), *authority.split("@")[-1].split(":")))
