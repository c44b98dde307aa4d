import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout
from miniuv.cache.store import Store
from miniuv.errors import CacheError, MiniuvError
from miniuv.reporter import Reporter
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import GitRoom, open_room, plain_environment


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository.create(tmp_path / "lib.git")
    for number in range(3):
        repository.commit({"a": str(number), f"file{number}": "x" * 2000})
    repository.tag("v1", "main~1", annotated=True)
    return repository


def database_of(cache: Path) -> Path:
    (found,) = (cache / "v1" / "git-databases").iterdir()
    return found


def fill(cache: Path, repository: GitRepository) -> Path:
    """Put `main` into the cache, but no checkout of it."""
    with open_room(cache) as room:
        room.repositories.fetch(room.pin(repository.url, "main"))
    return database_of(cache)


def assert_works(cache: Path, repository: GitRepository, copy: Path) -> int:
    """Check out and copy `main` in a new run; return how many fetches that took."""
    with open_room(cache) as room:
        assert (room.checkout(repository.url, "main") / "a").read_text() == "2"
        room.build_copy(repository.url, "main", copy)
        assert git("describe", at=copy).startswith("v1-1-g")
        return room.runner.count("fetch")


def test_a_database_gains_packs_and_references_and_nothing_else(tmp_path: Path, repository: GitRepository) -> None:
    database = fill(tmp_path / "cache", repository)
    files = {path.relative_to(database).as_posix() for path in database.rglob("*") if path.is_file()}
    packs = {name for name in files if name.startswith("objects/pack/")}
    assert {Path(name).suffix for name in packs} >= {".pack", ".idx"}
    assert files - packs == {"HEAD", "boot", "config", "info/attributes", "packed-refs"}
    first = {name: (database / name).read_bytes() for name in packs}
    repository.commit({"a": "3"})
    fill(tmp_path / "cache", repository)
    assert {name: (database / name).read_bytes() for name in packs} == first
    assert len(list(database.glob("objects/pack/*.idx"))) == 2
    git("fsck", "--strict", at=database)


def test_only_what_is_missing_is_sent(tmp_path: Path, repository: GitRepository) -> None:
    database = fill(tmp_path / "cache", repository)
    repository.commit({"a": "3", **{f"file{number}": "x" * 2000 for number in range(3)}})
    fill(tmp_path / "cache", repository)
    sent = sorted(
        sum(" commit " in line for line in git("verify-pack", "-v", str(index), at=database).splitlines())
        for index in database.glob("objects/pack/*.idx")
    )
    assert sent == [1, 3]


def test_a_first_fetch_does_not_look_for_what_is_here_already(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache", environ={"GIT_TRACE": str(tmp_path / "trace")}) as room:
        room.repositories.fetch(room.pin(repository.url, "main"))
    trace = (tmp_path / "trace").read_text()
    assert "index-pack" in trace
    assert "for-each-ref" not in trace


def test_a_deleted_tag_is_forgotten_with_the_next_fetch(tmp_path: Path, repository: GitRepository) -> None:
    database = fill(tmp_path / "cache", repository)
    assert "refs/tags/v1" in (database / "packed-refs").read_text()
    git("tag", "--delete", "v1", at=repository.path)
    repository.commit({"a": "3"})
    fill(tmp_path / "cache", repository)
    assert "refs/tags/v1" not in (database / "packed-refs").read_text()


def _damage() -> Iterator[Callable[[Path], None]]:
    def no_packs(database: Path) -> None:
        for pack in database.glob("objects/pack/*"):
            pack.unlink()

    def truncated(database: Path) -> None:
        for pack in database.glob("objects/pack/*.pack"):
            pack.chmod(0o600)
            os.truncate(pack, 40)

    def flipped(database: Path) -> None:
        for pack in database.glob("objects/pack/*.pack"):
            pack.chmod(0o600)
            content = bytearray(pack.read_bytes())
            content[20:-20] = bytes(byte ^ 0xFF for byte in content[20:-20])
            pack.write_bytes(content)

    def no_references(database: Path) -> None:
        (database / "packed-refs").unlink()

    def empty_references(database: Path) -> None:
        (database / "packed-refs").write_bytes(b"")

    def junk_references(database: Path) -> None:
        (database / "packed-refs").write_bytes(b"\0\xff junk\n^x\n")

    def no_config(database: Path) -> None:
        (database / "config").write_bytes(b"[[[")

    def no_head(database: Path) -> None:
        (database / "HEAD").unlink()

    def stale_locks(database: Path) -> None:
        for name in ("packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"):
            (database / name).touch()

    def a_file(database: Path) -> None:
        shutil.rmtree(database)
        database.write_text("junk")

    def a_missing_object(database: Path) -> None:
        wanted = git("rev-list", "--objects", "--all", at=database).splitlines()
        kept = [line.split()[0] for line in wanted if not line.endswith(" file2")]
        (pack,) = database.glob("objects/pack/*.pack")
        made = git(
            "pack-objects", str(database / "objects" / "pack" / "pack"), at=database, stdin="\n".join(kept).encode()
        )
        for file in database.glob("objects/pack/*"):
            if made not in file.name:
                file.unlink()
        assert not pack.exists()

    def foreign_alternates(database: Path) -> None:
        (database / "objects" / "info" / "alternates").write_text("/nowhere/objects\n\0junk\n")

    yield from (
        no_packs, truncated, flipped, no_references, empty_references, junk_references, no_config, no_head, stale_locks,
        a_file, a_missing_object, foreign_alternates,
    )  # fmt: skip


@pytest.mark.parametrize("damage", list(_damage()), ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("needs_fetch", [False, True], ids=["read", "fetch"])
def test_a_broken_database_heals_itself(
    tmp_path: Path, repository: GitRepository, damage: Callable[[Path], None], needs_fetch: bool
) -> None:
    database = fill(tmp_path / "cache", repository)
    damage(database)
    if needs_fetch:
        side = repository.commit({"a": "side"}, branch="side")
        with open_room(tmp_path / "cache") as room:
            assert (room.checkout(repository.url, side) / "a").read_text() == "side"
    assert assert_works(tmp_path / "cache", repository, tmp_path / "copy") <= 2
    git("fsck", "--connectivity-only", at=database_of(tmp_path / "cache"))


def test_an_empty_reference_is_nothing_that_anybody_believes(tmp_path: Path, repository: GitRepository) -> None:
    database = fill(tmp_path / "cache", repository)
    (database / "refs" / "miniuv").mkdir(parents=True)
    (database / "refs" / "miniuv" / "head").touch()
    assert assert_works(tmp_path / "cache", repository, tmp_path / "copy") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_database_of_another_owner_is_made_anew(tmp_path: Path, repository: GitRepository) -> None:
    database = fill(tmp_path / "cache", repository)
    for path in (database, *database.rglob("*")):
        os.chown(path, 12345, 12345)
    assert assert_works(tmp_path / "cache", repository, tmp_path / "copy") <= 2


def test_a_fetch_that_ends_between_any_two_renames_leaves_nothing_that_is_believed(
    tmp_path: Path, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    for place in range(1, 10):
        cache, calls = tmp_path / f"cache{place}", 0

        def counted(real: Callable[[Path, Path], Path], place: int = place) -> Callable[[Path, Path], Path]:
            def move(self: Path, target: Path) -> Path:
                nonlocal calls
                if "git-databases" in str(target):
                    calls += 1
                    if calls == place:
                        raise Killed
                return real(self, target)

            return move

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted(Path.rename))
            patch.setattr(Path, "replace", counted(Path.replace))
            try:
                fill(cache, repository)
            except Killed:
                pass
            else:
                break
        assert assert_works(cache, repository, tmp_path / f"copy{place}") == 1
    assert place > 2


def test_many_threads_fetch_one_repository_once(tmp_path: Path, repository: GitRepository) -> None:
    commits = git("rev-list", "main", at=repository.path).split()
    failures: list[MiniuvError] = []
    with open_room(tmp_path / "cache") as room:

        def work(number: int) -> None:
            try:
                tree = room.checkout(repository.url, commits[number % 3])
                assert (tree / "a").read_text() == str(2 - number % 3)
                room.build_copy(repository.url, commits[number % 3], tmp_path / f"copy{number}")
            except MiniuvError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert room.runner.count("fetch") == 1


def test_one_thread_that_wants_what_is_missing_does_not_fail_the_others(
    tmp_path: Path, repository: GitRepository
) -> None:
    outcomes: dict[int, str] = {}
    with open_room(tmp_path / "cache") as room:

        def work(number: int) -> None:
            try:
                commit = "1" * 40 if number % 2 else repository.head()
                outcomes[number] = (room.checkout(repository.url, commit) / "a").read_text()
            except MiniuvError as error:
                outcomes[number] = str(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [outcomes[number] for number in range(0, 8, 2)] == ["2"] * 4
    assert all("has no commit" in outcomes[number] for number in range(1, 8, 2))


def test_a_full_disk_is_an_error_of_the_cache(
    tmp_path: Path, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with open_room(tmp_path / "cache") as room, pytest.raises(CacheError, match="no space left"):
        room.checkout(repository.url)


def test_over_a_cache_that_can_only_be_read_only_news_are_fetched(tmp_path: Path, repository: GitRepository) -> None:
    below = fill(tmp_path / "below", repository)
    before = {path: path.stat().st_mtime_ns for path in below.rglob("*")}
    side = repository.commit({"a": "side", "more": "y"}, branch="side")
    with Store.open(tmp_path / "above", reporter=Reporter()) as upper:
        layered = Store(Layout(root=upper.root), readable=Layout(root=tmp_path / "below"), locks=upper.locks)
        room = GitRoom(layered, environ=plain_environment(tmp_path / "home"))
        assert (room.checkout(repository.url, repository.head()) / "a").read_text() == "2"
        assert room.runner.count("fetch") == 0
        assert (room.checkout(repository.url, side) / "a").read_text() == "side"
        room.build_copy(repository.url, repository.head(), tmp_path / "copy")
        assert git("describe", at=tmp_path / "copy").startswith("v1-1-g")
        assert room.runner.count("fetch") == 1
    assert {path: path.stat().st_mtime_ns for path in below.rglob("*")} == before
