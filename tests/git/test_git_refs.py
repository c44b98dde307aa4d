import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.git.refs import Listing, full_commit, may_be_short_commit, packed_refs, parse_packed_refs

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)

LISTING = Listing.parse(
    f"{A}\tHEAD\n{A}\trefs/heads/main\n{B}\trefs/heads/release/1.x\n{B}\trefs/heads/twin\n{C}\trefs/tags/twin\n"
    f"{C}\trefs/tags/v1.0\n{A}\trefs/tags/v1.0^{{}}\n{D}\trefs/pull/7/head\nnonsense\n".encode()
)


@pytest.mark.parametrize(
    ("ref", "commit"),
    [
        pytest.param(None, A, id="no ref is the default branch"),
        pytest.param("HEAD", A, id="HEAD"),
        pytest.param("release/1.x", B, id="a branch with a slash"),
        pytest.param("v1.0", A, id="an annotated tag is peeled"),
        pytest.param("twin", B, id="a branch goes before a tag of the same name"),
        pytest.param("refs/tags/twin", C, id="a full name is exact"),
        pytest.param("refs/pull/7/head", D, id="any reference"),
        pytest.param("pull/7/head", D, id="without refs/"),
        pytest.param("tags/v1.0", A, id="tags/"),
        pytest.param("nowhere", None, id="unknown"),
        pytest.param("v1.0^{}", None, id="no revision syntax"),
        pytest.param("refs/main", None, id="a full name is not completed"),
    ],
)
def test_a_ref_is_looked_up_as_branch_then_tag_then_anything(ref: str | None, commit: str | None) -> None:
    assert LISTING.resolve(ref) == commit


def test_only_a_whole_object_id_is_a_full_commit() -> None:
    assert full_commit(A.upper()) == A
    assert full_commit("a" * 64) == "a" * 64
    assert [full_commit(text) for text in ("a" * 39, "a" * 41, "g" * 40, "", None)] == [None] * 5
    assert may_be_short_commit("abc1234")
    assert not may_be_short_commit("abc")
    assert not may_be_short_commit("main")


def test_close_names_come_with_a_forgotten_v_and_wrong_case_first() -> None:
    assert LISTING.close_to("1.0")[0] == "v1.0"
    assert LISTING.close_to("Main")[0] == "main"
    assert "release/1.x" in LISTING.close_to("release/1.y")


def test_tags_at_a_commit_are_annotated_and_light_ones() -> None:
    assert LISTING.tags_at(A) == {("refs/tags/v1.0", C)}
    assert LISTING.tags_at(C) == {("refs/tags/twin", C)}


_ids = st.text("0123456789abcdef", min_size=40, max_size=40)
_names = st.text(st.characters(exclude_characters="\n\r ^~:?*[\\", codec="utf-8"), min_size=1)


@given(st.dictionaries(_names.map("refs/tags/".__add__), st.tuples(_ids, st.none() | _ids)))
def test_packed_refs_are_read_back_as_written(refs: dict[str, tuple[str, str | None]]) -> None:
    assert parse_packed_refs(packed_refs(refs)) == refs


@given(st.binary())
def test_junk_is_never_a_traceback(junk: bytes) -> None:
    parse_packed_refs(junk)
    Listing.parse(junk)
