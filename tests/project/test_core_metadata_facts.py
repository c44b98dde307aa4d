from email.parser import HeaderParser
from email.policy import compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from miniuv.errors import MetadataError
from miniuv.models.metadata import CoreMetadata
from miniuv.project.core_metadata import parse_metadata, parse_requires_python, read_headers, static_sdist_metadata

HEAD = b"Metadata-Version: 2.1\nName: The_Thing\nVersion: 1.0\n"


def parse(data: bytes) -> CoreMetadata:
    return parse_metadata(data, where="METADATA")


def test_the_facts_are_read_and_the_description_is_not() -> None:
    metadata = parse(
        HEAD
        + b"Requires-Python: >=3.9\r\nRequires-Dist: a>=1 ; extra == 'x'\nRequires-Dist: b [c] (<2)\n"
        + b"Provides-Extra: X_y\nProvides-Extra: x\nLicense: a\n        Name: not me\n"
        + b"\nRequires-Dist: not-me\n"
        + b"\xff" * 100_000
    )
    assert metadata.name == "the-thing"
    assert metadata.requires_dist == ("a>=1 ; extra == 'x'", "b [c] (<2)")
    assert metadata.requires_python == SpecifierSet(">=3.9")
    assert metadata.provides_extra == {"x-y", "x"}


@pytest.mark.parametrize(
    ("published", "meant"),
    [
        ("a (>=1.0.*)", "a (>=1.0)"),
        ("a>=1 <2", "a>=1,<2"),
        ("a>='3.8'", "a>=3.8"),
        ("a>=1.;python_version>'3'", "a>=1;python_version>'3'"),
        ("a!=1.*,>=1.*", "a!=1.*,>=1"),
        ("a\n        >=1", "a >=1"),
    ],
)
def test_slips_of_published_packages_are_read_as_meant(published: str, meant: str) -> None:
    assert parse(HEAD + f"Requires-Dist: {published}\n".encode()).requires_dist == (meant,)


@pytest.mark.parametrize(
    ("text", "meant"),
    [(">=3.6", ">=3.6"), (">=3.6.*", ">=3.6"), (">=2.7 !=3.0.*", ">=2.7,!=3.0.*"), ("three", None), ("~=", None)],
)
def test_a_python_range_that_nobody_understands_is_no_limit(text: str, meant: str | None) -> None:
    assert parse_requires_python(text) == (None if meant is None else SpecifierSet(meant))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no `Name`"),
        (b"Name: x\n", "has no `Version`"),
        (b"Name: x\nName: y\nVersion: 1\n", "has `Name` 2 times"),
        (b"Name: x\nVersion: \n", "has no `Version`"),
        (b"Name: x\nVersion: junk\n", "is not valid"),
        (b"Name: -x-\nVersion: 1\n", "no valid project name"),
        (b"Name: ../x\nVersion: 1\n", "no valid project name"),
        (b"\x00\x01Name: x\nVersion: 1\n", "binary"),
        (b"Name: x\rVersion: 2\nVersion: 1\n", "carriage return"),
        (HEAD + b"Requires-Dist: ==1\n", "`Requires-Dist`: `==1` is no valid requirement"),
        (HEAD + b"Requires-Dist: a; unheard_of == '1'\n", "no valid requirement"),
        (b"x" * (16 * 2**20 + 1), "are allowed"),
    ],
    ids=range(12),
)
def test_junk_is_refused_with_the_file_s_name(data: bytes, message: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse(data)
    assert message in caught.value.message
    assert caught.value.where == "METADATA"


def test_an_sdist_s_metadata_is_static_from_version_2_2_on() -> None:
    assert static_sdist_metadata(HEAD) is None
    promised = static_sdist_metadata(HEAD.replace(b"2.1", b"2.2") + b"Requires-Dist: a\nDynamic: Description\n")
    assert promised is not None
    assert promised.requires_dist == ("a",)


@pytest.mark.parametrize("field", ["Requires-Dist", "requires-python", "Provides-Extra", "Version"])
def test_a_dynamic_field_that_matters_makes_it_no_promise(field: str) -> None:
    data = HEAD.replace(b"2.1", b"2.4") + f"Dynamic: {field}\n".encode()
    assert static_sdist_metadata(data) is None


def test_a_metadata_version_that_is_none_is_refused() -> None:
    with pytest.raises(MetadataError, match="metadata version"):
        static_sdist_metadata(HEAD.replace(b"2.1", b"two"))


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_no_bytes_cause_anything_but_facts_or_a_metadata_error(head: bytes, requirement: bytes) -> None:
    for data in (head, HEAD + b"Requires-Dist: " + requirement + b"\n" + head):
        try:
            parse(data)
            static_sdist_metadata(data)
        except MetadataError:
            continue


_PIECES = (
    "Name",
    "requires-dist",
    ":",
    ": ",
    " ",
    "\t",
    "\r\n",
    "\n",
    "From ",
    "x",
    "é",
    "\x7f",
    "\x0b",
    "\x1c",
    "1;2",
    "::",
)


@given(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join))
def test_headers_are_read_as_the_standard_library_reads_them(text: str) -> None:
    expected: dict[str, list[str]] = {}
    for field, value in HeaderParser(policy=compat32).parsestr(text).items():
        expected.setdefault(field.lower(), []).append(str(value).replace("\r\n", "\n"))
    assert read_headers(text.encode(), "METADATA") == expected
