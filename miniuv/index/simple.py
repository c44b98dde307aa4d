"""The Simple API: a page's bytes to its files; pure (PEP 503, 592, 629, 658, 691, 714)."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from miniuv.errors import MiniuvError, PackageIndexError
from miniuv.models.source import IndexFile
from miniuv.models.url import Url
from miniuv.values import dataclass

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_SCHEMES = ("http", "https", "file")
_SEPARATOR = re.compile(r"[/\\:]")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_HASH_NAMES = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s"})
_PLAIN_ADDRESS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*/[!-\"$-~]*")
"""What needs no further look: no user, no port, no fragment, nothing that is not printed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """A file that is not used, and why."""

    filename: str
    reason: str

    def __str__(self) -> str:
        return f"{self.filename}: {self.reason}"


class Listed(msgspec.Struct, array_like=True, frozen=True):
    """One file as a page lists it, checked, and in the form that is kept."""

    filename: str
    address: str
    """Absolute, without fragment."""
    hashes: dict[str, str]
    metadata_hashes: dict[str, str] | None
    requires_python: str | None
    yanked: str | None
    size: int | None

    def file(self, index: str) -> IndexFile:
        """The file, as found on ``index``."""
        return IndexFile(
            filename=self.filename,
            url=Url.parse(self.address),
            index=index,
            hashes=self.hashes,
            metadata_hashes=self.metadata_hashes,
            requires_python=self.requires_python,
            yanked=self.yanked,
            size=self.size,
        )


def parse_page(data: bytes, *, content_type: str, url: Url, index: str) -> "Page":
    """Read a project's page that came from ``url``; raises ``PackageIndexError`` where it is no such page."""
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    if media == JSON_TYPE or media == "application/json":
        links, skipped = _json_links(data, url)
        base = str(url)
    elif media in {"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"}:
        links, base = _html_links(data, parameters, url)
        skipped = []
    else:
        raise PackageIndexError(
            f"the answer is no package page but `{media or 'without a content type'}`",
            where=str(url),
            hint="is that the address of a Simple API (it usually ends in `/simple/`)?",
        )
    return Page(links, skipped, index=index, base=base, url=url)


class _SkippedError(Exception):
    """Why a link is not followed."""


class _Link(msgspec.Struct, rename="kebab"):
    """One file as JSON has it (PEP 691); an HTML link is brought into the same form."""

    filename: str
    url: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    core_metadata: bool | dict[str, str] | None = None
    data_dist_info_metadata: bool | dict[str, str] | None = None
    dist_info_metadata: bool | dict[str, str] | None = None
    yanked: bool | str = False
    size: int | None = None


class Page:
    """What an index says of one project; each link is looked at when somebody asks for it."""

    def __init__(self, links: Sequence[_Link], odd: Sequence[Rejection], *, index: str, base: str, url: Url) -> None:
        """``odd`` are the entries that are no links at all."""
        self.index = index
        self.count = len(links) + len(odd)
        """How many entries there are, of whatever kind."""
        self._links = links
        self._odd = odd
        self._base = base
        self._url = url

    @property
    def listed(self) -> tuple[Listed, ...]:
        """Everything that breaks no rule, in the page's order."""
        return self._sorted[0]

    @property
    def skipped(self) -> tuple[Rejection, ...]:
        """Links that break a rule."""
        return self._sorted[1]

    @functools.cached_property
    def files(self) -> tuple[IndexFile, ...]:
        """As ``listed``."""
        return tuple(each.file(self.index) for each in self.listed)

    def listed_as(self, is_wanted: Callable[[str], bool]) -> list[Listed]:
        """Those of ``listed`` whose file name is wanted, without a look at the others."""
        wanted = (link for link in self._links if is_wanted(link.filename))
        return [each for each in map(self._checked, wanted) if isinstance(each, Listed)]

    @functools.cached_property
    def _sorted(self) -> tuple[tuple[Listed, ...], tuple[Rejection, ...]]:
        checked = [self._checked(link) for link in self._links]
        listed = tuple(each for each in checked if isinstance(each, Listed))
        return listed, (*self._odd, *(each for each in checked if isinstance(each, Rejection)))

    def _checked(self, link: _Link) -> Listed | Rejection:
        try:
            return _listed(link, base=self._base, page=self._url)
        except _SkippedError as reason:
            return Rejection(filename=_printable(link.filename), reason=str(reason))


class _JsonPage(msgspec.Struct):
    files: list[_Link]
    meta: dict[str, Any] = {}


class _RawPage(msgspec.Struct):
    files: list[msgspec.Raw]
    meta: dict[str, Any] = {}


# Made at import, by one thread: msgspec looks a type over when it first decodes it, and two threads at that crash.
_PAGES = msgspec.json.Decoder(_JsonPage)
_RAW_PAGES = msgspec.json.Decoder(_RawPage)
_LINKS = msgspec.json.Decoder(_Link)


def _json_links(data: bytes, url: Url) -> tuple[list[_Link], list[Rejection]]:
    skipped: list[Rejection] = []
    try:
        try:
            page = _PAGES.decode(data)
            links, meta = page.files, page.meta
        except msgspec.ValidationError:
            # one odd entry must not hide the others
            raw = _RAW_PAGES.decode(data)
            links, meta = [], raw.meta
            for number, entry in enumerate(raw.files, start=1):
                try:
                    links.append(_LINKS.decode(entry))
                except msgspec.MsgspecError as error:
                    skipped.append(Rejection(filename=f"file {number}", reason=f"its entry is odd: {error}"))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise PackageIndexError(f"the package page is no JSON of the Simple API: {error}", where=str(url)) from error
    _check_version(str(meta.get("api-version", "1.0")), url)
    return links, skipped


def _check_version(version: str, url: Url) -> None:
    """Refuse what we cannot know.

    PEP 629: "If the Major version is greater than the expected version, clients MUST hard fail".
    """
    major = version.partition(".")[0]
    if not (major.isascii() and major.isdigit()) or int(major[:9]) > 1:
        raise PackageIndexError(
            f"the index speaks version {version[:20]!r} of the Simple API, and only 1.x is known",
            where=str(url),
            hint="use a newer miniuv",
        )


def _html_links(data: bytes, parameters: str, url: Url) -> tuple[list[_Link], str]:
    encoding = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip():
            encoding = value.strip().strip("\"'")
    try:
        text = data.decode(encoding, "replace")
    except (LookupError, ValueError):  # the second from codecs that are not for text of the network
        text = data.decode("utf-8", "replace")
    from miniuv.index.anchors import read_anchors  # most indexes speak JSON

    page = read_anchors(text)
    _check_version(page.version, url)
    base = _joined(str(url), page.base) if page.base else str(url)
    return [_html_link(anchor, base) for anchor in page.anchors], base


def _html_link(anchor: Mapping[str, str | None], base: str) -> _Link:
    href = (anchor["href"] or "").strip()
    address, _, fragment = href.partition("#")
    metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    yanked = (anchor["data-yanked"] or "") if "data-yanked" in anchor else False
    return _Link(
        filename=unquote(_joined(base, address).partition("?")[0].rpartition("/")[2]),
        url=address,
        hashes=_hash_pairs(fragment.replace("&", ";")),
        requires_python=anchor.get("data-requires-python"),
        core_metadata=_html_metadata(metadata),
        yanked=yanked,
    )


def _html_metadata(value: str | None) -> bool | dict[str, str] | None:
    """PEP 658: the value is ``<hash>=<digest>``, or ``true`` where no hash is given."""
    return None if value is None else _hash_pairs(value) or True


def _hash_pairs(text: str) -> dict[str, str]:
    pairs = (part.partition("=")[::2] for part in text.split(";"))
    return {name.lower(): digest for name, digest in pairs if name.lower() in _HASH_NAMES}


def _joined(base: str, address: str) -> str:
    if address.startswith("https://"):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return ""


def _listed(link: _Link, *, base: str, page: Url) -> Listed:
    check_filename(link.filename)
    address, hashes = link.url, link.hashes
    if not _PLAIN_ADDRESS.fullmatch(address):
        address, _, fragment = _joined(base, address).partition("#")
        _check_address(address, page)
        try:
            Url.parse(address)
        except MiniuvError as error:
            raise _SkippedError(error.message) from error
        hashes = {**_hash_pairs(fragment), **{name.lower(): value for name, value in hashes.items()}}
    return Listed(
        link.filename,
        address,
        _checked_hashes(hashes),
        _metadata_hashes(link),
        link.requires_python or None,
        None if link.yanked is False else "" if link.yanked is True else link.yanked,
        link.size if link.size is None or link.size >= 0 else None,
    )


def check_filename(filename: str) -> None:
    """Refuse a name that is more or less than one plain file name."""
    if not filename or filename in {".", ".."} or len(filename) > 255:
        raise _SkippedError("it is no file name")
    if not filename.isprintable() or _SEPARATOR.search(filename):
        raise _SkippedError("its name is no plain file name")


def _check_address(address: str, page: Url) -> None:
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError as error:
        raise _SkippedError(f"its address cannot be read: {error}") from error
    if scheme not in _SCHEMES:
        raise _SkippedError(f"its address has the scheme `{scheme}`")
    if scheme == "file" and page.scheme != "file":
        raise _SkippedError("a page of the network points to a file of this machine")
    if scheme == "http" and page.scheme == "https":
        raise _SkippedError("a page that came by https points to plain http")


def _checked_hashes(hashes: Mapping[str, str]) -> dict[str, str]:
    checked = {}
    for said, digest in hashes.items():
        name = said.lower()
        if name in _HASH_NAMES:
            if not _HEXADECIMAL.fullmatch(digest):
                raise _SkippedError(f"its {name} is no hash")
            checked[name] = digest.lower()
    return checked


def _metadata_hashes(link: _Link) -> dict[str, str] | None:
    """PEP 714: "If the new name is present, clients MUST ignore the old one"."""
    for said in (link.core_metadata, link.data_dist_info_metadata, link.dist_info_metadata):
        if said is not None:
            if said is False:
                return None
            return _checked_hashes(said) if isinstance(said, dict) else {}
    return None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text[:200])
