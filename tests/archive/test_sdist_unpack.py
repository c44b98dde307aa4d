import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from miniuv.archive.sdist import read_pkg_info, unpack_sdist
from miniuv.errors import CacheError
from tests.support.archives import tar_link, tar_member, write_tar, write_zip

PKG_INFO = b"Metadata-Version: 2.2\nName: thing\nVersion: 1.0\n"
HONEST = [
    tar_member("thing-1.0", type=tarfile.DIRTYPE, mode=0o755),
    tar_member("thing-1.0/PKG-INFO", PKG_INFO, mtime=1_000_000_000),
    tar_member("thing-1.0/configure", b"#!/bin/sh\n", mode=0o4775),
    tar_member("thing-1.0/src/thing.py", b"x = 1\n", mode=0o600),
]


@pytest.mark.parametrize(
    ("suffix", "mode"), [("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz"), ("tar", "w")]
)
def test_every_kind_of_tar_unpacks_to_its_single_folder(tmp_path: Path, suffix: str, mode: str) -> None:
    path = write_tar(tmp_path / f"thing-1.0.{suffix}", HONEST, mode)

    top = unpack_sdist(path, tmp_path / "out")

    assert top == tmp_path / "out" / "thing-1.0"
    assert (top / "src/thing.py").read_bytes() == b"x = 1\n"
    assert read_pkg_info(path) == read_pkg_info(top) == PKG_INFO


def test_a_zip_unpacks_as_well(tmp_path: Path) -> None:
    odd_date = zipfile.ZipInfo("thing-1.0/old.py", date_time=(1980, 0, 0, 0, 0, 0))
    path = write_zip(tmp_path / "thing-1.0.zip", [("thing-1.0/PKG-INFO", PKG_INFO), (odd_date, b"x")])
    top = unpack_sdist(path, tmp_path / "out")
    assert (top / "old.py").read_bytes() == b"x"
    assert read_pkg_info(path) == PKG_INFO


def test_modes_are_plain_and_times_are_kept(tmp_path: Path) -> None:
    top = unpack_sdist(write_tar(tmp_path / "thing-1.0.tar.gz", HONEST), tmp_path / "out")
    assert (top / "configure").stat().st_mode & 0o7777 == 0o755
    assert (top / "src/thing.py").stat().st_mode & 0o7777 == 0o644
    assert (top / "PKG-INFO").stat().st_mtime == 1_000_000_000


def test_links_inside_the_tree_are_made_even_where_their_target_comes_later(tmp_path: Path) -> None:
    members = [
        tar_link("thing-1.0/docs", "doc"),
        tar_link("thing-1.0/doc/up", "../src"),
        tar_link("thing-1.0/dangling", "not/shipped"),
        tar_member("thing-1.0/doc/index.md", b"hello"),
        tar_member("thing-1.0/src/a.py", b"a"),
        tar_link("thing-1.0/src/b.py", "thing-1.0/src/a.py", tarfile.LNKTYPE),
    ]
    top = unpack_sdist(write_tar(tmp_path / "thing-1.0.tar.gz", members), tmp_path / "out")
    assert (top / "docs/index.md").read_bytes() == b"hello"
    assert (top / "doc/up/a.py").read_bytes() == b"a"
    assert os.readlink(top / "dangling") == "not/shipped"
    assert (top / "src/b.py").read_bytes() == b"a"
    assert (top / "src/b.py").stat().st_nlink == 1


def test_links_in_a_zip_are_links(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("thing-1.0/docs")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    path = write_zip(tmp_path / "thing-1.0.zip", [(link, b"doc"), ("thing-1.0/doc/index.md", b"hello")])
    assert (unpack_sdist(path, tmp_path / "out") / "docs/index.md").read_bytes() == b"hello"


def test_names_that_start_with_a_dot_slash_and_global_headers_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": "a commit"}) as archive:
        archive.addfile(tar_member("./", type=tarfile.DIRTYPE)[0])
        archive.addfile(tar_member("./thing-1.0/" + "long/" * 60 + "x")[0])
    assert (unpack_sdist(path, tmp_path / "out") / ("long/" * 60 + "x")).exists()


def test_the_file_may_be_stored_under_another_name(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "blob", HONEST)
    assert unpack_sdist(path, tmp_path / "out", filename="thing-1.0.tar.gz").name == "thing-1.0"


def test_an_sdist_without_pkg_info_has_none(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "thing-1.0.tar.gz", [tar_member("thing-1.0/a/PKG-INFO", PKG_INFO)])
    assert read_pkg_info(path) is None
    assert read_pkg_info(unpack_sdist(path, tmp_path / "out")) is None


@pytest.mark.parametrize("suffix", ["tar.gz", "zip"])
def test_a_destination_that_cannot_be_filled_is_the_cache_s_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"thing-1.0.{suffix}"
    if suffix == "zip":
        write_zip(path, [("thing-1.0/a", b"x")])
    else:
        write_tar(path, [tar_member("thing-1.0/a", b"x")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thing-1.0").write_text("in the way")
    with pytest.raises(CacheError, match="cannot unpack") as caught:
        unpack_sdist(path, tmp_path / "out")
    assert caught.value.hint
