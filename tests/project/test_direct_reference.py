from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.errors import RequirementError
from miniuv.models.source import ArchiveSource, DirectorySource, DirectSource, GitSource
from miniuv.project.direct_reference import looks_direct, parse_direct_source
from miniuv.project.git_reference import scp_rewrite

BASE = Path("/nowhere/at/all")


def git(text: str) -> GitSource:
    source, _ = parse_direct_source(text, base=BASE)
    assert isinstance(source, GitSource)
    return source


def refusal(text: str, *, base: Path = BASE, editable: bool = False) -> RequirementError:
    with pytest.raises(RequirementError) as caught:
        parse_direct_source(text, base=base, editable=editable)
    assert "TOKEN" not in f"{caught.value} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize(
    ("text", "repository", "ref", "subdirectory"),
    [
        ("git+https://host/org/repo.git", "https://host/org/repo.git", None, None),
        ("git+https://host/org/repo@main", "https://host/org/repo", "main", None),
        ("git+http://host:8080/repo@v1.0#subdirectory=a/b", "http://host:8080/repo", "v1.0", "a/b"),
        ("git+ssh://git@host/org/repo.git@feature/x", "ssh://git@host/org/repo.git", "feature/x", None),
        ("git+ssh://git@host:2222/~me/repo", "ssh://git@host:2222/~me/repo", None, None),
        ("git+file:///srv/repo.git@refs/pull/12/head", "file:///srv/repo.git", "refs/pull/12/head", None),
        ("git+https://host/r@release%40home%231#egg=r&subdirectory=./x/", "https://host/r", "release@home#1", "x"),
        ("git+https://host/%40scope/r@" + "a" * 40, "https://host/%40scope/r", "a" * 40, None),
        ("GIT+HTTPS://host/r", "https://host/r", None, None),
        ("git+https://host/r#subdirectory=.", "https://host/r", None, None),
    ],
)
def test_git_references_are_taken_apart(text: str, repository: str, ref: str | None, subdirectory: str | None) -> None:
    source = git(text)
    assert (source.repository.shown.replace("HTTPS", "https"), source.ref, source.subdirectory) == (
        repository,
        ref,
        subdirectory,
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://user:TOKEN@host/r",
        "https://TOKEN@host/r",
        "https://u:T%40OKEN@host/r",
    ],
)
def test_credentials_reach_git_and_nobody_else(address: str) -> None:
    source = git(f"git+{address}@main")
    assert source.repository.reveal() == address
    assert source.ref == "main"
    assert "OKEN" not in f"{source} {source!r} {source.repository}"


def test_a_query_stays_with_the_repository_and_keeps_its_secret() -> None:
    source = git("git+https://host/r@main?private_token=TOKEN#subdirectory=x")
    assert source.repository.reveal() == "https://host/r?private_token=TOKEN"
    assert (source.ref, source.subdirectory) == ("main", "x")
    assert "TOKEN" not in f"{source} {source!r}"


@pytest.mark.parametrize(
    "text",
    [
        "git+ext::sh",
        "git+fd::17",
        "git+-uX",
        "git+https:/host/r",
        "git+ftp://host/r",
        "git+git://host/r",
        "git+file:///x --upload-pack=y",
        "git+file://host/x",
        "git+https:///r",
        "git+https://host",
        "git+https://host/",
        "git+https://host/@scope/r",
        "git+https://host/r@a@b",
        "git+https://host:port/r",
        "git+https://host:99999/r",
        "git+https://[::1/r",
        "git+https://host/a%0ab",
        "git+ssh://-oProxyCommand=x/r",
        "git+ssh://%2DoProxyCommand=x/r",
        "git+ssh://h:-p/r",
        "git+ssh://-u@host/r",
        *(
            f"git+https://host/r@{ref}"
            for ref in ("", "-x", "--upload-pack=x", "a..b", "@{u}", "a:b", "a%0Ab", "a%20b", "refs/../x", "a.lock")
        ),
        *(f"git+https://host/r@{ref}" for ref in ("a//b", "a/", "/a", ".a", "a~1", "a^", "%40", "%ff", "a;b", "a%5Cb")),
        *(
            f"git+https://host/r#subdirectory={folder}"
            for folder in ("..", "a/../..", "/x", "a%2F..%2F..", "a\\b", ".git/hooks", "a%0Ab")
        ),
        "git+https://host/r#main",
        "git+https://host/r#subdir=x",
        "git+https://host/r#sha256=" + "0" * 64,
        "git+https://host/r#egg=a&egg=b",
    ],
)
def test_what_git_could_misread_is_refused_before_git_is_started(text: str) -> None:
    assert "\n" not in str(refusal(text))


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("git@host.org:org/repo.git", "git+ssh://git@host.org/org/repo.git"),
        ("git+git@host.org:org/repo.git@v1", "git+ssh://git@host.org/org/repo.git@v1"),
        ("git+ssh://git@host.org:org/repo.git", "git+ssh://git@host.org/org/repo.git"),
        ("ssh://git@host:org/repo", "git+ssh://git@host/org/repo"),
        ("me@host:/srv/repo.git", "git+ssh://me@host/srv/repo.git"),
        ("git+host.org:repo", "git+ssh://git@host.org/repo"),
    ],
)
def test_git_s_short_form_is_refused_with_the_url_to_write(text: str, rewritten: str) -> None:
    assert refusal(text).hint == f"write `{rewritten}`"


@pytest.mark.parametrize(
    "text", ["git+ssh://git@host:22/r", "https://host:80/x", "file:x", "name@https://h/x", "C:x", "git+https://u:p@h/r"]
)
def test_a_url_is_not_taken_for_the_short_form(text: str) -> None:
    assert scp_rewrite(text) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://host/org/repo", "git+https://host/org/repo"),
        ("https://user:TOKEN@host/org/repo.git", "git+https://host/org/repo.git"),
        ("git://host/r", "git+https://host/r"),
        ("ssh://git@host/r", "git+ssh://git@host/r"),
        ("https://host/x.whl;os_name=='nt'", "blank before the `;`"),
        ("git+https://host/r@main;os_name=='nt'", "blank before the `;`"),
        ("git+https://host/r#v1", "`@v1`"),
        ("git+https://host/@org/r", "%40"),
        ("file://a/b", "./a/b"),
    ],
)
def test_a_near_miss_gets_a_hint(text: str, hint: str) -> None:
    assert hint in (refusal(text).hint or "")


@pytest.mark.parametrize("system", ["hg", "svn", "bzr"])
def test_other_systems_are_refused_by_name(system: str) -> None:
    assert f"only git is supported, not `{system}`" in refusal(f"{system}+https://host/r").message


def test_archive_urls_keep_their_hash_and_lose_their_fragment() -> None:
    source, egg = parse_direct_source(
        f"https://user:TOKEN@host/d/thing-1.0.tar.gz?x=1#sha256={'AB' * 32}&subdirectory=s&egg=thing", base=BASE
    )
    assert isinstance(source, ArchiveSource)
    assert source.url.shown == "https://host/d/thing-1.0.tar.gz?x=1"
    assert source.hashes == {"sha256": "ab" * 32}
    assert (source.subdirectory, egg, source.filename) == ("s", "thing", "thing-1.0.tar.gz")


@pytest.mark.parametrize("fragment", ["sha256=ab", "sha256=" + "g" * 64, "sha512=" + "0" * 64, "md5", "sha3=0"])
def test_a_hash_that_is_none_is_refused(fragment: str) -> None:
    refusal(f"https://host/thing-1.0.whl#{fragment}")


@pytest.mark.parametrize("text", ["https:///x.whl", "ftp://host/x.whl", "https://host/page.html", "c:\\x.whl"])
def test_a_url_that_is_no_archive_is_refused(text: str) -> None:
    refusal(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pro ject" / "sub").mkdir(parents=True)
    (tmp_path / "thing-1.0-py3-none-any.whl").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "link").symlink_to("pro ject")
    return tmp_path


def parse_here(text: str, tree: Path, *, editable: bool = False) -> DirectSource:
    return parse_direct_source(text, base=tree, editable=editable)[0]


@pytest.mark.parametrize("text", ["pro ject", "./pro ject/", "pro ject/sub/..", "file:pro%20ject", "{}/pro ject"])
@pytest.mark.parametrize("editable", [True, False])
def test_a_folder_is_a_project_however_it_is_written(tree: Path, text: str, editable: bool) -> None:
    expected = DirectorySource(path=tree / "pro ject", editable=editable)
    assert parse_here(text.format(tree), tree, editable=editable) == expected
    assert parse_here((tree / "pro ject").as_uri(), tree, editable=editable) == expected
    assert parse_here("file://localhost" + (tree / "pro ject").as_uri()[7:], tree, editable=editable) == expected


def test_a_subdirectory_of_a_folder_is_that_folder(tree: Path) -> None:
    expected = DirectorySource(path=tree / "pro ject" / "sub", editable=False)
    assert parse_here("./pro ject#subdirectory=sub", tree) == expected
    assert "no folder" in refusal("./pro ject#subdirectory=absent", base=tree).message


def test_symbolic_links_are_kept_as_written(tree: Path) -> None:
    assert parse_here("./link", tree) == DirectorySource(path=tree / "link", editable=False)


def test_the_home_folder_is_expanded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert parse_here("~/link", BASE) == DirectorySource(path=tree / "link", editable=False)


def test_a_file_is_an_archive(tree: Path) -> None:
    source = parse_here("./thing-1.0-py3-none-any.whl#sha256=" + "0" * 64, tree)
    assert isinstance(source, ArchiveSource)
    assert source.url.reveal() == (tree / "thing-1.0-py3-none-any.whl").as_uri()
    assert source.hashes == {"sha256": "0" * 64}


def test_a_path_that_is_neither_is_refused(tree: Path) -> None:
    assert "does not exist" in refusal("./absent", base=tree).message
    assert "neither a project folder" in refusal("./notes.txt", base=tree).message
    assert "does not exist" in refusal("file:///absent.whl", base=tree).message
    assert "is no path" in refusal("./a\0b", base=tree).message


def test_an_editable_is_a_folder_and_nothing_else(tree: Path) -> None:
    assert "does not exist" in refusal("dagster", base=tree, editable=True).message
    assert "is a file" in refusal("notes.txt", base=tree, editable=True).message
    assert "a folder on this machine" in refusal("https://host/x.whl", editable=True).message


def test_an_editable_repository_is_refused_with_the_two_lines_that_do_it() -> None:
    error = refusal("git+https://user:TOKEN@host/org/repo.git@v1", editable=True)
    assert error.hint is not None
    assert error.hint.splitlines()[1:] == [
        "  git clone --branch v1 https://host/org/repo.git repo",
        "  miniuv pip install -e ./repo",
    ]
    assert refusal("git+git@host.org:o/r", editable=True).hint == "write `git+ssh://git@host.org/o/r`"


@pytest.mark.parametrize(
    ("text", "direct"),
    [
        ("requests", False),
        ("requests[a]>=1; os_name == 'a/b'", False),
        ("name @ ./path", False),
        ("name@https://host/x", False),
        ("./x", True),
        ("x/y", True),
        ("x.whl", True),
        (".", True),
        ("~/x", True),
        ("https://host/x", True),
        ("file:x", True),
        ("git+x", True),
        ("hg+https://x", True),
    ],
)
def test_a_path_or_url_is_told_from_a_name(text: str, direct: bool) -> None:
    assert looks_direct(text) is direct


@given(st.text(alphabet="git+htps:/@#%.-aA0;=&? \\\n[]{}~^", max_size=40))
def test_no_text_causes_anything_but_a_source_or_a_requirement_error(tail: str) -> None:
    for head in ("git+https://host", "git+ssh://", "git+", "https://", "file:", "", "./"):
        try:
            parse_direct_source(head + tail, base=BASE)
        except RequirementError:
            continue
