"""A resolution that is remembered: given back while nothing has changed, and never when something has."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv import noop
from miniuv.cache.records import pack_record, unpack_record
from miniuv.environment.interpreters import Interpreters
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import ArchiveSource, CommitId, DirectorySource, IndexFile, PinnedGit, PinnedSource
from miniuv.models.url import Url
from miniuv.resolve import resolver
from miniuv.resolve.resolution_record import asked_from_record, resolution_from_record, resolution_to_record
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

FRESH = {"Cache-Control": "max-age=600"}


@dataclass(kw_only=True)
class Asking:
    """Dry runs in an environment that stays empty, and how often something was resolved."""

    world: World
    index: SimpleIndex
    resolved: list[object] = field(default_factory=list)

    def ask(self, *arguments: str, **environ: str) -> tuple[bool, str]:
        """Whether it was resolved anew, and what would be installed."""
        before = len(self.resolved)
        said = self.world.miniuv("pip", "install", "--dry-run", *arguments, environ=environ)
        assert said.code == 0, said.err
        told = "\n".join(line for line in said.err.splitlines() if " in " not in line)
        return len(self.resolved) > before, told

    def settled(self, *arguments: str, **environ: str) -> str:
        """Ask until the answer is remembered; the runs themselves make the files that were read old enough."""
        for _ in range(20):
            anew, told = self.ask(*arguments, **environ)
            if not anew:
                return told
        pytest.fail("it is never remembered")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("memo")
    (folder / "index").mkdir()
    with SimpleIndex(folder / "index", page_headers=FRESH, etag=True) as index:
        world = World.make(folder, index=index.url)
        make_wheel(index.folder, "alpha", "1.0", requires=["beta"])
        make_wheel(index.folder, "beta", "1.0", extras=["more"])
        make_wheel(index.folder, "beta", "2.0", extras=["more"])
        yield Asking(world=world, index=index)


@pytest.fixture
def asking(shared: Asking, monkeypatch: pytest.MonkeyPatch) -> Asking:
    original = resolver.resolve

    def counted(*arguments: object, **named: object) -> object:
        shared.resolved.append(arguments)
        return original(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(resolver, "resolve", counted)
    return shared


def test_the_same_question_is_answered_from_memory_and_in_the_same_words(asking: Asking) -> None:
    first = asking.ask("--explain", "alpha", CASE="1")
    pages = len(asking.index.paths("/simple/"))
    second = asking.ask("--explain", "alpha", CASE="1")

    assert "install beta 2.0: alpha 1.0 requires beta" in first[1]
    assert (first[0], second[0]) == (True, False)
    assert second[1] == first[1]
    assert len(asking.index.paths("/simple/")) == pages


def test_another_question_is_another_resolution(asking: Asking) -> None:
    (asking.world.folder / "limits.txt").write_text("beta<2\n")
    asking.settled("alpha")
    others = [
        ["alpha", "beta"],
        ["alpha[x]"],
        ["alpha<2"],
        ["alpha", "-c", "limits.txt"],
        ["alpha", "--pre"],
        ["alpha", "--no-deps"],
        ["alpha", "--no-build"],
        ["alpha", "--extra-index-url", f"{asking.index.root}/simple"],
        ["alpha", "--index-url", f"{asking.index.root}/simple"],
        ["alpha", "--find-links", "."],
    ]

    assert [other for other in others if not asking.ask(*other)[0]] == []
    assert not asking.ask("alpha", "-c", "limits.txt")[0]
    (asking.world.folder / "limits.txt").write_text("beta<1.5\n")
    assert asking.ask("alpha", "-c", "limits.txt")[0]
    assert asking.ask("alpha", SETUPTOOLS_SCM_PRETEND_VERSION="9")[0]


@pytest.mark.parametrize("option", ["--refresh", "--reinstall", "--reinstall-package=beta"])
def test_who_wants_it_asked_again_has_it_asked_again(asking: Asking, option: str) -> None:
    asking.settled("alpha")
    asking.ask("alpha", option)

    assert asking.ask("alpha", option)[0]


def test_an_upgrade_asks_for_every_page_again_and_remembers_what_they_led_to(asking: Asking) -> None:
    told = asking.settled("-U", "alpha")
    before = len(asking.index.paths("/simple/"))
    anew, again = asking.ask("-U", "alpha")

    assert (anew, again) == (False, told)
    assert sorted(asking.index.paths("/simple/")[before:]) == ["/simple/alpha/", "/simple/beta/"]


def test_an_upgrade_remembers_where_an_index_only_repeats_itself(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.index, "etag", False)
    make_wheel(asking.index.folder, "sigma", "1.0")
    asking.settled("-U", "sigma")

    assert not asking.ask("-U", "sigma")[0]


@pytest.mark.parametrize("name", ["xi", "rho"])
def test_what_an_upgrade_led_to_is_no_answer_without_it(asking: Asking, name: str) -> None:
    make_wheel(asking.index.folder, name, "1.0")
    asking.settled(name, "-U" if name == "xi" else "--upgrade-package=rho")

    assert asking.ask(name)[0]


def test_an_upgrade_hears_of_a_new_version_while_the_page_is_fresh(asking: Asking) -> None:
    make_wheel(asking.index.folder, "omicron", "1.0", requires=["beta"])
    asking.settled("-U", "omicron")
    make_wheel(asking.index.folder, "omicron", "1.1", requires=["beta"])
    before = len(asking.index.paths("/simple/"))
    anew, told = asking.ask("-U", "omicron")

    assert anew
    assert "omicron==1.1" in told
    # who was asked to confirm is not asked once more
    assert sorted(asking.index.paths("/simple/")[before:]) == ["/simple/beta/", "/simple/omicron/"]


def test_an_upgrade_hears_of_a_project_that_is_gone(asking: Asking) -> None:
    wheel = make_wheel(asking.index.folder, "pi", "1.0")
    asking.settled("-U", "pi")
    wheel.unlink()

    assert asking.world.miniuv("pip", "install", "--dry-run", "-U", "pi").code == 1


def test_an_upgrade_of_another_package_is_another_resolution(asking: Asking) -> None:
    asking.settled("alpha", "--upgrade-package=beta")

    assert asking.ask("alpha", "--upgrade-package=alpha")[0]


def test_another_target_is_another_resolution(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    asking.settled("alpha")
    original = Interpreters.target

    def changed(**fields: object) -> bool:
        def target(*arguments: object, **named: object) -> Interpreter:
            return replace(original(*arguments, **named), **fields)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(Interpreters, "target", target)
            return asking.ask("alpha")[0]

    assert changed(tags=("py3-none-any",))
    assert changed(version=Version("3.99"))
    assert changed(markers={**original_markers(asking), "sys_platform": "win32"})
    assert changed(real_executable=Path("/elsewhere/python"))
    assert not asking.ask("alpha")[0]


def original_markers(asking: Asking) -> dict[str, str]:
    from tests.support.pythons import interpreters

    return dict(interpreters().describe(asking.world.python).markers)


def test_what_is_installed_is_part_of_the_question(asking: Asking) -> None:
    asking.settled("alpha")
    asking.world.install("beta==1.0")
    anew, told = asking.ask("alpha")
    assert asking.world.miniuv("pip", "uninstall", "beta").code == 0

    assert anew
    assert "beta" not in told
    assert not asking.ask("alpha")[0]


def records(world: World) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    for path in (Path(world.environ["MINIUV_CACHE_DIR"]) / "v1" / "index").glob("*.json"):
        unpacked = unpack_record(path.read_bytes())
        assert unpacked is not None
        yield path, *unpacked


def test_a_page_that_is_no_longer_fresh_is_asked_for(asking: Asking) -> None:
    asking.settled("alpha")
    for path, action, record in records(asking.world):
        if "fetched" in record:
            path.write_bytes(pack_record(action, {**record, "fetched": record["fetched"] - 601}))

    assert asking.ask("alpha")[0]
    assert not asking.ask("alpha")[0]


def test_a_page_that_somebody_else_found_changed_is_looked_at(asking: Asking) -> None:
    make_wheel(asking.index.folder, "delta", "1.0")
    asking.settled("delta")
    make_wheel(asking.index.folder, "delta", "1.1")
    assert "delta==1.0" in asking.settled("delta")  # its page is fresh
    asking.ask("delta", "--refresh")

    anew, told = asking.ask("delta")
    assert anew
    assert "delta==1.1" in told


def test_a_page_without_a_lifetime_is_asked_for_every_time(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking.index, "page_headers", {})
    make_wheel(asking.index.folder, "epsilon", "1.0")
    for _ in range(2):
        asking.ask("epsilon")

    assert asking.ask("epsilon")[0]


def test_a_folder_of_wheels_that_changes_is_listed_again(asking: Asking) -> None:
    links = asking.world.folder / "links"
    asked = ("zeta", "--no-index", "--find-links", "links")
    make_wheel(links, "beta", "1.0")
    make_wheel(links, "zeta", "1.0")
    asking.settled(*asked)
    make_wheel(links, "zeta", "1.1", requires=["beta"])
    anew, told = asking.ask(*asked)
    assert anew
    assert "zeta==1.1" in told

    asking.settled(*asked)
    before = links.stat()
    make_wheel(links, "zeta", "1.1")
    assert links.stat().st_mtime_ns == before.st_mtime_ns
    anew, told = asking.ask(*asked)
    assert anew
    assert "beta" not in told


def test_a_local_wheel_that_changes_is_read_again(asking: Asking) -> None:
    make_wheel(asking.world.folder, "eta", "1.0")
    asking.settled("./eta-1.0-py3-none-any.whl")
    make_wheel(asking.world.folder, "eta", "1.0", requires=["beta"])

    anew, told = asking.ask("./eta-1.0-py3-none-any.whl")
    assert anew
    assert "beta" in told


def test_an_editable_that_changes_is_read_again(asking: Asking) -> None:
    write_project(asking.world.folder, "theta", dependencies=["beta"])
    asking.settled("-e", "theta")
    write_project(asking.world.folder, "theta", dependencies=["alpha"])

    anew, told = asking.ask("-e", "theta")
    assert anew
    assert "alpha" in told


def test_metadata_that_only_a_backend_knows_is_not_taken_from_memory_unproven(asking: Asking) -> None:
    write_project(asking.world.folder, "iota", dynamic=True)
    for _ in range(3):
        asking.ask("-e", "iota")

    assert asking.ask("-e", "iota")[0]


@pytest.mark.parametrize("options", [(), ("-U",)])
def test_a_commit_is_remembered_and_a_branch_is_not(asking: Asking, options: tuple[str, ...]) -> None:
    repository = GitRepository.create(asking.world.folder / f"kappa{len(options)}.git")
    commit = repository.commit(project_files("kappa", dependencies=["beta"]))
    asking.settled(f"kappa @ git+{repository.url}@{commit}", *options)
    for _ in range(3):
        asking.ask(f"kappa @ git+{repository.url}@main", *options)
    repository.commit(project_files("kappa", dependencies=["alpha"]))

    assert "alpha" in asking.ask(f"kappa @ git+{repository.url}@main", *options)[1]
    assert not asking.ask(f"kappa @ git+{repository.url}@{commit}", *options)[0]


def test_a_branch_named_by_an_editable_is_asked_for_every_time(asking: Asking) -> None:
    repository = GitRepository.create(asking.world.folder / "lambda.git")
    repository.commit(project_files("lam"))
    write_project(asking.world.folder, "mu", dependencies=[f"lam @ git+{repository.url}@main"])
    for _ in range(3):
        asking.ask("-e", "mu")

    assert asking.ask("-e", "mu")[0]


def test_what_warns_warns_again(asking: Asking) -> None:
    for _ in range(2):
        said = asking.world.miniuv("pip", "install", "--dry-run", "beta[none]")
        assert "does not provide the extra" in said.err


def test_no_secret_is_remembered(asking: Asking) -> None:
    secret = asking.index.url.replace("http://", "http://me:hunter2@")
    for _ in range(2):
        asking.ask("alpha", "--index-url", secret)

    assert [path for path, *kept in records(asking.world) if "hunter2" in json.dumps(kept)] == []


def test_the_fast_exit_knows_the_folders_of_a_resolution_from_memory(asking: Asking) -> None:
    write_project(asking.world.folder, "nu")
    asking.settled("-e", "nu")
    before = Path.cwd()
    os.chdir(asking.world.folder)
    try:
        for _ in range(3):
            asking.world.install("-e", "nu")
            standing = noop.standing(("pip", "install", "-e", "nu"), asking.world.environ)
            assert asking.world.miniuv("pip", "uninstall", "nu").code == 0
            assert standing is None  # its backend lies in the folder itself: nothing proves that it is unchanged
    finally:
        os.chdir(before)


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_DIGESTS = st.dictionaries(st.sampled_from(["sha256", "md5"]), st.text("0123456789abcdef", min_size=1, max_size=8))
_URLS = st.sampled_from(["https://host.invalid/a b".replace(" ", "%20"), "file:///x/y.whl", "ssh://git@host.invalid/r"])
_SOURCES: st.SearchStrategy[PinnedSource] = st.one_of(
    st.builds(DirectorySource, path=st.just(Path("/some/where")), editable=st.booleans()),
    st.builds(
        PinnedGit,
        repository=_URLS.map(Url.parse),
        commit=st.just(CommitId("a" * 40)),
        requested=st.none() | _TEXT,
        subdirectory=st.none() | _TEXT,
    ),
    st.builds(ArchiveSource, url=_URLS.map(Url.parse), hashes=_DIGESTS, subdirectory=st.none() | _TEXT),
    st.builds(
        IndexFile,
        filename=_TEXT,
        url=_URLS.map(Url.parse),
        index=_TEXT,
        hashes=_DIGESTS,
        metadata_hashes=st.none() | _DIGESTS,
        requires_python=st.none() | _TEXT,
        yanked=st.none() | _TEXT,
        size=st.none() | st.integers(0, 2**40),
    ),
)


def _resolution(source: PinnedSource | InstalledDistribution, text: str) -> Resolution:
    name = NormalizedName("one")
    metadata = CoreMetadata(
        display_name="One",
        version=Version("1.0"),
        requires_dist=("two",),
        requires_python=SpecifierSet(">=3.9"),
        provides_extra=frozenset({"more"}),
    )
    candidate = Candidate(name=name, version=metadata.version, source=source, hashes=frozenset({"sha256:aa"}))
    return Resolution(
        candidates={name: candidate},
        metadata={name: metadata},
        requested=frozenset({name}),
        dependencies={name: frozenset({NormalizedName("two")})},
        reasons={name: (text,)},
    )


@given(_SOURCES, _TEXT)
def test_a_resolution_comes_back_from_its_record(source: PinnedSource, text: str) -> None:
    resolution = _resolution(source, text)
    record = json.loads(json.dumps(resolution_to_record(resolution)))

    assert resolution_from_record(record) == resolution
    assert repr(resolution_from_record(record)) == repr(resolution)


def _spoiled(record: dict[str, object]) -> Iterator[dict[str, object]]:
    for key in record:
        yield {name: value for name, value in record.items() if name != key}
        value: object
        for value in (None, 7, "text", ["x"], {"one": 7}, {"one": {}}):
            yield {**record, key: value}


def test_a_record_of_another_form_is_no_resolution() -> None:
    source = DirectorySource(path=Path("/x"), editable=True)
    record = resolution_to_record(_resolution(source, ""))
    assert record is not None
    found = [
        spoiled
        for spoiled in _spoiled(record)
        if resolution_from_record(spoiled) and asked_from_record(spoiled) is not None
    ]

    assert [spoiled["requested"] for spoiled in found] == ["text", ["x"], {"one": 7}, {"one": {}}]


def test_a_secret_address_is_not_written_down() -> None:
    secret = ArchiveSource(url=Url.parse("https://me:pw@host.invalid/x.whl"))
    folder = DirectorySource(path=Path("/x"), editable=True)

    assert resolution_to_record(_resolution(secret, "")) is None
    assert resolution_to_record(_resolution(folder, ""), asked=[secret]) is None


def test_what_is_installed_comes_back_as_what_is_installed_now() -> None:
    metadata = CoreMetadata(display_name="one", version=Version("1.0"))
    installed = InstalledDistribution(metadata=metadata, info=Path("/x"), location=Path("/"))
    record = resolution_to_record(_resolution(installed, ""))
    assert record is not None

    assert resolution_from_record(record, installed=[installed]) == _resolution(installed, "")
    assert resolution_from_record(record) is None


@given(st.lists(_SOURCES))
def test_what_was_looked_at_comes_back_from_the_record(sources: list[PinnedSource]) -> None:
    folder = DirectorySource(path=Path("/x"), editable=True)
    record = json.loads(json.dumps(resolution_to_record(_resolution(folder, ""), asked=sources)))

    assert asked_from_record(record) == tuple(sources)
    assert asked_from_record({**record, "asked": [{}]}) is None


@pytest.mark.parametrize("options", [(), ("-U",)])
def test_what_is_kept_beside_a_commit_is_remembered(asking: Asking, options: tuple[str, ...]) -> None:
    name = f"tau{len(options)}"
    repository = GitRepository.create(asking.world.folder / f"{name}.git")
    commit = repository.commit(project_files(name))
    write_project(asking.world.folder, f"for-{name}", dependencies=[f"{name} @ git+{repository.url}@{commit}"])
    asking.world.install("--no-deps", f"{name} @ git+{repository.url}@{commit}")
    try:
        assert name not in asking.settled(f"{name}", "-e", f"for-{name}", *options).replace(f"for-{name}", "")
    finally:
        assert asking.world.miniuv("pip", "uninstall", name).code == 0

    assert asking.ask(f"{name}", "-e", f"for-{name}", *options)[0]
