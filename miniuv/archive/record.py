"""RECORD, a wheel's own list of its files (https://packaging.python.org/specifications/recording-installed-packages/)."""

import binascii
import csv
from collections.abc import Iterable

import msgspec

from miniuv.archive.member import shown
from miniuv.archive.rules import Rules
from miniuv.errors import ArchiveError

# The wheel specification: "sha256 or better"; "The RECORD.jws and RECORD.p7s files cannot ... be listed".
_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")


class RecordLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What RECORD promises of one file."""

    algorithm: str
    digest: bytes
    size: int | None
    """``None`` where the column is empty, which old tools wrote."""


def is_unlisted(path: str, dist_info: str) -> bool:
    """Whether ``path`` is RECORD itself or a signature of it, which have no promise."""
    folder, _, name = path.rpartition("/")
    return folder == dist_info and name in _UNLISTED


def parse_record(data: bytes, *, dist_info: str, rules: Rules) -> dict[str, RecordLine]:
    """Read a wheel's RECORD; raises ``ArchiveError`` for anything but one good hash for each path."""
    where = rules.where
    try:
        rows = list(csv.reader(data.decode("utf-8").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArchiveError(f"RECORD cannot be read: {error}", where=where) from error
    lines: dict[str, RecordLine] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != 3:
            rules.broken("record", f"RECORD has a line of {len(row)} columns instead of 3: {shown(','.join(row))}")
            continue
        path, promise, size = row
        path = path.replace("\\", "/").removeprefix("./")
        if is_unlisted(path, dist_info) or (path.endswith(f"/{dist_info}/RECORD") and not promise and not size):
            continue  # itself; gmsh has it by the path that it had where it was built
        line = _line(path, promise, size, rules)
        if line is None:
            continue
        if lines.setdefault(path, line) != line:
            raise ArchiveError(f"RECORD lists {shown(path)} twice, with different hashes", where=where)
    return lines


def check_members(lines: dict[str, RecordLine], files: Iterable[str], *, dist_info: str, rules: Rules) -> None:
    """Compare RECORD with the files that are there: each is listed, and none is listed that is not there."""
    present = set(files)
    missing = sorted(lines.keys() - present)
    if missing:
        rules.broken("record", f"RECORD lists {shown(missing[0])}, which is not in the wheel{_more(missing)}")
    unlisted = sorted(path for path in present - lines.keys() if not is_unlisted(path, dist_info))
    if unlisted:
        rules.broken("record", f"RECORD does not list {shown(unlisted[0])}{_more(unlisted)}")


def _line(path: str, promise: str, size: str, rules: Rules) -> RecordLine | None:
    """What a line promises; ``None`` where it promises too little and that is allowed."""
    algorithm, _, encoded = promise.partition("=")
    if algorithm not in _DIGEST_BYTES:
        problem = f"with the hash `{algorithm}`" if algorithm else "without a hash"
        known = ", ".join(sorted(_DIGEST_BYTES))
        rules.broken("record", f"RECORD lists {shown(path)} {problem}; one of {known} is required")
        return None
    try:
        digest = _decoded(encoded, _DIGEST_BYTES[algorithm])
    except (binascii.Error, ValueError) as error:
        raise rules.refuse(f"RECORD has an unreadable hash for {shown(path)}") from error
    if len(digest) != _DIGEST_BYTES[algorithm] or not (
        size == "" or (size.isascii() and size.isdigit() and len(size) < 20)
    ):
        raise rules.refuse(f"RECORD has an unreadable hash or size for {shown(path)}")
    return RecordLine(algorithm=algorithm, digest=digest, size=int(size) if size else None)


def _decoded(encoded: str, size: int) -> bytes:
    if len(encoded) == 2 * size:  # hexadecimal instead of base64: some published wheels have it (gmsh)
        return binascii.a2b_hex(encoded)
    return binascii.a2b_base64(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4))


def _more(paths: list[str]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
