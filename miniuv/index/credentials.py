"""Who may see which host: the user and password of an address, by origin, or of ``.netrc``."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from miniuv.models.url import Url


def origin(address: str) -> str:
    """Scheme, host and port: the reach of a credential. The port is always there, so that spellings meet."""
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    port = parts.port or {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{(parts.hostname or '').lower()}" + (f":{port}" if port else "")


class Credentials:
    """Finds the user and password for an address; they are never shown."""

    def __init__(self, addresses: Iterable[Url] = (), *, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: dict[str, tuple[str, str]] = {}
        for address in addresses:
            if pair := _of(address.reveal()):
                # files usually lie behind the same login as the index that lists them
                self._known.setdefault(origin(address.shown), pair)
        self._netrc: dict[str, tuple[str, str]] | None = None
        self._guard = threading.Lock()

    def find(self, address: str) -> tuple[str, str] | None:
        """The address's own ones, else those known for its origin, else those of ``.netrc``."""
        if pair := _of(address):
            return pair
        if pair := self._known.get(origin(address)):
            return pair
        return self._from_netrc(urlsplit(address).hostname or "")

    def _from_netrc(self, host: str) -> tuple[str, str] | None:
        with self._guard:
            if self._netrc is None:
                self._netrc = _read_netrc(self._environ)
        return self._netrc.get(host, self._netrc.get("default"))


def netrc_file(environ: Mapping[str, str]) -> Path:
    """Where curl and pip look for passwords."""
    return Path(environ.get("NETRC") or Path(environ.get("HOME") or Path.home()) / ".netrc")


def _of(address: str) -> tuple[str, str] | None:
    userinfo, at, _ = urlsplit(address).netloc.rpartition("@")
    if not at or not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)


def _read_netrc(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    import netrc

    file = netrc_file(environ)
    if not file.is_file():
        return {}
    try:
        hosts = netrc.netrc(str(file)).hosts
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        return {}
    return {host: (login, password) for host, (login, _, password) in hosts.items() if login or password}
