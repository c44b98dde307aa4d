"""S3, S7, S8: archives that would take all memory, disk or time are refused early, whoever reads them first."""

import gzip
import lzma
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.archive.sdist import unpack_sdist
from miniuv.errors import ArchiveError
from tests.support.archives import tar_link, tar_member, write_tar, write_zip

_MEMORY = 512 * 2**20
_SECONDS = 20

_READ = """
import resource, sys
from pathlib import Path
from miniuv.archive.sdist import read_pkg_info, unpack_sdist
from miniuv.errors import ArchiveError
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
path = Path(sys.argv[1])
try:
    read_pkg_info(path)
except ArchiveError:
    pass
try:
    unpack_sdist(path, path.parent / "out")
except ArchiveError as error:
    print(error.message)
"""


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def with_size(block: bytes, field: bytes, *, at: int = 124) -> bytes:
    """The header ``block`` with another size, and the checksum that fits."""
    changed = bytearray(block)
    changed[at : at + 12] = field
    changed[148:156] = b" " * 8
    changed[148:156] = f"{sum(changed):06o}\0 ".encode()
    return bytes(changed)


def pax(content: bytes) -> bytes:
    return header("pax", b"x", len(content)) + content.ljust(-(-len(content) // 512) * 512, b"\0")


def pax_record(key: bytes, value: bytes) -> bytes:
    record = b" " + key + b"=" + value + b"\n"
    length = len(record) + 2
    return b"%d%s" % (length + (length > 99), record)


MINUS_512 = (256**12 - 512).to_bytes(12, "big")
PETABYTE = b"\x80" + (2**50).to_bytes(11, "big")
FIRST, LAST, END = header("thing-1.0/a.py", b"0", 0), header("thing-1.0/z.py", b"0", 0), bytes(1024)
LONG_NAME = header("././@LongLink", b"L", 14) + b"thing-1.0/abc\0".ljust(512, b"\0")
GLOBAL = header("pax", b"g", 13) + b"13 comment=a\n".ljust(512, b"\0")
BIG_PAX = pax(b"1000017 comment=" + b"a" * 1_000_000 + b"\n")


def tars() -> dict[str, Callable[[], bytes]]:
    found: dict[str, Callable[[], bytes]] = {
        "S7 a chain of pax headers": lambda: pax(b"13 comment=a\n") * 3000 + LAST,
        "S7 a chain of long names": lambda: LONG_NAME * 3000 + LAST,
        "S7 a chain of global headers": lambda: GLOBAL * 3000 + LAST,
        "S7 large pax headers before one member": lambda: BIG_PAX * 90 + LAST,
        "S7 a pax header of 1 GB": lambda: header("pax", b"x", 2**30) + bytes(2**20),
        "S7 a member of 1 PB": lambda: with_size(FIRST, PETABYTE),
        "S7 a sparse member of 1 PB": lambda: with_size(header("thing-1.0/s", b"S", 0), PETABYTE, at=483),
        "S7 a size of 1 PB in a pax header": lambda: pax(pax_record(b"size", b"%d" % 2**50)) + LAST,
        "S7 a sparse size of 1 PB in a pax header": (
            lambda: pax(pax_record(b"GNU.sparse.realsize", b"%d" % 2**50)) + LAST
        ),
        "S7 zeros without end": lambda: with_size(FIRST, b"%011o\0" % (7 * 2**30)) + bytes(300 * 2**20),
    }
    for kind in b"01235678xgLKSZ":
        name = f"S7 a negative size of kind {chr(kind)}"
        found[name] = lambda kind=kind: FIRST + with_size(header("thing-1.0/n", bytes([kind]), 0), MINUS_512)  # type: ignore[misc]
    return found


@pytest.fixture(scope="module")
def limited() -> Callable[[Path], str]:
    """Read an archive in a process with little memory and time; what the refusal says."""

    def read(path: Path) -> str:
        code = _READ.format(memory=_MEMORY, seconds=_SECONDS)
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout, "it was accepted"
        return done.stdout

    return read


@pytest.mark.parametrize("name", tars())
def test_a_header_that_asks_for_too_much_is_refused_in_little_memory_and_time(
    tmp_path: Path, limited: Callable[[Path], str], name: str
) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(tars()[name]() + END, compresslevel=1))
    limited(path)
    out = tmp_path / "out"
    assert sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) <= 128 * 2**20


def test_hard_links_count_what_they_take_on_the_disk(tmp_path: Path) -> None:
    links = [tar_link(f"thing-1.0/h{number}", "thing-1.0/x", tarfile.LNKTYPE) for number in range(9)]
    path = write_tar(tmp_path / "thing-1.0.tar.gz", [tar_member("thing-1.0/x", bytes(20 * 2**20)), *links])
    with pytest.raises(ArchiveError, match="decompression bomb"):
        unpack_sdist(path, tmp_path / "out")


def greedy_xz(content: bytes, *, dictionary: int) -> bytes:
    """An xz file that asks for a dictionary of another size (the xz format's own code for it)."""
    packed = bytearray(lzma.compress(content))
    size = (packed[12] + 1) * 4
    packed[packed.index(b"\x21\x01", 12) + 2] = dictionary
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(bytes(packed[12 : 12 + size - 4])))
    return bytes(packed)


def test_an_xz_file_that_asks_for_three_gigabytes_is_refused(tmp_path: Path, limited: Callable[[Path], str]) -> None:
    path = tmp_path / "thing-1.0.tar.xz"
    path.write_bytes(greedy_xz(FIRST + END, dictionary=39))
    assert "Memory usage limit exceeded" in limited(path)
    path.write_bytes(greedy_xz(FIRST + END, dictionary=26))
    assert unpack_sdist(path, tmp_path / "small").name == "thing-1.0"


def test_an_xz_file_may_have_several_streams_with_padding(tmp_path: Path) -> None:
    content = FIRST + header("thing-1.0/b", b"0", 300_000) + bytes(range(250)) * 1200 + bytes(32 + 1024)
    path = tmp_path / "thing-1.0.tar.xz"
    half = len(content) // 2
    path.write_bytes(lzma.compress(content[:half]) + bytes(8) + lzma.compress(content[half:]) + bytes(4))
    assert (unpack_sdist(path, tmp_path / "out") / "b").read_bytes() == bytes(range(250)) * 1200


@pytest.mark.parametrize("spoilt", ["cut", "junk"])
def test_a_broken_xz_file_is_refused(tmp_path: Path, spoilt: str) -> None:
    path = tmp_path / "thing-1.0.tar.xz"
    packed = lzma.compress(FIRST + END)
    path.write_bytes(packed[:-20] if spoilt == "cut" else packed + b"junkjunk")
    with pytest.raises(ArchiveError, match="intact"):
        unpack_sdist(path, tmp_path / "out")


def test_a_tar_without_the_mark_of_its_end_is_taken_for_truncated(tmp_path: Path) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(FIRST + LAST))
    with pytest.raises(ArchiveError, match="mark of its end"):
        unpack_sdist(path, tmp_path / "out")


def test_a_link_whose_target_is_longer_than_any_path_is_refused(tmp_path: Path) -> None:
    import zipfile

    long = write_tar(tmp_path / "thing-1.0.tar.gz", [tar_link("thing-1.0/l", "a/" * 3000 + "x")])
    link = zipfile.ZipInfo("thing-1.0/l")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    zipped = write_zip(tmp_path / "thing-1.0.zip", [(link, b"a" * 2**20)])
    for path in (long, zipped):
        with pytest.raises(ArchiveError, match="too long"):
            unpack_sdist(path, tmp_path / path.suffix)
