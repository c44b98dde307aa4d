"""What happens inside one environment stays there, and a cache that came back from a backup is as good as before."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from demo.git_server import GitServer
from miniuv.archive.intact import examine
from miniuv.archive.manifest import MANIFEST, load_unpacked
from miniuv.cache.seal import SEAL
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.manifests import set_boot
from tests.support.projects import project_files, write_files, write_project
from tests.support.pythons import make_environment
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_SOURCE = "ANSWER = 42\n"


class Shop:
    """A wheel and an sdist on an index, a repository on a git server, and who counts what they are asked for."""

    def __init__(self, world: World, index: SimpleIndex, server: GitServer, commit: str) -> None:
        self.world = world
        self.index = index
        self.server = server
        self.requirements = ("plain", "sourced", f"gitty @ git+{server.url}/gitty.git@{commit}")

    def install(self, environment: str = ".venv", *arguments: str) -> None:
        self.world.install("--compile", *arguments, *self.requirements, "--python", environment)

    def site(self, environment: str = ".venv") -> Path:
        (site,) = (self.world.folder / environment).glob("lib/python*/site-packages")
        return site

    def done(self) -> tuple[int, int, int]:
        """Archives downloaded, packs sent, wheels built."""
        log = self.world.folder / "builds"
        builds = log.read_text().splitlines() if log.exists() else []
        return len(self.index.paths("/files/")), self.server.packs_sent("gitty.git"), len(builds)

    @property
    def cache(self) -> Path:
        return Path(self.world.environ["MINIUV_CACHE_DIR"])

    def unpacked(self) -> Iterator[Path]:
        yield from sorted((self.cache / "v1" / "unpacked").iterdir())


@pytest.fixture
def shop(indexed: World, index: SimpleIndex) -> Iterator[Shop]:
    indexed.environ["TINY_BUILD_LOG"] = str(indexed.folder / "builds")
    make_environment(indexed.folder / ".venv2")
    make_wheel(index.folder, "plain", "1.0", {f"plain/{name}.py": _SOURCE for name in ("__init__", *_DAMAGES)})
    tree = write_files(indexed.folder / "trees" / "sourced-1.0", project_files("sourced", source=_SOURCE))
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n")
    shutil.make_archive(str(index.folder / "sourced-1.0"), "gztar", tree.parent, tree.name)
    repositories = indexed.folder / "repositories"
    repositories.mkdir()
    commit = GitRepository.create(repositories / "gitty.git").commit(project_files("gitty", source=_SOURCE))
    with GitServer(repositories) as server:
        yield Shop(indexed, index, server, commit)


_DAMAGES: dict[str, Callable[[Path], object]] = {
    "edited": lambda path: path.write_text("ANSWER = 'an edit'\n"),
    "swapped": lambda path: path.write_text("ANSWER = 43\n"),  # of the same size
    "truncated": lambda path: os.truncate(path, 0),
    "permitted": lambda path: path.chmod(0o777),
    "deleted": lambda path: path.unlink(),
}


def _state(path: Path) -> tuple[int, str] | None:
    return (path.stat().st_mode & 0o777, path.read_text()) if path.exists() else None


@pytest.mark.parametrize("mode", ["auto", "clone", "hardlink", "copy"])
def test_what_is_done_inside_one_environment_never_reaches_one_that_is_made_later(
    shop: Shop, mode: Literal["auto", "clone", "hardlink", "copy"]
) -> None:
    shop.install(".venv", "--link-mode", mode)
    downloads, packs, builds = shop.done()
    assert (packs, builds) == (1, 2)
    harm = {f"plain/{name}.py": damage for name, damage in _DAMAGES.items()}
    harm |= {"gitty/__init__.py": _DAMAGES["swapped"], "sourced/__init__.py": _DAMAGES["permitted"]}
    for path, damage in harm.items():
        damage(shop.site() / path)
    is_shared = (shop.site() / "gitty" / "__init__.py").stat().st_nlink > 1
    assert is_shared == (mode == "hardlink") or mode == "auto"
    before = {path: _state(shop.site() / path) for path in harm}

    shop.install(".venv2", "--link-mode", mode)

    assert {path: _state(shop.site(".venv2") / path) for path in harm} == dict.fromkeys(harm, (0o644, _SOURCE))
    assert {path: _state(shop.site() / path) for path in harm} == before
    assert shop.done() == (downloads, packs, builds + is_shared)  # the one whose content was changed
    said = shop.world.miniuv("cache", "verify")
    assert said.code == 0, said.err


def test_an_edited_metadata_file_answers_for_nobody_else(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "plain", "1.0", requires=["leaf"])
    make_environment(indexed.folder / ".venv2")
    indexed.install("--link-mode", "hardlink", "plain")
    (info,) = (indexed.folder / ".venv").rglob("plain-1.0.dist-info")
    text = (info / "METADATA").read_text()
    (info / "METADATA").write_text(text.replace("Requires-Dist: leaf", "Requires-Dist: gone"))
    indexed.install("plain", "--python", ".venv2")
    said = indexed.miniuv("pip", "list", "--format", "freeze", "--python", ".venv2")
    assert said.out.split() == ["leaf==1.0", "plain==1.0"]


def test_an_edit_in_an_environment_reaches_no_build(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "helper", "1.0", {"helper.py": _SOURCE})
    for name in ("one", "two"):
        folder = write_project(indexed.folder, name, source="")
        text = (folder / "pyproject.toml").read_text()
        (folder / "pyproject.toml").write_text(text.replace("requires = []", 'requires = ["helper"]'))
        backend = (folder / "backend" / "tiny.py").read_text()
        written = f"open('{name}/__init__.py', 'w') as file: file.write(f'A = {{helper.ANSWER}}')"
        (folder / "backend" / "tiny.py").write_text(f"import helper\nwith {written}\n{backend}")
    indexed.install("--link-mode", "hardlink", "helper")
    (installed,) = (indexed.folder / ".venv").rglob("helper.py")
    installed.write_text("ANSWER = 'edit'\n")
    indexed.install("./one")
    assert indexed.evaluate("import one; print(one.A)") == "42"
    (installed,) = (indexed.folder / ".venv").rglob("helper.py")
    installed.write_text("ANSWER = 'edit'\n")
    indexed.install("./two")
    assert indexed.evaluate("import two; print(two.A)") == "42"
    assert installed.read_text() == "ANSWER = 'edit'\n"


def _restore(cache: Path, folder: Path, *, boot: str | None) -> None:
    """A backup with times in whole seconds, as old tar formats have them, put back; on another machine by ``boot``."""
    if boot is not None:
        for manifest in cache.glob(f"v1/unpacked/*/{MANIFEST}"):
            set_boot(manifest.parent, boot)
        for seal in cache.glob(f"v1/*/*/{SEAL}"):
            seal.write_text("\n".join((boot, *seal.read_text().split("\n")[1:])))
        for mark in cache.glob("v1/git-databases/*/boot"):
            mark.write_text(boot)
    with tarfile.open(folder / "backup.tar", "w", format=tarfile.GNU_FORMAT) as backup:
        backup.add(cache, "cache")
    shutil.rmtree(cache)
    with tarfile.open(folder / "backup.tar") as backup:
        backup.extractall(cache.parent, filter="fully_trusted")


@pytest.mark.parametrize("boot", [None, "another boot"], ids=["this machine", "another machine"])
def test_a_restored_cache_costs_reading_and_neither_a_build_nor_a_download(
    shop: Shop, tmp_path: Path, boot: str | None
) -> None:
    shop.install()
    before = shop.done()
    times = {path.stat().st_mtime_ns for entry in shop.unpacked() for path in entry.glob("tree/*/*.py")}
    _restore(shop.cache, tmp_path, boot=boot)
    assert times.isdisjoint(path.stat().st_mtime_ns for entry in shop.unpacked() for path in entry.glob("tree/*/*.py"))
    shop.install(".venv2")
    assert shop.done() == before
    for entry in shop.unpacked():
        wheel = load_unpacked(entry)
        assert wheel is not None
        condition = examine(wheel)
        assert (condition.damaged, condition.drifted, condition.permissions) == ((), (), ())
        assert wheel.boot != "another boot"


def test_a_torn_download_is_fetched_once_more_where_it_is_needed(shop: Shop) -> None:
    shop.install()
    downloads, packs, builds = shop.done()
    shutil.rmtree(shop.cache / "v1" / "unpacked")
    for blob in (shop.cache / "v1" / "blobs").iterdir():
        blob.write_bytes(bytes(blob.stat().st_size))
    shop.install(".venv2")
    assert shop.done() == (downloads + 2, packs, builds + 2)
    assert (shop.site(".venv2") / "plain" / "__init__.py").read_text() == _SOURCE


def test_every_install_can_be_made_durable(shop: Shop) -> None:
    shop.world.environ["MINIUV_FSYNC"] = "1"
    shop.install()
    assert (shop.site() / "gitty" / "__init__.py").read_text() == _SOURCE
