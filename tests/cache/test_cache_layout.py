import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.cache.layout import ENTRY_KINDS, EntryKind, Layout
from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.reporter import Reporter

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")


def open_and_close(root: Path, *, allow_shared: bool = False) -> None:
    with Store.open(root, reporter=Reporter(), allow_shared=allow_shared) as store:
        store.find("blobs", "nothing")


def test_a_new_cache_is_versioned_tagged_and_its_owners_alone(tmp_path: Path) -> None:
    open_and_close(tmp_path / "deep" / "cache")

    tag = tmp_path / "deep" / "cache" / "v1" / "CACHEDIR.TAG"
    assert tag.read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (tag.parent, tag.parent.parent)} == {0o700}


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../x", "a\0b", "a b", "ä", "a\n", "x" * 201])
def test_a_key_that_is_no_plain_file_name_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(CacheError, match="cannot name a cache entry"):
        Layout(root=tmp_path).entry("blobs", key)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CacheError):
        Layout(root=tmp_path).entry("../blobs", "x")  # type: ignore[arg-type]


@settings(max_examples=100)
@given(kind=st.sampled_from(ENTRY_KINDS), key=st.text(max_size=40))
def test_an_entry_never_lies_anywhere_but_below_its_kind(kind: EntryKind, key: str) -> None:
    layout = Layout(root=Path("/cache"))
    try:
        path = layout.entry(kind, key)
    except CacheError:
        return
    assert Path(os.path.normpath(path)).parent == layout.versioned / kind


def test_a_cache_that_everybody_can_write_is_refused_and_says_how_to_go_on(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(CacheError, match="can be written by everybody") as caught:
        open_and_close(tmp_path / "cache")

    assert "--allow-shared-cache" in str(caught.value.hint)
    assert not (tmp_path / "cache").exists()


def test_a_sticky_folder_on_the_way_is_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    open_and_close(tmp_path / "cache")


def test_what_everybody_can_write_may_be_allowed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    open_and_close(tmp_path / "cache", allow_shared=True)


@as_root
def test_a_cache_that_a_group_can_write_is_refused_unless_it_is_the_owners_own_group(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    open_and_close(tmp_path / "cache")

    os.chown(tmp_path, 0, 12345)
    with pytest.raises(CacheError, match="by its group"):
        open_and_close(tmp_path / "cache")


@as_root
@pytest.mark.parametrize("part", ["cache", "cache/v1"])
def test_another_users_cache_is_refused(tmp_path: Path, part: str) -> None:
    open_and_close(tmp_path / "cache")
    os.chown(tmp_path / part, 12345, 12345)

    with pytest.raises(CacheError, match="belongs to another user"):
        open_and_close(tmp_path / "cache")


@pytest.mark.parametrize("below", ["", "cache"])
def test_a_file_in_the_place_of_the_cache_is_one_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CacheError) as caught:
        open_and_close(tmp_path / "file" / below)

    assert caught.value.hint
