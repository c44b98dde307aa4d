import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from miniuv.archive.wheel import load_unpacked, read_wheel_metadata, unpack_wheel
from miniuv.cache.records import with_checksum
from miniuv.errors import ArchiveError, CacheError
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from tests.support.archives import record_hash, wheel_members, write_wheel
from tests.support.manifests import edit_manifest

DIGEST = Sha256("0" * 64)


def unpack(wheel: Path, entry: Path) -> UnpackedWheel:
    entry.mkdir(exist_ok=True)
    return unpack_wheel(wheel, filename=wheel.name, digest=DIGEST, entry=entry)


def test_every_file_lies_in_the_tree_with_its_content_size_and_hash(tmp_path: Path) -> None:
    files = {"thing/__init__.py": b"x = 1\n", "thing/deep/data.bin": bytes(range(256)) * 9000, "thing/empty": b""}
    wheel = write_wheel(tmp_path, wheel_members(files=files))

    unpacked = unpack(wheel, tmp_path / "entry")

    listed = {file.path: file for file in unpacked.files}
    for path, content in files.items():
        assert (unpacked.root / path).read_bytes() == content
        assert listed[path].size == len(content)
        assert listed[path].sha256 == hashlib.sha256(content).hexdigest()
        assert listed[path].mtime_ns == (unpacked.root / path).stat().st_mtime_ns
    assert [file.path for file in unpacked.files] == sorted(listed)
    assert unpacked.dist_info == "thing-1.0.dist-info"
    assert "thing-1.0.dist-info/RECORD" in listed


def test_an_entry_reads_back_equal(tmp_path: Path) -> None:
    unpacked = unpack(write_wheel(tmp_path), tmp_path / "entry")
    assert load_unpacked(tmp_path / "entry") == unpacked


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\x00", b'{"format": 99}', b"[1, 2]"])
def test_an_entry_with_a_junk_manifest_is_no_entry(tmp_path: Path, junk: bytes) -> None:
    unpack(write_wheel(tmp_path), tmp_path / "entry")
    for content in (junk, with_checksum(junk)):
        (tmp_path / "entry" / "MANIFEST").write_bytes(content)
        assert load_unpacked(tmp_path / "entry") is None


@pytest.mark.parametrize("path", ["../thing.py", "/etc/thing.py", "a//b", "a/../../b"])
def test_a_manifest_with_an_unsafe_path_is_no_entry(tmp_path: Path, path: str) -> None:
    unpack(write_wheel(tmp_path), tmp_path / "entry")
    edit_manifest(tmp_path / "entry", lambda text: text.replace(b'"thing.py"', f'"{path}"'.encode()))
    assert load_unpacked(tmp_path / "entry") is None


def test_no_entry_is_no_entry(tmp_path: Path) -> None:
    assert load_unpacked(tmp_path / "absent") is None


def test_modes_are_plain_whatever_the_wheel_or_the_umask_says(tmp_path: Path) -> None:
    script = zipfile.ZipInfo("thing/run.sh")
    script.external_attr = 0o104777 << 16  # setuid, writable by all
    hidden = zipfile.ZipInfo("thing/secret")
    hidden.external_attr = 0o100600 << 16
    listed = f"thing/run.sh,{record_hash(b'#!')},2\nthing/secret,{record_hash(b'')},0\n".encode()
    wheel = write_wheel(tmp_path, record=lambda text: text + listed, extra=[(script, b"#!"), (hidden, b"")])

    before = os.umask(0o077)
    try:
        unpacked = unpack(wheel, tmp_path / "entry")
    finally:
        os.umask(before)

    assert (unpacked.root / "thing/run.sh").stat().st_mode & 0o7777 == 0o755
    assert (unpacked.root / "thing/secret").stat().st_mode & 0o7777 == 0o644
    assert [file.path for file in unpacked.files if file.executable] == ["thing/run.sh"]


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_stronger_hash_in_the_record_is_checked_too(tmp_path: Path, algorithm: str) -> None:
    members = wheel_members()

    def stronger(text: bytes, content: bytes = members["thing.py"]) -> bytes:
        return text.replace(record_hash(b"x = 1\n").encode(), record_hash(content, algorithm).encode())

    unpack(write_wheel(tmp_path, members, record=stronger), tmp_path / "good")
    with pytest.raises(ArchiveError, match="does not have the hash"):
        unpack(write_wheel(tmp_path, members, record=lambda text: stronger(text, b"other!")), tmp_path / "bad")


def test_a_hash_in_hexadecimal_is_read_as_some_tools_write_it(tmp_path: Path) -> None:
    hexadecimal = b"sha256=" + hashlib.sha256(b"x = 1\n").hexdigest().encode()
    wheel = write_wheel(tmp_path, record=lambda text: text.replace(record_hash(b"x = 1\n").encode(), hexadecimal))
    unpack(wheel, tmp_path / "entry")


@pytest.mark.parametrize(
    ("name", "version", "filename_tag"),
    [("Foo.Bar", "1.0", "py2.py3-none-any"), ("foo_bar", "2!1.0.post1+cu118", "cp312-cp312-manylinux_2_17_x86_64")],
)
def test_unusual_names_and_versions_are_accepted(tmp_path: Path, name: str, version: str, filename_tag: str) -> None:
    wheel = write_wheel(tmp_path, wheel_members(name, version), name=name, version=version, tag=filename_tag)
    assert unpack(wheel, tmp_path / "entry").dist_info == f"{name}-{version}.dist-info"


def test_folders_listed_in_the_zip_and_vendored_dist_infos_do_no_harm(tmp_path: Path) -> None:
    files = {"thing/_vendor/other-2.0.dist-info/METADATA": b"Name: other\n"}
    wheel = write_wheel(tmp_path, wheel_members(files=files), extra=[("thing/", b""), ("thing/_vendor/", b"")])
    unpack(wheel, tmp_path / "entry")


def test_signatures_need_no_line_in_the_record(tmp_path: Path) -> None:
    unpack(write_wheel(tmp_path, extra=[("thing-1.0.dist-info/RECORD.jws", b"{}")]), tmp_path / "entry")


def test_a_record_may_name_itself_by_the_path_that_it_was_built_at(tmp_path: Path) -> None:
    itself = b"thing-1.0.dist-info/RECORD,,"
    unpack(write_wheel(tmp_path, record=lambda text: text.replace(itself, b"/tmp/x/" + itself)), tmp_path / "entry")


def test_a_format_from_before_the_first_one_is_read(tmp_path: Path) -> None:
    unpack(write_wheel(tmp_path, wheel_members(wheel=b"Wheel-Version: 0.1\n")), tmp_path / "entry")


def test_entry_points_of_every_honest_form_pass(tmp_path: Path) -> None:
    text = (
        b"[console_scripts]\nrun-it.2 = thing.cli:main\nCase = thing : Main.call [extra]\n"
        b"[gui_scripts]\nwin = thing:main\n[other.group]\nanything goes = here !\n"
    )
    members = {**wheel_members(), "thing-1.0.dist-info/entry_points.txt": text}
    unpack(write_wheel(tmp_path, members), tmp_path / "entry")


def test_metadata_is_read_without_unpacking_and_whatever_the_file_is_called(tmp_path: Path) -> None:
    blob = write_wheel(tmp_path).rename(tmp_path / "4f2a")
    assert b"Name: thing" in read_wheel_metadata(blob, filename="thing-1.0-py3-none-any.whl")
    with blob.open("rb") as file:
        assert b"Name: thing" in read_wheel_metadata(file)


def test_an_entry_that_cannot_be_filled_is_the_cache_s_error(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    entry = tmp_path / "entry"
    entry.write_text("in the way")
    with pytest.raises(CacheError, match="cannot unpack") as caught:
        unpack_wheel(wheel, filename=wheel.name, digest=DIGEST, entry=entry)
    assert caught.value.hint
