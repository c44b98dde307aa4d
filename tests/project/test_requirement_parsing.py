from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from miniuv.errors import RequirementError
from miniuv.models.requirement import Origin, Requirement, UnnamedRequirement
from miniuv.models.source import DirectorySource, GitSource
from miniuv.project.requirements import parse_editable, parse_requirement

TARGET = {
    "implementation_name": "cpython",
    "implementation_version": "3.9.18",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1",
    "platform_system": "Linux",
    "platform_version": "#1",
    "python_full_version": "3.9.18",
    "python_version": "3.9",
    "sys_platform": "linux",
}
USER = Origin(place="the command line")
INDEX = Origin(place="thing-1.0-py3-none-any.whl", requirer="thing 1.0", trusted=False)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for folder in ("proj1", "odd[x]", "odd;name"):
        (tmp_path / folder).mkdir()
    return tmp_path


def parse(text: str, base: Path = Path("/"), origin: Origin = USER) -> Requirement | UnnamedRequirement | None:
    return parse_requirement(text, origin=origin, base=base, markers=TARGET)


def editable(text: str, base: Path) -> Requirement | UnnamedRequirement | None:
    return parse_editable(text, origin=USER, base=base, markers=TARGET)


def refusal(text: str, base: Path = Path("/"), origin: Origin = USER) -> RequirementError:
    with pytest.raises(RequirementError) as caught:
        parse(text, base, origin)
    assert caught.value.where == str(origin)
    assert "\n" not in caught.value.message
    return caught.value


def test_a_named_requirement_is_normalised() -> None:
    requirement = parse("Foo.Bar[A_b, c] >=1,<2 ; python_version < '3.10'")
    assert isinstance(requirement, Requirement)
    assert requirement.name == "foo-bar"
    assert requirement.extras == {"a-b", "c"}
    assert requirement.specifier == SpecifierSet(">=1,<2")
    assert requirement.source is None
    assert requirement.origin == USER


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("python_version < '3.10'", True),
        ("python_full_version == '3.9.18'", True),
        ("sys_platform == 'win32'", False),
        ("extra == 'dev'", False),
        ("platform_release >= '5'", True),
        ("'linux' in sys_platform", True),
    ],
)
def test_markers_are_evaluated_for_the_target_and_not_for_us(marker: str, holds: bool) -> None:
    assert (parse(f"foo ; {marker}") is not None) is holds
    assert (parse(f"git+https://host/r@main ; {marker}") is not None) is holds


def test_a_marker_that_does_not_hold_spares_its_path_from_being_looked_at() -> None:
    assert parse("foo @ file:///absent ; sys_platform == 'win32'") is None
    assert parse("./absent ; sys_platform == 'win32'") is None


def test_a_direct_reference_with_a_name() -> None:
    requirement = parse("gunicorn[gevent] @ git+https://host/g.git@abc#subdirectory=x ; os_name == 'posix'")
    assert isinstance(requirement, Requirement)
    assert isinstance(requirement.source, GitSource)
    assert (requirement.source.ref, requirement.source.subdirectory) == ("abc", "x")
    assert requirement.extras == {"gevent"}


def test_a_url_or_path_without_a_name_has_none(base: Path) -> None:
    assert isinstance(parse("git+https://host/g.git"), UnnamedRequirement)
    folder = parse("./proj1[dev, Test]", base)
    assert folder == UnnamedRequirement(
        source=DirectorySource(path=base / "proj1", editable=False),
        extras=frozenset({"dev", "test"}),
        origin=USER,
    )


def test_an_egg_is_a_name(base: Path) -> None:
    requirement = parse("git+https://host/g.git@v1#egg=Gun_icorn[x]&subdirectory=y")
    assert isinstance(requirement, Requirement)
    assert requirement.name == "gun-icorn"
    assert requirement.extras == {"x"}
    assert "no project name" in refusal("git+https://host/g.git#egg=../x").message
    assert "no project name" in refusal("git+https://host/g.git#egg=x==1").message


def test_a_folder_whose_name_looks_like_syntax_is_still_a_folder(base: Path) -> None:
    for text in ("./odd[x]", "./odd;name"):
        requirement = parse(text, base)
        assert requirement is not None
        assert requirement.source == DirectorySource(path=base / text[2:], editable=False)
    with_extra = editable("./odd[x][dev]", base)
    assert with_extra is not None
    assert with_extra.extras == {"dev"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("foo=1.0", "`==`"),
        ("foo==", None),
        ("foo bar", None),
        ("", None),
        ("foo[", None),
        ("foo --hash=sha256:1", "lines of their own"),
        ("foo @ https://host/x.whl bar", "name @ URL ; marker"),
        ("foo; nonsense == '1'", None),
        ("./proj1 ; nonsense", None),
        ("./proj1[a b]", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(base: Path, text: str, hint: str | None) -> None:
    error = refusal(text, base)
    if hint:
        assert hint in (error.hint or "")


def test_a_secret_in_a_refused_requirement_is_not_shown() -> None:
    for text in ("foo @ https://u:TOKEN@host/x whl", "foo @ https://u:TOKEN@host/x", "https://u:TOKEN@host/x.whl#a=b"):
        assert "TOKEN" not in f"{refusal(text)} {refusal(text).hint}"


def test_an_index_package_may_not_name_a_url() -> None:
    error = refusal("dep @ https://u:TOKEN@host/dep-1.0.tar.gz", origin=INDEX)
    assert str(error).startswith("thing 1.0 (thing-1.0-py3-none-any.whl): requires `dep` from")
    assert "TOKEN" not in f"{error} {error.hint}"
    assert parse("dep @ https://host/dep-1.0.tar.gz ; sys_platform == 'win32'", origin=INDEX) is None
    assert parse("dep>=1", origin=INDEX) is not None


@pytest.mark.parametrize(
    "text", ["proj1", "./proj1", "proj1/", "{}/proj1", "file://{}/proj1", "proj1 ; os_name=='posix'"]
)
def test_an_editable_folder(base: Path, text: str) -> None:
    requirement = editable(text.format(base), base)
    assert requirement == UnnamedRequirement(source=DirectorySource(path=base / "proj1", editable=True), origin=USER)


@pytest.mark.parametrize(
    "text",
    [
        "proj1[dev,Test_x]",
        "./proj1 [dev, test-x]",
        "file://{}/proj1[dev,test.x]",
        "proj1[dev,test-x] ; os_name != 'nt'",
    ],
)
def test_an_editable_with_extras(base: Path, text: str) -> None:
    requirement = editable(text.format(base), base)
    assert requirement is not None
    assert requirement.extras == {"dev", "test-x"}


@pytest.mark.parametrize("text", ["Pro_ject[dev] @ file://{}/proj1", "pro.ject[dev]@./proj1", "pro-ject [dev] @ proj1"])
def test_an_editable_with_a_name(base: Path, text: str) -> None:
    requirement = editable(text.format(base), base)
    assert isinstance(requirement, Requirement)
    assert requirement.name == "pro-ject"
    assert requirement.extras == {"dev"}
    assert requirement.editable


def test_an_editable_whose_marker_does_not_hold_is_left_out(base: Path) -> None:
    assert editable("absent ; sys_platform == 'win32'", base) is None
    assert editable("x @ ./absent ; sys_platform == 'win32'", base) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a folder"),
        ("absent", "does not exist"),
        ("proj1[a b]", "no list of extras"),
        ("x @ git+https://host/r", "not a repository"),
        ("git@host.org:o/r", "short form"),
        ("proj1 ; nonsense", "no valid marker"),
    ],
)
def test_what_is_no_editable_is_refused(base: Path, text: str, message: str) -> None:
    with pytest.raises(RequirementError, match=message) as caught:
        editable(text, base)
    assert caught.value.where == "the command line"


def test_a_hash_travels_with_its_requirement() -> None:
    requirement = parse_requirement(
        "foo==1", origin=USER, base=Path("/"), markers=TARGET, hashes=frozenset({"sha256:00"})
    )
    assert requirement is not None
    assert requirement.hashes == {"sha256:00"}


def test_a_distribution_s_requirements_are_those_of_the_extras_asked_for() -> None:
    texts = (
        "always",
        "dev-only; extra == 'Dev_Tools'",
        "thing[dev-tools]; extra == 'all'",
        "win; sys_platform == 'win32'",
        "unless-dev; extra != 'dev-tools'",
    )

    def names(*extras: str) -> list[str]:
        asked = frozenset(extras)
        found = [parse_requirement(text, origin=INDEX, base=Path("/"), markers=TARGET, extras=asked) for text in texts]
        return [str(requirement) for requirement in found if requirement is not None]

    assert names() == ["always", "unless-dev"]
    assert names("dev-tools") == ["always", "dev-only", "unless-dev"]
    assert names("all") == ["always", "thing[dev-tools]", "unless-dev"]
