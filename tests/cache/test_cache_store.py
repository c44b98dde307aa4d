import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout
from miniuv.cache.lock_keys import text_digest
from miniuv.cache.records import pack_record, with_checksum
from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.reporter import Reporter
from tests.support.processes import OtherProcess, RecordingReporter

OPEN_STORE = """
import os
from pathlib import Path
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
store = Store.open(Path(sys.argv[1]), reporter=Reporter())
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        yield store


def publish_folder(store: Store, key: str, text: str) -> Path:
    with store.staging() as staging:
        (staging / "tree").mkdir()
        (staging / "tree" / "file").write_text(text)
        return store.publish(staging / "tree", "unpacked", key)


def publish_file(store: Store, key: str, text: str) -> Path:
    with store.staging() as staging:
        (staging / "file").write_text(text)
        return store.publish(staging / "file", "blobs", key)


def test_what_was_published_is_found(store: Store) -> None:
    assert store.find("unpacked", "k") is None
    published = publish_folder(store, "k", "text")
    assert store.find("unpacked", "k") == published
    assert (published / "file").read_text() == "text"


def test_who_comes_second_drops_his_folder_and_uses_the_first(store: Store) -> None:
    first = publish_folder(store, "k", "first")
    assert publish_folder(store, "k", "second") == first
    assert (first / "file").read_text() == "first"


def test_who_comes_second_drops_his_file_and_uses_the_first(store: Store) -> None:
    first = publish_file(store, "k", "first")
    assert publish_file(store, "k", "second") == first
    assert first.read_text() == "first"


def test_processes_that_publish_at_once_all_get_one_whole_entry(tmp_path: Path) -> None:
    code = (
        OPEN_STORE
        + """
with store.staging() as staging:
    tree = staging / "tree"
    tree.mkdir()
    for number in range(50):
        (tree / str(number)).write_text(str(os.getpid()))
    say("ready")
    hear()
    entry = store.publish(tree, "unpacked", "k")
    files = sorted(entry.iterdir())
    say(f"{len(files)} {len({file.read_text() for file in files})}")
"""
    )
    others = [OtherProcess(code, tmp_path / "cache") for _ in range(4)]
    for other in others:
        other.expect("ready")
    for other in others:
        other.tell()
    for other in others:
        with other:
            assert other.end() == ["50 1"]


def test_a_staging_folder_is_gone_at_the_end_whatever_happened(store: Store) -> None:
    def work(staging: Path) -> None:
        seen.append(staging)
        (staging / "locked").mkdir()
        (staging / "locked" / "file").write_text("")
        (staging / "locked").chmod(0o500)
        raise ZeroDivisionError

    seen: list[Path] = []
    with pytest.raises(ZeroDivisionError), store.staging("my work") as staging:
        work(staging)
    assert not seen[0].exists()


def unfinished(store: Store) -> list[Path]:
    return [*(store.root / "v1" / "tmp").glob("*/*")]


def test_bytes_are_published_as_a_file_and_nothing_is_left_over(store: Store) -> None:
    published = store.publish_bytes(b"text", "http", "k")
    assert store.find("http", "k") == published
    assert published.read_bytes() == b"text"
    assert unfinished(store) == []


def test_who_publishes_bytes_second_drops_his_and_uses_the_first(store: Store) -> None:
    first = store.publish_bytes(b"first", "http", "k")
    assert store.publish_bytes(b"second", "http", "k") == first
    assert first.read_bytes() == b"first"
    assert unfinished(store) == []


def test_bytes_that_cannot_be_published_leave_nothing_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert store.find("http", "k") is None  # which makes our lease, by a rename too
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(CacheError, match="no space left on device"):
        store.publish_bytes(b"text", "http", "k")
    assert store.find("http", "k") is None
    assert unfinished(store) == []


def test_a_full_disk_while_staging_is_an_error_that_says_where_and_how_much_is_free(store: Store) -> None:
    with (
        pytest.raises(CacheError, match="no space left on device") as caught,
        store.staging() as staging,
        open("/dev/full", "w") as file,
    ):
        file.write("x" * 100_000)
    assert caught.value.where == str(staging)
    assert "MB are free" in str(caught.value.hint)


def test_an_ordinary_error_while_staging_is_left_as_it_is(store: Store) -> None:
    with pytest.raises(FileNotFoundError), store.staging() as staging:
        (staging / "nothing").read_text()


def test_a_write_beyond_the_limit_of_file_sizes_is_an_error_and_publishes_nothing(tmp_path: Path) -> None:
    code = (
        OPEN_STORE
        + """
import resource
from miniuv.errors import CacheError
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    with store.staging() as staging:
        (staging / "file").write_bytes(bytes(20_000))
        store.publish(staging / "file", "blobs", "k")
except CacheError as error:
    say(f"{bool(error.hint)} {store.find('blobs', 'k')}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.close()
"""
    )
    with OtherProcess(code, tmp_path / "cache") as other:
        assert other.end() == ["True None"]


def test_a_damaged_entry_is_dropped_at_once(store: Store) -> None:
    publish_folder(store, "k", "bad")
    store.discard("unpacked", "k")
    store.discard("unpacked", "k")
    assert store.find("unpacked", "k") is None
    assert (publish_folder(store, "k", "good") / "file").read_text() == "good"


def test_a_record_is_read_back_and_replaced(store: Store) -> None:
    assert store.read_record("action") is None
    store.write_record("action", {"digest": "1"})
    store.write_record("action", {"digest": "2", "list": [1, None]})
    assert store.read_record("action") == {"digest": "2", "list": [1, None]}


def test_an_action_may_name_a_path_that_is_no_unicode(store: Store) -> None:
    action = "build " + os.fsdecode(b"/tmp/caf\xe9")
    store.write_record(action, {"path": action})
    assert store.read_record(action) == {"path": action}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        pack_record("other", {"digest": "1"}),
        with_checksum(b'{"action": "action", "record": 1}'),
        with_checksum(b'{"record": {"digest": "1"}}'),
        with_checksum(b"[" * 100_000),
        pack_record("action", {"digest": "1"}).replace(b'"1"', b'"3"'),
    ],
    ids=["empty", "cut", "binary", "list", "of another action", "no mapping", "of no action", "deep", "edited"],
)
def test_a_record_that_makes_no_sense_is_a_miss_and_can_be_written_anew(store: Store, junk: bytes) -> None:
    path = Layout(root=store.root).record(text_digest("action"))
    path.write_bytes(junk)
    assert store.read_record("action") is None
    store.write_record("action", {"digest": "2"})
    assert store.read_record("action") == {"digest": "2"}


def test_a_secret_in_an_action_never_reaches_the_disk(store: Store) -> None:
    action = "GET https://user:s3cr3t@host/simple/?token=s3cr3t"
    store.write_record(action, {})
    assert store.read_record(action) == {}
    assert not [path for path in store.root.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]


def test_what_a_killed_process_left_unfinished_goes_and_what_a_living_one_does_stays(tmp_path: Path) -> None:
    code = (
        OPEN_STORE
        + """
with store.staging() as staging:
    (staging / "file").write_text("half")
    say(staging)
    hear()
"""
    )
    with OtherProcess(code, tmp_path / "cache") as killed, OtherProcess(code, tmp_path / "cache") as living:
        left, used = Path(killed.line()), Path(living.line())
        killed.kill()
        with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
            store.find("blobs", "k")
            assert not left.parent.exists()
            assert (used / "file").read_text() == "half"
            assert len(list((store.root / "v1" / "leases").iterdir())) == 2
        living.tell()
        living.end()


def test_a_closed_store_leaves_neither_a_lease_nor_anything_unfinished(tmp_path: Path) -> None:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store, store.staging():
        pass
    store.close()
    assert not list((tmp_path / "cache" / "v1" / "leases").iterdir())
    assert not list((tmp_path / "cache" / "v1" / "tmp").iterdir())
    with pytest.raises(CacheError, match="closed"):
        store.find("blobs", "k")


def test_an_entry_is_pinned_in_the_lease_before_it_is_looked_for(store: Store) -> None:
    store.find("blobs", "a")
    store.find("blobs", "a")
    publish_folder(store, "b", "text")
    (lease,) = (store.root / "v1" / "leases").iterdir()
    assert lease.read_text().splitlines()[1:] == ["blobs/a", "unpacked/b"]


def test_a_forked_child_that_closes_the_store_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    code = (
        OPEN_STORE
        + """
with store.staging() as staging:
    child = os.fork()
    if not child:
        store.close()
        os._exit(0)
    os.waitpid(child, 0)
    say(staging.exists())
store.close()
"""
    )
    with OtherProcess(code, tmp_path / "cache") as other:
        assert other.end() == ["True"]


def test_a_cache_whose_folders_were_deleted_meanwhile_goes_on(store: Store) -> None:
    for name in ("unpacked", "index", "logs", "tmp"):
        (store.root / "v1" / name).rmdir()
    assert publish_folder(store, "k", "text").exists()
    store.write_record("action", {"a": 1})
    assert store.read_record("action") == {"a": 1}
    store.log_path("x").write_text("")


def test_logs_have_fresh_names_and_only_the_youngest_are_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        logs = store.root / "v1" / "logs"
        for number in range(205):
            path = logs / f"{number}.log"
            path.write_text("")
            os.utime(path, (number, number))
        assert store.log_path("a b/../c") != store.log_path("a b/../c")
        assert store.log_path("a b/../c").parent == logs
        assert not (logs / "4.log").exists()
        assert (logs / "5.log").exists()


READ_ONLY = """
import codecs, json, os, re, secrets, shutil, tempfile  # later this user may see none of them
from pathlib import Path
from miniuv.cache.store import Store
from tests.support.processes import RecordingReporter
codecs.lookup("ascii")
if os.geteuid() == 0:
    os.setgid(12345)
    os.setuid(12345)
root, place = Path(sys.argv[1]), Path(sys.argv[2])
tempfile.tempdir = str(place)
try:
    (root / "v1" / "probe").write_text("")
except PermissionError:
    say("a plain write fails")
reporter = RecordingReporter()
with Store.open(root, reporter=reporter, runtime=place) as store:
    say(store.find("blobs", "old").read_text())
    say(store.read_record("old"))
    with store.staging() as staging:
        (staging / "file").write_text("new")
        say(store.publish(staging / "file", "blobs", "new").read_text())
    store.write_record("new", {"n": 1})
    say(store.read_record("new"))
    store.discard("blobs", "old")
    say(store.find("blobs", "old"))
    say(store.find("blobs", "new").read_text())
    say(len(reporter.warnings))
say(len(list(place.iterdir())))
"""


def test_a_cache_that_cannot_be_written_is_read_and_a_private_one_takes_what_is_new(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = Path(tempfile.mkdtemp())  # pytest's own folder is closed to the user we become
    try:
        base.chmod(0o755)
        with Store.open(base / "cache", reporter=Reporter()) as store:
            publish_file(store, "old", "old")
            store.write_record("old", {"o": 1})
        (base / "place").mkdir()
        if os.geteuid() == 0:
            os.chown(base / "place", 12345, 12345)
        for path in (base / "cache", *(base / "cache").rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with OtherProcess(READ_ONLY, base / "cache", base / "place") as other:
            said = other.end()
        for path in (base / "cache", *(base / "cache").rglob("*")):
            path.chmod(0o755)
    finally:
        shutil.rmtree(base)
    assert said == ["a plain write fails", "old", "{'o': 1}", "new", "{'n': 1}", "None", "new", "1", "0"]


def test_the_warning_about_a_private_cache_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reporter = RecordingReporter()
    with Store.open(tmp_path / "cache", reporter=reporter) as store:
        publish_file(store, "k", "x")
        log = store.log_path("build")
        log.write_text("")
        assert store.root != tmp_path / "cache"
        store.close(keep_logs=True)
        assert [path for path in store.root.rglob("*") if path.is_file()] == [log]
    assert len(reporter.warnings) == 1
