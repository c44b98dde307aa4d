"""What may follow ``#`` in a direct reference."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from miniuv.errors import RequirementError
from miniuv.models.url import redact

HASH_DIGITS = {"sha512": 128, "sha384": 96, "sha256": 64, "sha224": 56, "sha1": 40, "md5": 32}

KNOWN_KEYS = ("subdirectory", "egg", *HASH_DIGITS)


def parse_fragment(fragment: str, text: str, *, known: Sequence[str] = KNOWN_KEYS) -> dict[str, str]:
    """Split ``a=b&c=d``, percent-decoded; ``text`` is the whole reference, for messages."""
    found: dict[str, str] = {}
    for part in filter(None, fragment.split("&")):
        key, equals, value = part.partition("=")
        if key not in known:
            hint = (
                f"known are {', '.join(f'`#{name}=`' for name in known[:3])}"
                if equals
                else f"for a branch, tag or commit write `@{part}`"
            )
            raise RequirementError(f"`{redact(text)}`: `#{part}` is not understood", hint=hint)
        if key in found:
            raise RequirementError(f"`{redact(text)}`: `{key}=` is there twice", hint="leave one of them out")
        found[key] = unquote(value)
    return found


def parse_subdirectory(fragment: Mapping[str, str], text: str) -> str | None:
    """Read ``subdirectory=``: relative, ``/``-separated, inside the tree; ``None`` for its top."""
    value = fragment.get("subdirectory")
    if value is None:
        return None
    parts = value.strip("/").split("/")
    unsafe = value.startswith("/") or ".." in parts or "\\" in value or not value.isprintable()
    if unsafe or ".git" in (part.lower() for part in parts):
        shown = value if value.isprintable() else repr(value)
        raise RequirementError(
            f"`{redact(text)}`: `subdirectory={shown}` is no folder inside the project",
            hint="write a relative path without `..`",
        )
    return "/".join(part for part in parts if part not in ("", ".")) or None


def parse_hashes(fragment: Mapping[str, str], text: str) -> dict[str, str]:
    """Read the ``sha256=…`` and similar."""
    hashes = {}
    for algorithm, digits in HASH_DIGITS.items():
        value = fragment.get(algorithm)
        if value is None:
            continue
        if len(value) != digits or not re.fullmatch(r"[0-9a-fA-F]+", value):
            raise RequirementError(
                f"`{redact(text)}`: `{algorithm}={value}` is no {algorithm} of {digits} hex digits",
                hint=f"`{algorithm}sum FILE` prints it; or leave the hash out",
            )
        hashes[algorithm] = value.lower()
    return hashes
