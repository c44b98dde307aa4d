"""Addresses that may carry a secret, and never show it."""

import re
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from miniuv.errors import RequirementError
from miniuv.values import dataclass, field

_USERINFO = re.compile(r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]*://)(?P<userinfo>[^/?#\s'\"<>]*)@")
"""Looked for once in each word, or a long one would take a time that grows with the square of its length."""
_SECRET_PARAMETER = re.compile(
    r"(?P<key>[?&;](?:[\w-]*token|access_key|api_?key|password|secret|sig|signature|auth)=)[^&#\s'\"]+",
    re.IGNORECASE,
)
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")
HIDDEN = "****"
"""What stands for a secret."""
_HARMLESS_USERS = ("", "git")


def redact(text: str) -> str:
    """Replace every credential in the addresses within ``text`` by ``****``; ``git@`` of ssh stays."""

    def hide(match: re.Match[str]) -> str:
        userinfo = match["userinfo"]
        if userinfo in _HARMLESS_USERS:
            return match[0]
        return f"{match['scheme']}{HIDDEN}@"

    return _SECRET_PARAMETER.sub(lambda match: f"{match['key']}{HIDDEN}", _USERINFO.sub(hide, text))


@dataclass(frozen=True, slots=True)
class Url:
    """An address. ``str()`` is safe to show; ``reveal()`` is for the one who connects.

    Two addresses are equal when they name the same place, whoever's credentials they carry.
    """

    shown: str
    """Without credentials."""
    secret: str = field(repr=False, compare=False)
    """As the user wrote it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text``; raises ``RequirementError`` where it is no address."""
        if _BLANK_OR_CONTROL.search(text):
            raise RequirementError(f"`{redact(text)!r}` is no URL: it contains a blank or a control character")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise RequirementError(f"`{redact(text)}` is no URL: {error}") from error
        if not parts.scheme:
            raise RequirementError(f"`{redact(text)}` is no URL: it has no scheme")
        return cls(shown=_without_credentials(text), secret=text)

    def reveal(self) -> str:
        """The address with its credentials."""
        return self.secret

    @property
    def scheme(self) -> str:
        """Lower case: ``https``, ``git+ssh``."""
        return urlsplit(self.shown).scheme.lower()

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return urlsplit(self.shown).path

    def __str__(self) -> str:
        return self.shown


def _without_credentials(text: str) -> str:
    parts = urlsplit(text)
    userinfo, at, host = parts.netloc.rpartition("@")
    if at and userinfo not in _HARMLESS_USERS:
        user, colon, _ = userinfo.partition(":")
        # PEP 610: "the user:password part of the URL MUST be stripped"; ssh needs its user to mean the same place.
        parts = parts._replace(netloc=f"{user}@{host}" if parts.scheme.lower().endswith("ssh") and user else host)
        del colon
    return _SECRET_PARAMETER.sub(lambda match: f"{match['key']}{HIDDEN}", urlunsplit(parts))
