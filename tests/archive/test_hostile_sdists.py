"""Every source archive here is refused, and nothing is written outside of its destination."""

import bz2
import gzip
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.archive import member as limits
from miniuv.archive.links import check_links
from miniuv.archive.sdist import read_pkg_info, unpack_sdist
from miniuv.errors import ArchiveError
from tests.support.archives import tar_link, tar_member, write_tar, write_zip

Members = Sequence[tuple[tarfile.TarInfo, bytes]]
FILE = tar_member("thing-1.0/a.py", b"a")


def refusal(path: Path) -> str:
    sandbox = path.parent / "sandbox"
    out = sandbox / "deep" / "out"
    out.parent.mkdir(parents=True)
    canary = sandbox / "canary"
    canary.write_text("sings")
    with pytest.raises(ArchiveError) as caught:
        unpack_sdist(path, out)
    assert canary.read_text() == "sings"
    assert {item.name for item in sandbox.iterdir()} == {"canary", "deep"}
    assert {item.name for item in out.parent.iterdir()} <= {"out"}
    assert caught.value.where == path.name
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ([tar_member("thing-1.0/../../canary", b"x")], "leaves its folder"),
        ([tar_member("/canary", b"x")], "absolute path"),
        ([tar_member("thing-1.0/a\nb", b"x")], "control character"),
        ([tar_member("thing-1.0/" + "x" * 300, b"x")], "longer than 255"),
        ([FILE, FILE], "is there twice"),
        ([FILE, tar_member("thing-1.0/A.py", b"x")], "case or accents"),
        ([FILE, tar_member("thing-1.0/a.py/b", b"x")], "a file and a folder"),
        ([tar_link("thing-1.0/up", "../.."), FILE], "leads out"),
        ([tar_link("thing-1.0/up", ".."), FILE], "leads out"),
        ([tar_link("thing-1.0/etc", "/etc"), FILE], "leads out"),
        ([tar_link("thing-1.0/none", ""), FILE], "leads out"),
        ([tar_link("top", "thing-1.0"), FILE], "leads out"),
        ([tar_link("thing-1.0/d/l", ".."), tar_link("thing-1.0/m", "d/l/.."), FILE], "leads through"),
        ([tar_link("thing-1.0/l", "d"), tar_link("thing-1.0/m", "l/x"), FILE], "leads through"),
        ([tar_link("thing-1.0/m", "d/.."), FILE], "leads through"),
        ([tar_link("thing-1.0/l", "d"), tar_member("thing-1.0/l/canary", b"x")], "a file and a folder"),
        ([tar_link("thing-1.0/h", "/etc/passwd", tarfile.LNKTYPE), FILE], "no earlier file"),
        ([tar_link("thing-1.0/h", "../../canary", tarfile.LNKTYPE), FILE], "no earlier file"),
        ([tar_link("thing-1.0/h", "thing-1.0/a.py", tarfile.LNKTYPE), FILE], "no earlier file"),
        ([tar_link("thing-1.0/h", "thing-1.0/h", tarfile.LNKTYPE), FILE], "no earlier file"),
        ([tar_link("thing-1.0/s", "a.py"), tar_link("thing-1.0/h", "thing-1.0/s", tarfile.LNKTYPE)], "no earlier file"),
        ([tar_member("thing-1.0/fifo", type=tarfile.FIFOTYPE)], "no regular file"),
        ([tar_member("thing-1.0/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)], "no regular file"),
        ([FILE, tar_member("other-1.0/a.py", b"x")], "2 folders"),
        ([FILE, tar_member("setup.py", b"x")], "outside of its project folder"),
        ([], "is empty"),
    ],
    ids=range(26),
)
def test_a_tar_with_a_member_that_breaks_a_rule(tmp_path: Path, members: Members, rule: str) -> None:
    assert rule in refusal(write_tar(tmp_path / "thing-1.0.tar.gz", members))


def test_a_chain_of_links_that_is_longer_than_any_path(tmp_path: Path) -> None:
    component = "d" * 100
    members = []
    folder = "thing-1.0"
    for letter in "abcdefghijklmnop":
        members.append(tar_member(f"{folder}/{component}", type=tarfile.DIRTYPE, mode=0o755))
        members.append(tar_link(f"{folder}/{letter}", component))
        folder += f"/{letter}"
    members.append(tar_link(f"{folder}/escape", "../" * 16 + "canary"))
    members.append(tar_member(f"{folder}/escape/written", b"x"))
    assert refusal(write_tar(tmp_path / "thing-1.0.tar.gz", members))


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("thing-1.0.tar.gz", b"", "is empty"),
        ("thing-1.0.tar.gz", b"<!DOCTYPE html><p>not found", "web page"),
        ("thing-1.0.tar.gz", b"PK\x03\x04", "named like gzip and is zip"),
        ("thing-1.0.zip", gzip.compress(b"x"), "named like zip and is gzip"),
        ("thing-1.0.tar.gz", gzip.compress(gzip.compress(bytes(1024))), "intact"),
        ("thing-1.0.tar.gz", gzip.compress(b"text"), "intact"),
        ("thing-1.0.tar.bz2", bz2.compress(b"x" * 2000)[:-9], "intact"),
        ("thing-1.0.tar.xz", b"\xfd7zXZ\x00" + bytes(99), "intact"),
    ],
    ids=range(8),
)
def test_a_file_that_is_no_source_archive(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert rule in refusal(path)


def packed(tmp_path: Path, content: bytes = b"a" * 3000) -> bytes:
    tar = write_tar(tmp_path / "whole.tar", [tar_member("thing-1.0/a.py", content), tar_member("thing-1.0/b.py")], "w")
    return tar.read_bytes()


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_gzip(tmp_path: Path, keep: float) -> None:
    whole = gzip.compress(packed(tmp_path, bytes(range(256)) * 200))
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert "intact" in refusal(path)


def test_a_tar_that_ends_inside_a_member(tmp_path: Path) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(packed(tmp_path)[:1500]))
    assert refusal(path)


def test_a_broken_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    whole = bytearray(packed(tmp_path))
    whole[512 + 3072 + 10] ^= 0xFF
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(whole))
    assert "broken header" in refusal(path)


@pytest.mark.parametrize("inside", [True, False])
def test_a_second_archive_behind_the_first(tmp_path: Path, inside: bool) -> None:
    other = write_zip(tmp_path / "other.zip", [("evil/setup.py", b"x")]).read_bytes()
    path = tmp_path / "thing-1.0.tar.gz"
    whole = packed(tmp_path)
    path.write_bytes(gzip.compress(whole + other) if inside else gzip.compress(whole) + other)
    assert refusal(path)


def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniuv.archive.stream.SUSPICIOUS_BYTES", 2**20)
    path = write_tar(tmp_path / "thing-1.0.tar.gz", [tar_member("thing-1.0/zeros", bytes(8 * 2**20))])
    assert "decompression bomb" in refusal(path)


def test_padding_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniuv.archive.stream.MAX_PADDING_BYTES", 2**20)
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(packed(tmp_path) + bytes(4 * 2**20)))
    assert "padded without end" in refusal(path)


def test_a_huge_pax_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("thing-1.0/pax")
    header.type = tarfile.XHDTYPE
    header.size = 2**30
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(4096)))
    assert "unreasonably large" in refusal(path)


def test_a_declared_size_beyond_every_limit(tmp_path: Path) -> None:
    header = tarfile.TarInfo("thing-1.0/sparse")
    header.size = limits.MAX_TOTAL_BYTES + 1
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096)))
    assert "unpacks to more than" in refusal(path)
    with pytest.raises(ArchiveError):
        read_pkg_info(path)


def test_a_sparse_member(tmp_path: Path) -> None:
    buffer = bytearray(tar_member("thing-1.0/sparse", type=tarfile.GNUTYPE_SPARSE)[0].tobuf(tarfile.GNU_FORMAT))
    buffer[483:495] = b"00000010000\0"
    buffer[148:156] = b" " * 8
    buffer[148:156] = f"{sum(buffer):06o}\0 ".encode()
    path = tmp_path / "thing-1.0.tar.gz"
    path.write_bytes(gzip.compress(bytes(buffer) + bytes(2048)))
    assert refusal(path)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ENTRIES", 2)
    members = [tar_member(f"thing-1.0/{number}") for number in range(3)]
    assert "more than 2 members" in refusal(write_tar(tmp_path / "thing-1.0.tar.gz", members))


def test_a_zip_whose_link_leads_out(tmp_path: Path) -> None:
    import zipfile

    link = zipfile.ZipInfo("thing-1.0/out")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    assert "leads out" in refusal(write_zip(tmp_path / "thing-1.0.zip", [(link, b"../../canary")]))


def test_no_mutated_sdist_causes_anything_but_a_refusal_or_a_tree(tmp_path: Path) -> None:
    good = gzip.decompress(write_tar(tmp_path / "good.tar.gz", [FILE, tar_link("thing-1.0/l", "a.py")]).read_bytes())
    path = tmp_path / "thing-1.0.tar"
    for position in range(0, 1700, 3):
        mutated = bytearray(good)
        mutated[position] ^= 1 << (position % 8)
        path.write_bytes(mutated)
        try:
            unpack_sdist(path, tmp_path / f"out{position}")
        except ArchiveError:
            continue


PARTS = st.sampled_from(["a", "b", "..", ".", "l"])


@settings(max_examples=300)
@given(
    links=st.dictionaries(
        st.lists(st.sampled_from(["a", "b", "l"]), min_size=1, max_size=3).map(lambda parts: "t/" + "/".join(parts)),
        st.lists(PARTS, min_size=1, max_size=5).map("/".join),
        max_size=4,
    )
)
def test_links_that_pass_never_lead_out_when_the_system_follows_them(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, str]
) -> None:
    try:
        check_links(links, [], where="x")
    except ArchiveError:
        return
    root = tmp_path_factory.mktemp("links") / "root"
    for name in sorted(links):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(links[name])
    for name in links:
        followed = Path(str(root / name))
        try:
            resolved = followed.resolve(strict=False)
        except (OSError, RuntimeError):  # a loop of links
            continue
        assert resolved.is_relative_to(root.resolve() / "t")
