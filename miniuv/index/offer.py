"""What a page offers one target, worked out once and kept: most of a long page is for somebody else."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping

import msgspec
from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv import __version__
from miniuv.index.metadata_files import advertising_hosts
from miniuv.index.select import fitting, parse_version, rejected, sieve
from miniuv.index.simple import Listed, Page, Rejection
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import IndexFile

_FORM = 1
"""Another number, another form: older offers are worked out anew."""


class _Release(msgspec.Struct, array_like=True, frozen=True):
    version: str
    is_yanked: bool
    files: msgspec.Raw
    """Decoded for the few versions that are looked at."""


class _Offer(msgspec.Struct, array_like=True, frozen=True):
    listed: int
    """How many entries the page has, whether they fit or not."""
    advertising: list[str]
    """See ``advertising_hosts``."""
    releases: list[_Release]
    """Newest version first."""


# Made at import, by one thread: msgspec looks a type over when it first decodes it, and two threads at that crash.
_OFFERS = msgspec.msgpack.Decoder(_Offer)
_FILES = msgspec.msgpack.Decoder(list[Listed])
_ENCODER = msgspec.msgpack.Encoder()
_OFFERS.decode(_ENCODER.encode(_Offer(0, [], [_Release("1", False, msgspec.Raw(_ENCODER.encode([])))])))
_FILES.decode(_ENCODER.encode([Listed("", "", {}, {}, "", "", 1)]))


def offer_key(interpreter: Interpreter, *, no_build: bool, where: str) -> str:
    """Everything besides the page that an offer depends on; ``where`` is the page's address and kind."""
    asked = f"{_target(interpreter.tags, str(interpreter.version))} {no_build} {where}"
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


@functools.lru_cache(maxsize=8)
def _target(tags: tuple[str, ...], version: str) -> str:
    return hashlib.sha256(repr((tags, version, __version__, _FORM)).encode()).hexdigest()


def make_offer(page: Page, *, name: NormalizedName, interpreter: Interpreter, no_build: bool) -> bytes:
    """What of ``page`` fits, as bytes for ``read_offer``."""
    listed = page.listed_as(sieve(interpreter))
    releases = [
        _Release(str(release.version), release.is_yanked, msgspec.Raw(_ENCODER.encode(release.files)))
        for release in fitting(listed, name=name, interpreter=interpreter, no_build=no_build)
    ]
    return _ENCODER.encode(_Offer(page.count, sorted(advertising_hosts(listed)), releases))


def read_offer(
    data: bytes, *, name: NormalizedName, interpreter: Interpreter, no_build: bool, index: str, page: Callable[[], Page]
) -> "Offer | None":
    """What ``make_offer`` made; ``None`` where it is no such thing. ``page`` gives the whole page at need."""
    try:
        offer = _OFFERS.decode(data)
    except msgspec.MsgspecError:
        return None

    def rejections() -> tuple[Rejection, ...]:
        return rejected(page().listed, name=name, interpreter=interpreter, no_build=no_build)

    return Offer(offer, index=index, rejections=rejections)


class Offer:
    """A ``Selection`` that reads no more than it is asked for."""

    def __init__(self, offer: _Offer, *, index: str, rejections: Callable[[], tuple[Rejection, ...]]) -> None:
        """Made by ``read_offer``."""
        self._versions = _Versions(offer.releases, index)
        self.advertising = frozenset(offer.advertising)
        self.is_empty = not offer.listed
        self._yanked = any(release.is_yanked for release in offer.releases)
        self._work_out = rejections
        self._rejections: tuple[Rejection, ...] | None = None

    @property
    def versions(self) -> Mapping[Version, tuple[IndexFile, ...]]:
        """See ``Selection``."""
        return self._versions

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """See ``Selection``."""
        if self._rejections is None:
            self._rejections = self._work_out()
        return self._rejections

    def is_yanked(self, version: Version) -> bool:
        """See ``Selection``."""
        return self._yanked and self._versions.release(version).is_yanked


class _Versions(Mapping[Version, tuple[IndexFile, ...]]):
    """Versions and files, each read when somebody gets to it."""

    def __init__(self, releases: list[_Release], index: str) -> None:
        self._releases = releases
        self._index = index
        self._by_text = {release.version: release for release in releases}
        self._by_version: dict[Version, _Release] | None = None
        self._files: dict[str, tuple[IndexFile, ...]] = {}

    def release(self, version: Version) -> _Release:
        """The release of ``version``, however it is spelled; raises ``KeyError``."""
        if (known := self._by_text.get(str(version))) is not None:
            return known
        if self._by_version is None:
            self._by_version = {parse_version(release.version): release for release in self._releases}
        return self._by_version[version]

    def __getitem__(self, version: Version) -> tuple[IndexFile, ...]:
        release = self.release(version)
        known = self._files.get(release.version)
        if known is None:
            listed = _FILES.decode(release.files)
            known = self._files[release.version] = tuple(each.file(self._index) for each in listed)
        return known

    def __iter__(self) -> Iterator[Version]:
        return (parse_version(release.version) for release in self._releases)

    def __len__(self) -> int:
        return len(self._releases)
