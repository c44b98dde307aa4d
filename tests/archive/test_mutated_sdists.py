"""Honest source archives with a few bytes changed: a tree inside of the destination, or a refusal; nothing else."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.archive.sdist import read_pkg_info, unpack_sdist
from miniuv.errors import ArchiveError
from tests.support.archives import tar_link, tar_member, write_tar, write_zip
from tests.support.refusals import tree

_MEMBERS = [
    tar_member("thing-1.0/PKG-INFO", b"Metadata-Version: 2.2\nName: thing\nVersion: 1.0\n"),
    tar_member("thing-1.0/" + "long/" * 30 + "name.py", b"x = 1\n" * 200),
    tar_link("thing-1.0/docs", "long/long"),
    tar_link("thing-1.0/again", "thing-1.0/PKG-INFO", b"1"),
    tar_member("thing-1.0/z.py", b"y"),
]
_PIECES = [b"\0", b"/", b"..", b"../", b"\xff", b"1", b"5", b"x", b"L", b"S", b"\x80", b"7777777", b"-1", b"PK\x05\x06"]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archives, by what they are called."""
    folder = tmp_path_factory.mktemp("honest")
    tar = write_tar(folder / "thing-1.0.tar", _MEMBERS, "w").read_bytes()
    plain = [(info.name, content) for info, content in _MEMBERS if info.isreg()]
    return {
        "thing-1.0.tar": tar[: 512 * 14],
        "thing-1.0.tar.gz": gzip.compress(tar),
        "thing-1.0.tar.bz2": write_tar(folder / "thing-1.0.tar.bz2", _MEMBERS, "w:bz2").read_bytes(),
        "thing-1.0.tar.xz": write_tar(folder / "thing-1.0.tar.xz", _MEMBERS, "w:xz").read_bytes(),
        "thing-1.0.zip": write_zip(folder / "thing-1.0.zip", plain).read_bytes(),
    }


def with_sums(tar: bytes) -> bytes:
    """The tar file with the checksum of each block put right that may be a header: else few get past the first."""
    blocks = bytearray(tar)
    for start in range(0, len(blocks) - 511, 512):
        if blocks[start + 257 : start + 262] == b"ustar":
            blocks[start + 148 : start + 156] = b" " * 8
            blocks[start + 148 : start + 156] = f"{sum(blocks[start : start + 512]):06o}\0 ".encode()
    return bytes(blocks)


@pytest.mark.parametrize("examples", [60, pytest.param(5000, marks=pytest.mark.stress)])
@pytest.mark.parametrize(
    "name", ["thing-1.0.tar", "thing-1.0.tar.gz", "thing-1.0.tar.bz2", "thing-1.0.tar.xz", "thing-1.0.zip"]
)
def test_a_changed_sdist_is_refused_or_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, honest: dict[str, bytes], name: str, examples: int
) -> None:
    whole = honest[name]
    sandbox = tmp_path_factory.mktemp("sandbox")
    (sandbox / "canary").write_text("sings")
    path = sandbox / name

    @settings(max_examples=2 * examples if name.endswith(".tar") else examples)
    @given(
        changes=st.lists(
            st.tuples(st.integers(0, len(whole) - 1), st.sampled_from(_PIECES) | st.binary(min_size=1, max_size=4)),
            min_size=1,
            max_size=4,
        ),
        cut=st.sampled_from([0, 0, 0, 1, 100, 600]),
    )
    def check(changes: list[tuple[int, bytes]], cut: int) -> None:
        changed = bytearray(whole)
        for position, piece in changes:
            changed[position : position + len(piece)] = piece
        content = bytes(changed[: len(changed) - cut])
        path.write_bytes(with_sums(content) if name.endswith(".tar") else content)
        before = tree(sandbox)
        out = tmp_path_factory.mktemp("out") / "deep" / "out"
        for read in (lambda: read_pkg_info(path), lambda: unpack_sdist(path, out)):
            try:
                read()
            except ArchiveError as error:
                refusal = str(error)
                assert "\n" not in refusal
        assert tree(sandbox) == before
        assert {item.name for item in out.parent.iterdir()} <= {"out"} if out.parent.exists() else True
        for link in (item for item in out.rglob("*") if item.is_symlink()):
            assert Path(os.path.realpath(link)).is_relative_to(out)

    check()
