import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from miniuv.cache import collector as collector_module
from miniuv.cache import exchange as exchange_module
from miniuv.cache import flock
from miniuv.cache.collector import Collection, Collector
from miniuv.cache.inventory import Inventory, take_inventory
from miniuv.cache.layout import EntryKind, Layout
from miniuv.cache.lease import Pinner, Pins, _host
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.owner import Owner
from miniuv.cache.retention import Selection, belonging_to, unused
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
from tests.support.processes import OtherProcess

DAY = 24 * 3600.0

USER = """
from pathlib import Path
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
with Store.open(Path(sys.argv[1]), reporter=Reporter()) as store:
    entry = store.find(sys.argv[2], sys.argv[3])
    say(entry is not None)
    hear()
    if entry is not None:
        say((entry / "file").read_text())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(root, reporter=Reporter()) as store:
        yield store


def put_folder(root: Path, key: str, text: str = "text", *, kind: EntryKind = "git-databases", age: float = 0) -> Path:
    """Publish an entry by a process of the past: nobody pins it any more."""
    with Store.open(root, reporter=Reporter()) as store, store.staging() as staging:
        (staging / "tree").mkdir()
        (staging / "tree" / "file").write_text(text)
        path = store.publish(staging / "tree", kind, key)
    return aged(path, age)


def put_file(root: Path, key: str, text: str = "text", *, kind: EntryKind = "blobs", age: float = 0) -> Path:
    with Store.open(root, reporter=Reporter()) as store, store.staging() as staging:
        (staging / "file").write_text(text)
        path = store.publish(staging / "file", kind, key)
    return aged(path, age)


def put_record(root: Path, action: str, record: Mapping[str, object], *, age: float = 0) -> None:
    with Store.open(root, reporter=Reporter()) as store:
        store.write_record(action, record)
    newest = max((root / "v1" / "index").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    aged(newest, age)


def aged(path: Path, age: float) -> Path:
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def everything(inventory: Inventory) -> Selection:
    return unused(inventory, older_than=0, max_size=None, pinned=frozenset())


def collect(root: Path, select: Callable[[Inventory], Selection] = everything) -> Collection:
    """Collect as a process of its own would, without a lease."""
    with Store.open(root, reporter=Reporter()) as store:
        layout = Layout(root=root)
        collection = Collector(layout, locks=store.locks).collect(lambda pins: select(take_inventory(layout)))
    assert collection is not None
    return collection


def prune(root: Path, **options: float) -> Collection:
    return collect(
        root,
        lambda inventory: unused(
            inventory,
            older_than=options.get("older_than", 30 * DAY),
            max_size=options.get("max_size"),
            pinned=Pins(Layout(root=root)).read().keys(),
        ),
    )


def leftovers(root: Path) -> list[str]:
    """What a collection must not leave behind."""
    kinds = [path for path in (root / "v1").glob("*/*") if path.is_symlink() or path.name.startswith("~")]
    trash = [path for path in (root / "v1" / "trash").rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(str(path.relative_to(root)) for path in (*kinds, *trash))


class TestWhatGoes:
    def test_what_was_not_used_for_long_goes_and_what_was_stays(self, root: Path) -> None:
        old = put_folder(root, "old", age=31 * DAY)
        young = put_folder(root, "young", age=29 * DAY)
        collection = prune(root)
        assert [str(entry) for entry in collection.removed] == ["git-databases/old"]
        assert not old.exists()
        assert (young / "file").read_text() == "text"
        assert collection.size == collection.freed == len("text")
        assert leftovers(root) == []

    def test_a_time_in_the_future_counts_as_now(self, root: Path) -> None:
        put_folder(root, "k", age=-365 * DAY)
        assert not prune(root).removed
        assert prune(root, older_than=0).removed

    def test_the_least_recently_used_go_until_the_cache_is_small_enough(self, root: Path) -> None:
        for key, age in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
            put_folder(root, key, "x" * 100, age=age * DAY)
        assert [entry.key for entry in prune(root, max_size=250).removed] == ["a"]
        assert [entry.key for entry in prune(root, max_size=250).removed] == []
        assert [entry.key for entry in prune(root, max_size=100).removed] == ["c"]

    def test_what_is_in_use_makes_no_room_so_that_something_else_goes(self, root: Path) -> None:
        put_folder(root, "used", "x" * 100, age=9 * DAY)
        put_folder(root, "free", "x" * 100)
        with Store.open(root, reporter=Reporter()) as store:
            store.find("git-databases", "used")
            aged(root / "v1" / "git-databases" / "used", 9 * DAY)
            collection = prune(root, max_size=150)
            assert [entry.key for entry in collection.removed] == ["free"]
            assert [entry.key for entry, _ in collection.kept] == ["used"]

    def test_an_unpacked_wheel_that_nothing_leads_to_goes_at_once(self, root: Path) -> None:
        downloaded, built, local = ("1" * 64, "2" * 64, "3" * 64)
        for digest in (downloaded, built, local):
            put_folder(root, digest, kind="unpacked")
        put_file(root, downloaded)
        put_record(root, "wheel git x", {"wheel": built, "filename": "x-1.0-py3-none-any.whl"})
        assert [entry.key for entry in prune(root).removed] == [local]

    def test_a_record_goes_with_everything_that_it_leads_to(self, root: Path) -> None:
        digest = "1" * 64
        put_folder(root, digest, kind="unpacked", age=31 * DAY)
        put_record(root, "wheel git x", {"wheel": digest})
        put_record(root, "metadata git x", {"name": "x"})
        collection = prune(root)
        assert [record.name for record in collection.records] == ["wheel git x"]
        with Store.open(root, reporter=Reporter()) as store:
            assert store.read_record("metadata git x") == {"name": "x"}

    def test_a_record_that_was_not_read_for_long_goes_and_so_does_junk(self, root: Path) -> None:
        put_record(root, "old", {}, age=31 * DAY)
        put_record(root, "young", {})
        (root / "v1" / "index" / "junk.json").write_text("{")
        assert sorted(record.name for record in prune(root).records) == ["junk.json", "old"]

    def test_logs_go_but_never_those_that_a_process_may_be_writing(self, root: Path, store: Store) -> None:
        with Store.open(root, reporter=Reporter()) as gone:
            for name, age in (("young", 0.0), ("old", 40 * DAY)):
                path = gone.log_path(name)
                path.write_text("log")
                aged(path, age)
        writing = store.log_path("writing")
        writing.write_text("log")
        aged(writing, 40 * DAY)
        assert [log.path.name.partition("-")[0] for log in prune(root).logs] == ["old"]
        assert [log.path.name.partition("-")[0] for log in prune(root, older_than=0).logs] == ["young"]
        assert writing.exists()
        store.close()
        assert [log.path for log in prune(root).logs] == [writing]

    def test_to_a_size_records_that_lead_nowhere_and_logs_go_by_their_own_last_use(self, root: Path) -> None:
        put_file(root, "young", "x" * 100, age=DAY)
        put_record(root, "metadata a", {"text": "x" * 100}, age=3 * DAY)
        put_record(root, "metadata b", {"text": "x" * 100})
        with Store.open(root, reporter=Reporter()) as store:
            log = store.log_path("build")
        log.write_text("x" * 100)
        aged(log, 2 * DAY)
        whole = take_inventory(Layout(root=root)).size
        first = prune(root, max_size=whole - 1)
        assert ([record.name for record in first.records], first.logs, first.removed) == (["metadata a"], [], [])
        second = prune(root, max_size=whole - first.size - 1)
        assert ([each.path for each in second.logs], second.records, second.removed) == ([log], [], [])
        third = prune(root, max_size=whole - first.size - second.size - 1)
        assert ([entry.key for entry in third.removed], third.records) == (["young"], [])

    def test_to_a_size_the_records_that_follow_an_entry_count_as_its_own(self, root: Path) -> None:
        wheel, other = "1" * 64, "2" * 64
        put_folder(root, wheel, "x" * 10, kind="unpacked", age=2 * DAY)
        put_file(root, wheel, "x" * 10, age=2 * DAY)
        put_record(root, "wheel git x", {"wheel": wheel, "text": "x" * 100}, age=9 * DAY)
        put_file(root, other, "x" * 10)
        put_record(root, "wheel git y", {"wheel": other}, age=9 * DAY)
        collection = prune(root, max_size=take_inventory(Layout(root=root)).size - 100)
        assert sorted(map(str, collection.removed)) == [f"blobs/{wheel}", f"unpacked/{wheel}"]
        assert [record.name for record in collection.records] == ["wheel git x"]

    def test_what_belongs_to_a_package_is_found_by_its_name(self, root: Path) -> None:
        wheel, sdist, page = "1" * 64, "2" * 64, "3" * 64
        entry = put_folder(root, wheel, kind="unpacked")
        (entry / "tree" / "Some_Name-1.0.dist-info").mkdir(parents=True)
        put_file(root, wheel)
        put_file(root, sdist)
        put_file(root, page, kind="http")
        put_folder(root, f"some-name-{'a' * 24}.git")
        put_folder(root, f"{'c' * 40}-{'a' * 16}", kind="checkouts")
        put_folder(root, f"other-{'b' * 24}.git")
        environment = put_folder(root, "environment", kind="build-environments")
        (environment / "lib" / "python3.12" / "site-packages" / "some_name-1.0.dist-info").mkdir(parents=True)
        put_record(root, "download https://host/x/some.name-1.0.tar.gz sha1:9", {"sha256": sdist})
        put_record(root, "get json https://host/simple/some-name/", {"body": page})
        collection = collect(root, lambda inventory: belonging_to(inventory, {"some-name"}))
        assert sorted(f"{entry.kind} {entry.name}" for entry in collection.removed) == [
            "blobs https://host/x/some.name-1.0.tar.gz",
            "blobs some-name 1.0",
            "build-environments some-name 1.0",
            f"checkouts some-name at {'c' * 12}",
            "git-databases some-name",
            "http https://host/simple/some-name/",
            "unpacked some-name 1.0",
        ]
        assert len(collection.records) == 2
        assert (root / "v1" / "git-databases" / f"other-{'b' * 24}.git").exists()

    def test_files_that_environments_share_are_not_counted_as_freed(self, root: Path, tmp_path: Path) -> None:
        entry = put_folder(root, "k", "text")
        os.link(entry / "file", tmp_path / "linked")
        collection = prune(root, older_than=0)
        assert (collection.size, collection.freed) == (4, 0)

    def test_what_the_system_refuses_to_remove_is_told(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put_folder(root, "k")

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(collector_module, "exchange", refuse)
        collection = prune(root, older_than=0)
        assert [(entry.key, reason) for entry, reason in collection.refused] == [("k", "Permission denied")]
        assert leftovers(root) == []


class TestUse:
    def test_finding_an_entry_or_reading_a_record_renews_its_last_use_but_at_most_hourly(
        self, root: Path, store: Store
    ) -> None:
        entry = put_folder(root, "k")
        store.write_record("action", {})
        (record,) = (root / "v1" / "index").iterdir()
        for path in (entry, record):
            for age, renewed in ((1800, False), (2 * DAY, True), (-2 * DAY, True)):
                before = aged(path, age).stat().st_mtime
                assert store.find("git-databases", "k") is not None
                store.read_record("action")
                assert (path.stat().st_mtime != before) is renewed

    def test_an_entry_has_an_age_of_its_own(self, root: Path) -> None:
        put_folder(root, "k", age=-10)
        (entry,) = take_inventory(Layout(root=root)).entries
        assert 0 <= time.time() - entry.born < 60


class TestWhoUsesIt:
    def test_what_another_process_uses_stays_and_its_user_is_named(self, root: Path) -> None:
        put_folder(root, "k")
        with OtherProcess(USER, root, "git-databases", "k") as user:
            user.expect("True")
            collection = prune(root, older_than=0)
            assert [entry.key for entry, _ in collection.kept] == ["k"]
            assert f"pid {user.pid} on " in str(collection.kept[0][1][0])
            user.tell()
            assert user.end() == ["text"]
        assert [entry.key for entry in prune(root, older_than=0).removed] == ["k"]

    def test_a_record_that_leads_to_what_is_in_use_stays(self, root: Path, store: Store) -> None:
        digest = "1" * 64
        put_folder(root, digest, kind="unpacked")
        put_record(root, "wheel git x", {"wheel": digest})
        put_record(root, "wheel git y", {"wheel": "2" * 64})
        store.find("unpacked", digest)
        collection = prune(root, older_than=0)
        assert [record.name for record in collection.records] == ["wheel git y"]
        assert store.read_record("wheel git x") == {"wheel": digest}

    def test_what_a_killed_process_used_goes(self, root: Path) -> None:
        put_folder(root, "k")
        with OtherProcess(USER, root, "git-databases", "k") as user:
            user.expect("True")
            user.kill()
        assert [entry.key for entry in prune(root, older_than=0).removed] == ["k"]

    def test_a_lease_that_names_nobody_protects_as_well(self, root: Path) -> None:
        put_folder(root, "k")
        (root / "v1" / "leases" / "elsewhere-1-a").write_text("git-databases/k\n")
        ((_, pinners),) = prune(root, older_than=0).kept
        assert str(pinners[0]) == "an unknown process (lease elsewhere-1-a)"

    def test_a_second_collection_gives_up_at_once(self, root: Path, store: Store) -> None:
        entry = put_folder(root, "k")
        held = store.locks.try_acquire([LockKey.garbage_collection()], step="collect")
        assert held is not None
        with held, Store.open(root, reporter=Reporter()) as other:
            assert Collector(Layout(root=root), locks=other.locks).collect(lambda _: Selection()) is None
        assert entry.exists()


class TestLeases:
    def lease(self, root: Path, name: str, text: str) -> Path:
        Store.open(root, reporter=Reporter()).close()
        path = root / "v1" / "leases" / f"{_host()}-{name}"
        path.write_text(text)
        (root / "v1" / "tmp" / path.name).mkdir()
        return path

    def test_a_process_that_is_seen_to_live_is_believed_whatever_its_lock_says(self, root: Path) -> None:
        lease = self.lease(root, "1-a", Owner.this_process(step="").encode().decode())
        prune(root, older_than=0)
        assert lease.exists()
        assert (root / "v1" / "tmp" / lease.name).exists()

    def test_without_locks_a_process_that_is_seen_to_be_gone_is_cleaned_up_after(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> bool:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(flock, "lock_descriptor", refuse)
        ours = Owner.this_process(step="")
        gone = self.lease(root, "1-a", replace(ours, ticks=ours.ticks - 1).encode().decode())
        unknown = self.lease(root, "2-b", "")
        prune(root, older_than=0)
        assert not gone.exists()
        assert not (root / "v1" / "tmp" / gone.name).exists()
        assert unknown.exists()

    def test_a_temporary_folder_without_a_lease_is_nobodys(self, root: Path) -> None:
        lease = self.lease(root, "1-a", "")
        elsewhere = root / "v1" / "tmp" / "other-host-1-a"
        elsewhere.mkdir()
        lease.unlink()
        prune(root, older_than=0)
        assert not (root / "v1" / "tmp" / lease.name).exists()
        assert elsewhere.exists()  # for a week


class Moment:
    """Lets a test act at the very moment when an entry is hidden, before or after the leases are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, final: Path) -> None:
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None
        self.hits = 0
        read = Pins.read

        def observed(pins: Pins) -> Mapping[str, tuple[Pinner, ...]]:
            hidden = final.is_symlink() or not final.exists()
            if hidden:
                self.hits += 1
            first = hidden and self.hits == 1
            if first and self.before is not None:
                self.before()
            answer = dict(read(pins))
            if first and self.after is not None:
                self.after()
            return answer

        monkeypatch.setattr(Pins, "read", observed)


@pytest.fixture(params=["folder", "file"])
def final(request: pytest.FixtureRequest, root: Path) -> Path:
    return put_folder(root, "k") if request.param == "folder" else put_file(root, "k")


def text_of(entry: Path) -> str:
    return (entry / "file" if entry.is_dir() else entry).read_text()


def publish_again(store: Store, final: Path) -> None:
    with store.staging() as staging:
        staged = staging / "staged"
        if final.parent.name == "blobs":
            staged.write_text("new")
        else:
            staged.mkdir()
            (staged / "file").write_text("new")
        store.publish(staged, final.parent.name, final.name)  # type: ignore[arg-type]


class TestRaces:
    def test_who_found_an_entry_just_before_it_is_hidden_reads_on_and_keeps_it(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moment = Moment(monkeypatch, final)
        seen = []
        moment.before = lambda: seen.append(text_of(final))

        hide = exchange_module.exchange

        def find_then_hide(one: Path, other: Path) -> None:
            assert moment.hits or store.find(final.parent.name, "k") == final  # type: ignore[arg-type]
            hide(one, other)

        monkeypatch.setattr(collector_module, "exchange", find_then_hide)
        collection = collect(root)
        assert [entry.key for entry, _ in collection.kept] == ["k"]
        assert seen == ["text"]
        assert text_of(final) == "text"
        assert not final.is_symlink()
        assert leftovers(root) == []

    def test_who_looks_for_a_hidden_entry_misses_it_and_uses_it_after_all_when_it_is_put_back(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moment = Moment(monkeypatch, final)
        found: list[Path | None] = []
        moment.before = lambda: found.append(store.find(final.parent.name, "k"))  # type: ignore[arg-type]
        collection = collect(root)
        assert found == [None]
        assert [entry.key for entry, _ in collection.kept] == ["k"]
        publish_again(store, final)
        assert text_of(final) == "text"
        assert leftovers(root) == []

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_what_is_published_in_place_of_a_hidden_entry_is_never_touched(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        moment = Moment(monkeypatch, final)
        setattr(moment, when, lambda: publish_again(store, final))
        collect(root)
        assert moment.hits == 1
        assert text_of(final) == "new"
        assert not final.is_symlink()
        store.close()
        collect(root, lambda _: Selection())
        assert text_of(final) == "new"
        assert leftovers(root) == []

    def test_who_looks_after_the_leases_were_read_misses_the_entry_and_makes_another(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moment = Moment(monkeypatch, final)
        found: list[Path | None] = []
        moment.after = lambda: found.append(store.find(final.parent.name, "k"))  # type: ignore[arg-type]
        assert [entry.key for entry in collect(root).removed] == ["k"]
        assert found == [None]
        publish_again(store, final)
        assert text_of(final) == "new"
        assert leftovers(root) == []

    def test_a_link_is_never_mistaken_for_what_was_published_the_moment_after(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_link = collector_module._is_link

        def late(path: Path, text: str) -> bool:
            answer = is_link(path, text)
            if answer:
                publish_again(store, final)  # between the look and the deed
            return answer

        monkeypatch.setattr(collector_module, "_is_link", late)
        collect(root)
        assert text_of(final) == "new"

    def test_without_an_exchange_of_names_a_rename_does(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported(*_: object) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(collector_module, "exchange", unsupported)
        moment = Moment(monkeypatch, final)
        found: list[Path | None] = []
        moment.before = lambda: found.append(store.find(final.parent.name, "k"))  # type: ignore[arg-type]
        assert [entry.key for entry, _ in collect(root).kept] == ["k"]
        assert text_of(final) == "text"
        store.close()
        moment.before = None
        assert [entry.key for entry in collect(root).removed] == ["k"]
        assert leftovers(root) == []


def test_who_was_on_the_way_through_the_link_is_led_back_for_an_hour(
    root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = Moment(monkeypatch, final)
    ways: list[Path] = []

    def set_out() -> None:
        ways.append(final.parent / os.readlink(final))
        store.find(final.parent.name, "k")  # type: ignore[arg-type]

    moment.before = set_out
    collect(root)
    moment.before = None
    collect(root)
    assert text_of(ways[0]) == text_of(final) == "text"
    (folder,) = (root / "v1" / "trash" / "parked").iterdir()
    aged(folder, 3700)
    collect(root)
    assert not folder.exists()
    assert text_of(final) == "text"


class Killed(BaseException):
    """The collector is gone, between two steps."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let every change from the ``step``-th on fail as if nobody were there any more to make it."""
    made = 0

    def counting(change: Callable[..., object]) -> Callable[..., object]:
        def changed(*arguments: object, **options: object) -> object:
            nonlocal made
            made += 1
            if made >= step:
                raise Killed
            return change(*arguments, **options)

        return changed

    for name in ("rename", "symlink", "unlink", "mkdir", "rmdir"):
        monkeypatch.setattr(os, name, counting(getattr(os, name)))
    monkeypatch.setattr(collector_module, "exchange", counting(exchange_module.exchange))


@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_a_collector_may_die_at_every_step_and_the_next_one_leaves_all_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    killed = True
    step = 0
    read = Pins.read
    while killed:
        step += 1
        root = tmp_path / str(step)
        final = put_folder(root, "k")
        found: list[Path | None] = []
        with Store.open(root, reporter=Reporter()) as reader:

            def look(pins: Pins, reader: Store = reader, found: list[Path | None] = found) -> object:
                answer = read(pins)
                if used and not found:
                    found.append(reader.find("git-databases", "k"))  # when this look has just missed him
                return answer

            with monkeypatch.context() as patched:
                kill_at(patched, step)
                patched.setattr(Pins, "read", look)
                try:
                    collect(root)
                    killed = False
                except Killed:
                    pass
            if found:
                assert (final / "file").read_text() == "text"  # whoever had it reads on
            collect(root)
            assert leftovers(root) == []
            if found:
                assert (final / "file").read_text() == "text"
                assert reader.find("git-databases", "k") == final
            else:
                assert not os.path.lexists(final)
    assert step > 5


class TestWithoutRoomForALink:
    """A disk that takes no further file: entries are hidden by another name in their own folder."""

    @pytest.fixture(autouse=True)
    def full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "symlink", refuse)

    def test_what_nobody_uses_goes(self, root: Path, final: Path) -> None:
        collection = collect(root)
        assert [entry.key for entry in collection.removed] == ["k"]
        assert not os.path.lexists(final)
        assert leftovers(root) == []

    def test_who_looks_for_a_hidden_entry_misses_it_and_uses_it_after_all_when_it_is_put_back(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moment = Moment(monkeypatch, final)
        found: list[Path | None] = []
        moment.before = lambda: found.append(store.find(final.parent.name, "k"))  # type: ignore[arg-type]
        assert [entry.key for entry, _ in collect(root).kept] == ["k"]
        assert found == [None]
        assert text_of(final) == "text"
        assert leftovers(root) == []

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_what_is_published_in_place_of_a_hidden_entry_is_never_touched(
        self, root: Path, final: Path, store: Store, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        moment = Moment(monkeypatch, final)
        setattr(moment, when, lambda: publish_again(store, final))
        collect(root)
        assert moment.hits == 1
        assert text_of(final) == "new"
        store.close()
        collect(root, lambda _: Selection())
        assert text_of(final) == "new"
        assert leftovers(root) == []

    @pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
    def test_the_collector_may_die_at_every_step_and_nothing_half_deleted_is_put_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: bool
    ) -> None:
        killed, step = True, 0
        while killed:
            step += 1
            root = tmp_path / str(step)
            final = put_folder(root, "k")
            (final / "other").write_text("text")
            with monkeypatch.context() as patched:
                kill_at(patched, step)
                try:
                    collect(root)
                    killed = False
                except Killed:
                    pass
            with Store.open(root, reporter=Reporter()) as reader:
                there = reader.find("git-databases", "k") if used else None
                collect(root)
                if there is not None or (used and final.exists()):
                    assert sorted(path.name for path in final.iterdir()) == ["file", "other"]
                else:
                    assert not os.path.lexists(final)
                assert leftovers(root) == []
        assert step > 5

    def test_a_hidden_entry_is_in_no_inventory(self, root: Path, final: Path) -> None:
        final.rename(final.with_name("~k"))
        assert take_inventory(Layout(root=root)).entries == ()


def test_while_others_live_the_link_stays_so_that_nothing_they_publish_vanishes_for_a_moment(root: Path) -> None:
    put_file(root, "k")
    with OtherProcess(USER, root, "blobs", "other") as user:
        user.expect("False")
        assert [entry.key for entry in collect(root).removed] == ["k"]
        assert (root / "v1" / "blobs" / "k").is_symlink()
        with Store.open(root, reporter=Reporter()) as store:
            assert store.find("blobs", "k") is None
            with store.staging() as staging:
                (staging / "file").write_text("again")
                assert store.publish(staging / "file", "blobs", "k").read_text() == "again"
    collect(root)
    assert leftovers(root) == []


READER = """
import time
from pathlib import Path
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
deadline = time.monotonic() + float(sys.argv[2])
made = rounds = 0
while time.monotonic() < deadline:
    rounds += 1
    with Store.open(Path(sys.argv[1]), reporter=Reporter()) as store:
        for number in range(8):
            kind, key = ("unpacked", "blobs")[number % 2], f"k{number // 2}"
            entry = store.find(kind, key)
            if entry is None:
                made += 1
                with store.staging() as staging:
                    staged = staging / "staged"
                    if kind == "unpacked":
                        staged.mkdir()
                        for name in "abc":
                            (staged / name).write_text(f"{key}{name}")
                    else:
                        staged.write_text(key)
                    entry = store.publish(staged, kind, key)
            for _ in range(20):
                if kind == "unpacked":
                    assert [(entry / name).read_text() for name in "abc"] == [key + name for name in "abc"]
                else:
                    assert entry.read_text() == key
say(f"{rounds} {made}")
"""


@pytest.mark.parametrize("seconds", [3, pytest.param(40, marks=pytest.mark.stress)])
def test_readers_beside_a_loop_of_collections_never_lose_what_they_use(root: Path, seconds: int) -> None:
    Store.open(root, reporter=Reporter()).close()
    readers = [OtherProcess(READER, root, seconds) for _ in range(2)]
    collections, removed = 0, 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        removed += len(collect(root).removed)
        collections += 1
    for reader in readers:
        with reader:
            rounds, made = map(int, reader.end()[0].split())
            assert rounds > 1
            assert made <= 8 * rounds
    assert collections > 1
    assert removed > 1
    collect(root)
    assert leftovers(root) == []
