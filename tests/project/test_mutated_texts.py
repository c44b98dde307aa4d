"""Honest texts with a few changes: facts, or an error of ours with its place; nothing else, and soon."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.errors import MetadataError, MiniuvError, ProjectError, RequirementError
from miniuv.models.metadata import CoreMetadata
from miniuv.models.requirement import Origin
from miniuv.project.core_metadata import parse_metadata, static_sdist_metadata
from miniuv.project.pep508 import marker_holds, parse_pep508
from miniuv.project.pyproject import parse_pyproject, static_metadata
from miniuv.project.requirement_file import read_requirement_file
from miniuv.project.requirements import parse_editable, parse_requirement

PYPROJECT = b"""\
[build-system]
requires = ["setuptools>=64", "tool @ https://host/tool-1.0.zip"]
build-backend = "backend.module:object"
backend-path = ["tools"]

[project]
name = "thing"
version = "1.2.3rc4+local.5"
requires-python = ">=3.9,<4"
dependencies = ["a[x,y]>=1,!=1.5.*; python_version < '3.12' and (os_name == 'nt' or sys_platform != 'x')", 'b~=2.0']
dynamic = ["readme", "scripts"]

[project.optional-dependencies]
dev = ["c @ git+https://host/c.git@main", "d===1.0"]
Test_Tools = []

[tool.miniuv]
cache-keys = [{ file = "x" }, { git = true }, { env = "NAME" }]
"""

METADATA = b"""\
Metadata-Version: 2.2
Name: thing
Version: 1.2.3
Requires-Python: >=3.9
Requires-Dist: a[x]>=1,!=1.5.*; python_version < "3.12" and extra == 'dev'
Requires-Dist: b (>=1.0.*)
Provides-Extra: dev
License: one
        two
Dynamic: Description

A description.
"""

REQUIREMENTS = b"""\
# needed
-r other.txt
-c limits.txt
--index-url https://user:word@host/simple
--find-links ./wheels
-e ./thing[dev,test] ; python_version > "3"
-e git+https://host/c.git@main#egg=c&subdirectory=sub
a[x]>=1,!=1.5.* ; os_name == 'nt' \\
    --hash=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
b @ file:///tmp/b-1.0.tar.gz#sha256=ab
${NAME}==1.0
./archive.zip[extra]
"""

# fmt: off
_PIECES = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\\", b'"', b"'", b"'''", b"[", b"]", b"[[", b"{", b"}",
    b"(", b")", b"=", b"==", b">=", b"~=", b"===", b",", b";", b"#", b"@", b":", b" ", b"\t", b"/", b"..", b".", b"*",
    b"-", b"-e ", b"-r ", b"-c ", b"--hash=", b"${NAME}", b"$", b"%00", b"%", b"://", b"file://", b"git+", b"https://",
    b"1e999", b"nan", b"9" * 5000, b"0x" + b"f" * 5000, b"(" * 2000, b"[" * 2000, b"a." * 2000, b"x" * 40_000,
    b" and " * 500, "\u2028\xe9".encode(), b"true", b"1979-05-27", b"Name: x\n", b"Dynamic: Version\n",
    b"extra == 'x'", b"not in",
]
# fmt: on
"""What may stand in for a piece of the text, or come into it."""


@st.composite
def mutated(draw: st.DrawFn, text: bytes) -> bytes:
    """``text`` with one to four stretches replaced by a piece, by another stretch of it, or by nothing."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20, 100]))
        source = draw(st.integers(0, len(text)))
        other = text[source : source + draw(st.sampled_from([1, 10, 100]))]
        piece = draw(st.sampled_from(_PIECES) | st.just(other) | st.just(b"") | st.binary(min_size=1, max_size=3))
        text = text[:start] + piece + text[start + length :]
    return text


def tell(error: MiniuvError, where: str) -> None:
    """Check that a user can find the place."""
    assert error.where is not None
    assert error.where.startswith(where)


def use(metadata: CoreMetadata) -> None:
    """What resolving does with it."""
    markers = {"python_version": "3.12", "os_name": "posix", "sys_platform": "linux", "python_full_version": "3.12.1"}
    for text in metadata.requires_dist:
        requirement = parse_pep508(text)
        if requirement.marker is not None:
            try:
                marker_holds(requirement.marker, markers, ("dev",))
            except RequirementError:
                continue
        requirement.specifier.contains("1.5")
    if metadata.requires_python is not None:
        metadata.requires_python.contains("3.12.1")


def read_pyproject(_: Path, data: bytes) -> None:
    """Facts, or a project error."""
    try:
        pyproject = parse_pyproject(data, where="thing/pyproject.toml")
    except ProjectError as error:
        tell(error, "thing/pyproject.toml")
        return
    metadata = static_metadata(pyproject)
    if metadata is not None:
        use(metadata)


def read_metadata(_: Path, data: bytes) -> None:
    """Facts, or a metadata error."""
    for read in (parse_metadata, static_sdist_metadata):
        try:
            metadata = read(data, where="thing: METADATA")
        except MetadataError as error:
            tell(error, "thing: METADATA")
            continue
        if metadata is not None:
            use(metadata)


def read_requirements(folder: Path, data: bytes) -> None:
    """Requirements, or a requirement error."""

    def read(location: str) -> bytes:
        return data if location.endswith("requirements.txt") else b"fine==1\n"

    markers = {"python_version": "3.12", "os_name": "posix", "sys_platform": "linux"}
    try:
        file = read_requirement_file("requirements.txt", directory=folder, environ={"NAME": "n"}, read=read)
    except RequirementError as error:
        tell(error, "")
        return
    for line in (*file.requirements, *file.constraints):
        origin = Origin(place=line.origin.place)
        try:
            if line.editable:
                parse_editable(line.text, origin=origin, base=folder, markers=markers)
            else:
                parse_requirement(line.text, origin=origin, base=folder, markers=markers)
        except RequirementError as error:
            tell(error, line.origin.place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the requirement file and what it names lie."""
    folder = tmp_path_factory.mktemp("requirements")
    (folder / "thing").mkdir()
    (folder / "thing" / "pyproject.toml").write_bytes(PYPROJECT)
    return folder


@pytest.mark.parametrize("examples", [200, pytest.param(5000, marks=pytest.mark.stress)])
@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param(PYPROJECT, read_pyproject, id="pyproject.toml"),
        pytest.param(METADATA, read_metadata, id="METADATA"),
        pytest.param(REQUIREMENTS, read_requirements, id="requirements.txt"),
    ],
)
def test_no_change_of_a_text_causes_anything_but_facts_or_an_error_of_ours(
    folder: Path, text: bytes, read: Callable[[Path, bytes], None], examples: int
) -> None:
    @settings(max_examples=examples)
    @given(data=mutated(text))
    def check(data: bytes) -> None:
        read(folder, data)

    check()


@pytest.mark.parametrize(
    "text",
    ["a; " + "(" * 5000, "a; " + "(" * 900 + "os_name=='x'" + ")" * 900, "a>=" + "9" * 5000, "a @ " + "x" * 40_000],
    ids=["open brackets", "brackets", "a number", "an address"],
)
def test_a_requirement_beyond_all_measure_is_refused_in_few_words(text: str) -> None:
    with pytest.raises(RequirementError, match="is no valid requirement") as caught:
        parse_pep508(text)
    assert len(str(caught.value)) < 400


def test_a_password_in_a_requirement_that_is_cut_short_is_not_shown() -> None:
    with pytest.raises(RequirementError) as caught:
        parse_pep508("a @ https://user:" + "hunter2" * 100 + "@host/a.zip ; nonsense")
    assert "hunter2" not in str(caught.value)


def test_more_requirements_than_anybody_has_are_refused_before_they_are_read() -> None:
    lines = b"".join(b"Requires-Dist: a%d\n" % number for number in range(20_001))
    with pytest.raises(MetadataError, match="is there 20001 times; 20000 are allowed"):
        parse_metadata(b"Name: x\nVersion: 1\n" + lines, where="METADATA")


def test_files_that_include_each_other_in_a_long_row_are_refused(tmp_path: Path) -> None:
    def read(location: str) -> bytes:
        number = int(Path(location).stem)
        return f"-r {number + 1}.txt\n".encode()

    with pytest.raises(RequirementError, match="the last of 100 files of which each includes the next"):
        read_requirement_file("0.txt", directory=tmp_path, environ={}, read=read)


def test_a_file_may_include_many_others(tmp_path: Path) -> None:
    def read(location: str) -> bytes:
        listed = b"".join(b"-r %d.txt\n" % number for number in range(1, 300))
        return listed if Path(location).stem == "0" else b"fine\n"

    file = read_requirement_file("0.txt", directory=tmp_path, environ={}, read=read)
    assert len(file.requirements) == 299
