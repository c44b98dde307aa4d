"""Members are read as ``zipfile`` reads them, and refused where it would, by a reader of our own that is faster."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.archive import zip_file
from miniuv.archive.zip_file import checked_files, open_zip, read_parts, read_whole
from miniuv.errors import ArchiveError

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\:\0"), min_size=1, max_size=12).filter(
    lambda name: name.isprintable() and name not in (".", "..")
)
_MEMBERS = st.dictionaries(_NAMES, st.binary(max_size=3000) | st.just(b"a" * 5000), max_size=6)
_METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
_FEWER = settings(max_examples=40)


class _Unseekable(io.BytesIO):
    """Makes ``zipfile`` write sizes behind the data (a data descriptor)."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("not here")

    def tell(self) -> int:
        raise OSError("not here")


def _archive(path: Path, members: dict[str, bytes], method: int, *, streamed: bool = False) -> Path:
    target = _Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(target.getvalue())
    return path


def _read(path: Path) -> dict[str, bytes]:
    with open_zip(path, where=path.name) as archive:
        checked_files(archive, where=path.name)
        whole = {info.filename: read_whole(archive, info) for info in archive.infolist()}
        assert {info.filename: b"".join(read_parts(archive, info)) for info in archive.infolist()} == whole
        return whole


def _both_refuse(path: Path, match: str) -> None:
    """Neither way of reading relies on what was checked before."""
    for read in (read_whole, lambda archive, info: list(read_parts(archive, info))):
        with pytest.raises(ArchiveError, match=match), open_zip(path, where=path.name) as archive:
            read(archive, archive.infolist()[0])


@_FEWER
@given(members=_MEMBERS, method=_METHODS, streamed=st.booleans())
def test_every_member_is_what_was_written(
    tmp_path: Path, members: dict[str, bytes], method: int, *, streamed: bool
) -> None:
    path = _archive(tmp_path / "some.zip", members, method, streamed=streamed)

    with open_zip(path, where="some.zip") as archive:
        assert {info.filename: read_whole(archive, info) for info in archive.infolist()} == members


def test_an_extra_field_that_only_the_member_has_is_passed_over(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("one")
    info.extra = struct.pack("<HH60s", 0x5455, 60, b"x")
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"content")
        archive.infolist()[0].extra = b""  # of the directory at the end alone

    assert _read(path) == {"one": b"content"}


@_FEWER
@given(members=_MEMBERS, method=_METHODS, streamed=st.booleans(), step=st.integers(1, 6000))
def test_a_member_in_parts_is_what_it_is_as_a_whole(
    tmp_path: Path, members: dict[str, bytes], method: int, *, streamed: bool, step: int
) -> None:
    path = _archive(tmp_path / "some.zip", members, method, streamed=streamed)

    with pytest.MonkeyPatch.context() as patch, open_zip(path, where="some.zip") as archive:
        patch.setattr(zip_file, "COPY_CHUNK", step)
        parts = {info.filename: list(read_parts(archive, info)) for info in archive.infolist()}

    assert {name: b"".join(content) for name, content in parts.items()} == members
    assert all(len(part) <= step for content in parts.values() for part in content)


@_FEWER
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7), method=_METHODS, cut=st.booleans())
def test_of_a_damaged_archive_nothing_is_read_that_zipfile_would_not_read(
    tmp_path: Path, position: int, bit: int, method: int, *, cut: bool
) -> None:
    members = {"one": b"0123456789" * 30, "two": b"abc" * 50}
    path = _archive(tmp_path / "some.zip", members, method)
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1 << bit
    path.write_bytes(data[: position % len(data)] if cut else data)

    try:
        ours = _read(path)
    except ArchiveError:
        return
    with zipfile.ZipFile(path) as archive:
        assert ours == {info.filename: archive.read(info) for info in archive.infolist()}


def _directory_says(path: Path, old: bytes, new: bytes) -> Path:
    """Change the directory at the end alone."""
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    path.write_bytes(data[:start] + data[start:].replace(old, new))
    return path


def test_a_member_under_another_name_than_in_the_directory_is_refused(tmp_path: Path) -> None:
    path = _directory_says(_archive(tmp_path / "some.zip", {"one": b"x"}, zipfile.ZIP_STORED), b"one", b"two")

    _both_refuse(path, "another name")


def test_a_member_that_unpacks_to_more_than_announced_is_not_unpacked_whole(tmp_path: Path) -> None:
    path = _archive(tmp_path / "some.zip", {"one": bytes(50_000)}, zipfile.ZIP_DEFLATED)
    _directory_says(path, struct.pack("<L", 50_000), struct.pack("<L", 10))

    _both_refuse(path, "Bad size|CRC-32")


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "some.zip", {"one": b"content"}, zipfile.ZIP_STORED)
    _directory_says(path, struct.pack("<L", zlib.crc32(b"content")), struct.pack("<L", 1))

    _both_refuse(path, "CRC-32")


def test_bytes_behind_the_compressed_content_are_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "some.zip", {"one": b"content"}, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        packed = archive.infolist()[0].compress_size
    _directory_says(path, struct.pack("<LL", packed, 7), struct.pack("<LL", packed + 3, 7))

    _both_refuse(path, "Bad size|bytes behind")


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "some.zip", {"one": b"x" * 500, "two": b"y"}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as archive:
        second = archive.getinfo("two").header_offset
    _directory_says(path, struct.pack("<L", second), struct.pack("<L", 40))

    with pytest.raises(ArchiveError, match="overlaps"):
        _read(path)
