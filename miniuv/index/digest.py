"""The hashes that an artifact was promised to have."""

import hashlib
from collections.abc import Mapping

from miniuv.errors import HashMismatchError
from miniuv.models.source import Sha256, as_sha256

_WEAK = frozenset({"md5", "sha1"})


def promised_sha256(hashes: Mapping[str, str]) -> Sha256 | None:
    """The promised SHA-256, by which the bytes can be found in the cache."""
    return as_sha256(hashes.get("sha256", "").lower())


def strong_promise(hashes: Mapping[str, str]) -> str | None:
    """A promise that only one artifact can keep, as ``sha512:…``; ``None`` where there is none."""
    strong = sorted(name for name in hashes if name not in _WEAK and name in hashlib.algorithms_guaranteed)
    return f"{strong[-1]}:{hashes[strong[-1]].lower()}" if strong else None


class Digester:
    """Hashes bytes as they stream by: SHA-256, and every algorithm that a promise names."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """Raises ``HashMismatchError`` where nothing that was promised can be checked."""
        self._promised = {name.lower(): digest.lower() for name, digest in hashes.items()}
        known = [name for name in sorted(self._promised) if name in hashlib.algorithms_guaranteed]
        if self._promised and not known:
            raise HashMismatchError(f"no known hash algorithm among: {', '.join(sorted(self._promised))}")
        self._hashers = {
            name: hashlib.new(name, usedforsecurity=False)
            for name in {"sha256", *known}
            if not name.startswith("shake")
        }

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for hasher in self._hashers.values():
            hasher.update(chunk)

    def check(self, *, filename: str, where: str) -> Sha256:
        """Compare with what was promised; raises ``HashMismatchError``."""
        for name, hasher in sorted(self._hashers.items()):
            promised = self._promised.get(name)
            if promised is not None and hasher.hexdigest() != promised:
                raise HashMismatchError(
                    f"`{filename}` has the {name} {hasher.hexdigest()}, and {promised} was promised",
                    where=where,
                    hint="the file was changed, or the hash is wrong: do not install it before you know which",
                )
        return Sha256(self._hashers["sha256"].hexdigest())
