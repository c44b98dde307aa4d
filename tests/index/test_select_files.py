import random
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from miniuv.index.select import Selection, admissible, best_of, rejection_lines, select
from miniuv.models.interpreter import Interpreter, Scheme
from miniuv.models.source import IndexFile
from miniuv.models.url import Url

FOO = canonicalize_name("foo")
TAGS = (
    "cp312-cp312-manylinux_2_17_x86_64",
    "cp312-cp312-manylinux_2_5_x86_64",
    "cp312-abi3-manylinux_2_17_x86_64",
    "py3-none-any",
)
Pick = Callable[..., Selection]


@pytest.fixture
def target(tmp_path: Path) -> Interpreter:
    return Interpreter(
        executable=tmp_path,
        real_executable=tmp_path,
        prefix=tmp_path,
        base_prefix=tmp_path,
        version=Version("3.12.1"),
        implementation="cpython",
        cache_tag="cpython-312",
        tags=TAGS,
        markers={},
        scheme=Scheme(purelib=tmp_path, platlib=tmp_path, scripts=tmp_path, data=tmp_path, headers=tmp_path),
    )


@pytest.fixture
def pick(target: Interpreter) -> Pick:
    def pick(*files: str | IndexFile, no_build: bool = False) -> Selection:
        made = [named(file) if isinstance(file, str) else file for file in files]
        return select(made, name=FOO, interpreter=target, no_build=no_build)

    return pick


def named(filename: str, *, requires_python: str | None = None, yanked: str | None = None) -> IndexFile:
    return IndexFile(
        filename=filename,
        url=Url.parse(f"https://host/{filename}"),
        index="host",
        requires_python=requires_python,
        yanked=yanked,
    )


def versions(selection: Selection) -> list[str]:
    return [str(version) for version in selection.versions]


def test_versions_come_newest_first_and_wheels_by_the_order_of_tags(pick: Pick) -> None:
    best_first = [
        "foo-2.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "foo-2.0-cp312-cp312-manylinux_2_5_x86_64.whl",
        "foo-2.0-cp312-abi3-manylinux_2_17_x86_64.whl",
        "foo-2.0-2b-py2.py3-none-any.whl",
        "foo-2.0-2a-py3-none-any.whl",
        "foo-2.0-1-py3-none-any.whl",
        "foo-2.0-py3-none-any.whl",
        "foo-2.0.tar.gz",
        "foo-2.0.zip",
    ]
    shuffled = ["foo-1.0.tar.gz", *random.Random(1).sample(best_first, len(best_first)), "foo-10.0.tar.gz"]
    selection = pick(*shuffled)
    assert versions(selection) == ["10.0", "2.0", "1.0"]
    assert [file.filename for file in selection.versions[Version("2.0")]] == best_first


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (named("foo-1.0-cp311-cp311-win_amd64.whl"), "none of its tags fits cpython 3.12.1"),
        (named("foo-1.0-py1-none-any.whl"), "none of its tags"),
        (named("foo-1.0.whl"), "no wheel file name"),
        (named("foo-junk-py3-none-any.whl"), "no wheel file name"),
        (named("foo-1.0-x1-py3-none-any.whl"), "no wheel file name"),
        (named("foo__bar-1.0-py3-none-any.whl"), "no wheel file name"),
        (named("bar-1.0-py3-none-any.whl"), "another project, `bar`"),
        (named("foo-bar-1.0.tar.gz"), "another project, `foo-bar`"),
        (named("foo-1.0.egg"), "neither a wheel nor a source archive"),
        (named("foo-1.0.exe"), "neither"),
        (named("foo.tar.gz"), "no source archive's name"),
        (named(f"foo-{'1.' * 99}x.tar.gz"), "no source archive's name"),
        (named("foo-1.0.tar.gz", requires_python="<3.12"), "it requires Python <3.12, and the target is 3.12.1"),
    ],
)
def test_a_file_that_does_not_fit_says_why(pick: Pick, file: IndexFile, reason: str) -> None:
    selection = pick(file)
    assert not selection.versions
    (rejection,) = selection.rejections
    assert reason in rejection.reason


def test_a_python_range_that_cannot_be_read_excludes_nobody(pick: Pick) -> None:
    assert versions(pick(named("foo-1.0.tar.gz", requires_python="3.x or so"))) == ["1.0"]


def test_names_meet_however_they_are_spelt(target: Interpreter) -> None:
    files = [named("Foo.Bar-1.0-py3-none-any.whl"), named("foo_bar-1.1.tar.gz"), named("foo-bar-1.2.tar.bz2")]
    assert len(select(files, name=canonicalize_name("foo-bar"), interpreter=target).versions) == 3


def test_source_archives_are_left_out_where_nothing_may_be_built(pick: Pick) -> None:
    selection = pick("foo-1.0-py3-none-any.whl", "foo-2.0.tar.gz", no_build=True)
    assert versions(selection) == ["1.0"]
    assert "builds are switched off" in selection.rejections[0].reason


def admitted(selection: Selection, specifier: str, *, prereleases: bool = False) -> list[str]:
    return [str(each) for each in admissible(selection, SpecifierSet(specifier), prereleases=prereleases)]


def test_pre_releases_come_only_where_asked_for_or_where_nothing_else_fits(pick: Pick) -> None:
    selection = pick("foo-1.0.tar.gz", "foo-2.0b1.tar.gz")
    assert admitted(selection, "") == ["1.0"]
    assert admitted(selection, ">1.0") == ["2.0b1"]
    assert admitted(selection, ">=2.0b1") == ["2.0b1"]
    assert admitted(selection, "", prereleases=True) == ["2.0b1", "1.0"]


def test_a_yanked_version_comes_only_where_it_is_pinned(pick: Pick) -> None:
    selection = pick("foo-1.0.tar.gz", named("foo-1.1.tar.gz", yanked="broken"))
    assert admitted(selection, ">=1.0") == ["1.0"]
    assert admitted(selection, "==1.*") == ["1.0"]
    assert admitted(selection, "==1.1") == ["1.1"]
    assert admitted(selection, "===1.1") == ["1.1"]


def test_a_file_that_is_not_yanked_is_taken_before_one_that_is(pick: Pick) -> None:
    selection = pick(named("foo-1.0-py3-none-any.whl", yanked=""), "foo-1.0.tar.gz")
    assert best_of(selection.versions[Version("1.0")]).filename == "foo-1.0.tar.gz"
    assert not selection.is_yanked(Version("1.0"))


def test_reasons_are_told_once_with_a_count(pick: Pick) -> None:
    selection = pick("foo-1.0.egg", "foo-1.1.egg", "bar-1.0.tar.gz")
    assert rejection_lines(selection.rejections) == [
        "`foo-1.1.egg` and 1 more: it is neither a wheel nor a source archive",
        "`bar-1.0.tar.gz`: it belongs to another project, `bar`",
    ]
    assert rejection_lines(selection.rejections, limit=1)[-1] == "and 1 more reasons"
