"""Every wheel here is refused with one line that names the file and the rule, before anything is published."""

import contextlib
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.archive import member as limits
from miniuv.archive.record import parse_record
from miniuv.archive.rules import Rules
from miniuv.archive.scripts import read_entry_points
from miniuv.archive.wheel import load_unpacked, read_wheel_metadata, unpack_wheel
from miniuv.errors import ArchiveError
from miniuv.models.source import Sha256
from miniuv.settings.options import WheelRule
from tests.support.archives import record_hash, record_text, wheel_members, write_wheel, write_zip
from tests.support.raw_zip import Entry, raw_zip

INFO = "thing-1.0.dist-info"
_GROUP = b"[console_scripts]\n"
_ENTRY_LETTERS = "ab.:-[]()= \n;'#%\t\\x"
_PATHS = ("thing.py", "../x", "", "a b", '"x', "\0", f"{INFO}/RECORD")
_PROMISES = (record_hash(b"x"), record_hash(b"x")[:-3], "sha256=", "md5=AAAA", "", "=", "sha256=\u00e9")


def refusal(wheel: Path, filename: str | None = None) -> str:
    entry = wheel.parent / "cache" / "entry"
    entry.mkdir(parents=True)
    before = {path for path in wheel.parent.rglob("*") if not path.is_relative_to(entry)}
    with pytest.raises(ArchiveError) as caught:
        unpack_wheel(wheel, filename=filename or wheel.name, digest=Sha256("0" * 64), entry=entry)
    assert caught.value.where == (filename or wheel.name)
    assert load_unpacked(entry) is None
    assert {path for path in wheel.parent.rglob("*") if not path.is_relative_to(entry)} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../../evil.py", "leaves its folder"),
        ("thing/../../evil.py", "leaves its folder"),
        ("/tmp/evil.py", "absolute path"),
        ("..\\..\\evil.py", "backslash"),
        ("C:evil.py", "colon"),
        ("thing/file:stream", "colon"),
        ("thing/./evil.py", "empty part"),
        ("thing//evil.py", "empty part"),
        ("thing/new\nline.py", "control character"),
        ("thing/" + "x" * 256, "longer than 255"),
        ("/".join(["d" * 100] * 11), "longer than 1024"),
        ("thing-1.0.data/data/../../../evil", "leaves its folder"),
        ("thing-1.0.data/bogus/file", "no known scheme"),
        ("thing-1.0.data/file", "no known scheme"),
        ("other-1.0.data/data/file", "not of `thing`"),
        ("thing-1.0.data/scripts/python", "interpreter"),
        ("thing-1.0.data/scripts/python3.12", "interpreter"),
        ("other-1.0.dist-info/METADATA", "2 `.dist-info` folders"),
        ("THING.py", "differs only in case"),
        ("thing.py/inner.py", "a file and a folder"),
    ],
)
def test_a_member_with_an_unsafe_name(tmp_path: Path, name: str, rule: str) -> None:
    members = {**wheel_members(), name: b"evil"}
    assert rule in refusal(write_wheel(tmp_path, members))


def test_names_that_differ_only_in_how_accents_are_composed(tmp_path: Path) -> None:
    members = {**wheel_members(), "caf\u00e9.py": b"1", "cafe\u0301.py": b"2"}
    assert "case or accents" in refusal(write_wheel(tmp_path, members))


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wheel = write_wheel(tmp_path, extra=[("thing.py", b"other\n")])
    assert "is there twice" in refusal(wheel)


def spoil_hash(text: bytes) -> bytes:
    return text.replace(record_hash(b"x = 1\n").encode(), record_hash(b"x = 2\n").encode())


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (spoil_hash, "does not have the hash"),
        (lambda text: text.replace(b",6\n", b",7\n"), "does not have the size"),
        (lambda text: text.replace(b"thing.py", b"thong.py"), "`thong.py`, which is not in the wheel"),
        (lambda text: b"\n".join(text.split(b"\n")[1:]), "does not list `thing.py`"),
        (lambda text: text + b"../../../etc/passwd,sha256=AAAA,1\n", "unreadable hash"),
        (lambda text: text + f"../../victim,{record_hash(b'')},0\n".encode(), "not in the wheel"),
        (lambda text: text.replace(b"sha256=", b"md5="), "`md5`"),
        (lambda text: text.replace(record_hash(b"x = 1\n").encode(), b""), "without a hash"),
        (lambda text: text.replace(b",6\n", b",6,more\n"), "4 columns"),
        (lambda text: text + b"\xff\xfe,,\n", "cannot be read"),
        (lambda text: text.replace(b",6\n", b",six\n"), "unreadable"),
        (lambda text: b"", "is empty"),
        (lambda text: text + f"thing.py,{record_hash(b'?')},1\n".encode(), "twice"),
    ],
    ids=range(13),
)
def test_a_record_that_does_not_agree(tmp_path: Path, spoil: Callable[[bytes], bytes], rule: str) -> None:
    assert rule in refusal(write_wheel(tmp_path, record=spoil))


@pytest.mark.parametrize("missing", ["RECORD", "WHEEL", "METADATA"])
def test_a_wheel_without_one_of_its_own_files(tmp_path: Path, missing: str) -> None:
    members = wheel_members()
    members[f"{INFO}/RECORD"] = record_text(members, INFO)
    del members[f"{INFO}/{missing}"]
    wheel = write_zip(tmp_path / "thing-1.0-py3-none-any.whl", members.items())
    assert f"has no `{INFO}/{missing}`" in refusal(wheel)


def test_a_wheel_without_dist_info(tmp_path: Path) -> None:
    assert "no `.dist-info`" in refusal(write_zip(tmp_path / "thing-1.0-py3-none-any.whl", [("thing.py", b"")]))


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        (b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n", "is of `other`"),
        (b"Metadata-Version: 2.1\nName: thing\nVersion: 2.0\n", "is of version `2.0`"),
        (b"Metadata-Version: 2.1\nName: thing\nVersion: junk\n", "is of version `junk`"),
        (b"Metadata-Version: 2.1\n\nName: thing\nVersion: 1.0\n", "is of ``"),
    ],
)
def test_metadata_of_something_else(tmp_path: Path, metadata: bytes, rule: str) -> None:
    assert rule in refusal(write_wheel(tmp_path, wheel_members(metadata=metadata)))


@pytest.mark.parametrize(
    ("wheel", "rule"),
    [(b"Wheel-Version: 2.0\n", "format 2.0"), (b"\n", "is empty"), (b"Tag: x\n", "no `Wheel-Version`")],
)
def test_a_wheel_file_of_another_format(tmp_path: Path, wheel: bytes, rule: str) -> None:
    assert rule in refusal(write_wheel(tmp_path, wheel_members(wheel=wheel)))


def test_a_minor_version_from_the_future_is_fine(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, wheel_members(wheel=b"Wheel-Version: 1.9\n"))
    (tmp_path / "entry").mkdir()
    unpack_wheel(wheel, filename=wheel.name, digest=Sha256("0" * 64), entry=tmp_path / "entry")


@pytest.mark.parametrize(
    "filename", ["thing.whl", "thing-1.0.whl", "thing-junk-py3-none-any.whl", "../x-1-py3-none-any.whl"]
)
def test_a_file_name_that_is_none_of_a_wheel(tmp_path: Path, filename: str) -> None:
    assert "no valid wheel file name" in refusal(write_wheel(tmp_path), filename)


@pytest.mark.parametrize(
    "line",
    [
        "../../x = thing:main",
        ".. = thing:main",
        ". = thing:main",
        "a/b = thing:main",
        "python = thing:main",
        "Python3.12 = thing:main",
        "x = thing:x;import os",
        "x = thing",
        "x = thing:",
        "x = :main",
        "x = thing:main()",
        "x = thing:'quoted'",
        "x = thing:main\n  and.more",
    ],
)
def test_an_entry_point_that_is_no_plain_script(tmp_path: Path, line: str) -> None:
    members = {**wheel_members(), f"{INFO}/entry_points.txt": f"[console_scripts]\n{line}\n".encode()}
    assert "script" in refusal(write_wheel(tmp_path, members)).replace("entry point", "script")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"no section = here", b"[console_scripts\nx = y:z"])
def test_entry_points_that_cannot_be_read(tmp_path: Path, text: bytes) -> None:
    assert "entry_points.txt cannot be read" in refusal(
        write_wheel(tmp_path, {**wheel_members(), f"{INFO}/entry_points.txt": text})
    )


@pytest.mark.parametrize(
    ("mode", "rule"),
    [(0o120777, "symbolic link"), (0o020666, "neither a file"), (0o010644, "neither a file"), (0o040755, "a folder")],
)
def test_a_member_that_is_no_regular_file(tmp_path: Path, mode: int, rule: str) -> None:
    info = zipfile.ZipInfo("thing/odd")
    info.external_attr = mode << 16
    line = f"thing/odd,{record_hash(b'/etc/passwd')},11\n".encode()
    assert rule in refusal(write_wheel(tmp_path, record=lambda text: text + line, extra=[(info, b"/etc/passwd")]))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_wheels_do_not_have(tmp_path: Path, method: int) -> None:
    wheel = write_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a", method) as archive:
        archive.writestr("thing/packed", b"x")
    assert "is compressed by method" in refusal(wheel)


def test_an_encrypted_member(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    data = bytearray(wheel.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    wheel.write_bytes(data)
    assert "is encrypted" in refusal(wheel)


def test_bytes_before_the_zip(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    wheel.write_bytes(b"#!/bin/sh\n" + wheel.read_bytes())
    assert "before its first member" in refusal(wheel)


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"PK\x03\x04", b"\x1f\x8b" + bytes(100)])
def test_a_file_that_is_no_zip(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    assert "no intact zip file" in refusal(wheel)
    with pytest.raises(ArchiveError):
        read_wheel_metadata(wheel)


@pytest.mark.parametrize("place", [2**63, 2**64 - 1])
def test_metadata_at_a_place_that_no_file_has(tmp_path: Path, place: int) -> None:
    far = struct.pack("<HHQ", 1, 8, place)
    entry = Entry(name=f"{INFO}/METADATA".encode(), central={"offset": 0xFFFFFFFF}, central_extra=far)
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(raw_zip([entry]))
    with pytest.raises(ArchiveError, match="no intact zip file"):
        read_wheel_metadata(wheel)
    assert refusal(wheel)
    prefixed: frozenset[WheelRule] = frozenset({"zip-prefix"})
    with pytest.raises(ArchiveError, match="no intact zip file"):
        unpack_wheel(wheel, filename=wheel.name, digest=Sha256("0" * 64), entry=tmp_path, allowed=prefixed)


def test_a_truncated_wheel_and_one_with_a_flipped_byte(tmp_path: Path) -> None:
    whole = write_wheel(tmp_path, wheel_members(files={"thing.py": bytes(range(256)) * 50})).read_bytes()
    wheel = tmp_path / "sub" / "thing-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(whole[: len(whole) // 2])
    assert refusal(wheel)
    flipped = bytearray(whole)
    flipped[60] ^= 0x55
    other = tmp_path / "other" / wheel.name
    other.parent.mkdir()
    other.write_bytes(flipped)
    assert refusal(other)


def test_a_decompression_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    size = limits.SUSPICIOUS_BYTES + 1
    members = wheel_members(files={"zeros": bytes(size)})
    assert "decompression bomb" in refusal(write_wheel(tmp_path, members))


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ENTRIES", 3)
    assert "more than 3 members" in refusal(write_wheel(tmp_path))


def test_a_stream_that_is_longer_than_declared(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, wheel_members(files={"thing.py": b"x" * 5000}))
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert refusal(wheel)


@settings(max_examples=150)
@given(
    st.binary(max_size=300)
    | st.lists(st.tuples(st.sampled_from(_PATHS), st.sampled_from(_PROMISES), st.text(max_size=5)), max_size=6).map(
        lambda rows: "\n".join(map(",".join, rows)).encode("utf-8", "replace")
    )
)
def test_whatever_stands_in_a_record_is_read_or_refused(data: bytes) -> None:
    for allowed in (frozenset[WheelRule](), frozenset[WheelRule](["record"])):
        with contextlib.suppress(ArchiveError):
            lines = parse_record(data, dist_info=INFO, rules=Rules(where="x.whl", allowed=allowed))
            assert all(len(line.digest) in (32, 48, 64) for line in lines.values())


@settings(max_examples=150)
@given(
    st.binary(max_size=200) | st.text("ab.:-[]()= \n;'#%\t\\x", max_size=60).map(lambda text: _GROUP + text.encode())
)
def test_whatever_stands_in_entry_points_is_a_plain_call_or_refused(data: bytes) -> None:
    with contextlib.suppress(ArchiveError):
        for entry in read_entry_points(data, where="x.whl"):
            assert entry.name not in (".", "..")
            assert "/" not in entry.name
            compile(entry.script(Path("/bin/python")), "script", "exec")


def test_no_mutated_wheel_causes_anything_but_a_refusal_or_the_same_tree(tmp_path: Path) -> None:
    good = write_wheel(tmp_path).read_bytes()
    name = "thing-1.0-py3-none-any.whl"
    wheel = tmp_path / "mutated.whl"
    for position in range(0, len(good), 3):
        mutated = bytearray(good)
        mutated[position] ^= 1 << (position % 8)
        wheel.write_bytes(mutated)
        entry = tmp_path / f"entry{position}"
        entry.mkdir()
        try:
            unpacked = unpack_wheel(wheel, filename=name, digest=Sha256("0" * 64), entry=entry)
        except ArchiveError:
            continue
        assert (unpacked.root / "thing.py").read_bytes() == b"x = 1\n"
