"""The checker of lock logs, fed one log for each way to break a rule; and a log that the real thing writes."""

import threading
from pathlib import Path

import pytest

from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.lock_log import LockLog
from miniuv.cache.locks import LockManager
from miniuv.reporter import Reporter
from tests.support.lock_rules import RULES, Event, Rule, violations
from tests.support.processes import read_lock_log

_RANKS = {"question": 5, "git": 10, "wheel": 10, "src": 20, "venv": 30, "gc": 40}


def log(*lines: str) -> list[Event]:
    """Read ``1 acquire wheel/a``: the process, the event, the lock's name or the job's title."""
    events: list[Event] = []
    for line in lines:
        process, event, *what = line.split()
        facts: dict[str, object] = {"pid": int(process), "thread": 0, "event": event}
        if event in ("run", "done"):
            facts |= {"kind": "wheel", "title": what[0]}
        elif what:
            facts |= {"rank": _RANKS[what[0].split("/")[0]], "name": what[0]}
        events.append(facts)
    return events


def work(process: int, name: str) -> list[str]:
    """One job as it should be."""
    steps = (f"try {name}", f"acquire {name}", "look", "run it", "done it", f"release {name}")
    return [f"{process} {step}" for step in steps]


BREACHES: dict[str, tuple[Rule, list[str]]] = {
    "waits for a job while it holds one": ("R1", ["1 acquire wheel/a", "1 try src/b", "1 busy src/b", "1 wait src/b"]),
    "waits for an environment while it holds a job": ("R1", ["1 acquire wheel/a", "1 wait venv/b"]),
    "stands back while it holds a job": ("R1", ["1 acquire wheel/a", "1 stand-back question/b"]),
    "asks for a job inside another": ("R2", ["1 acquire git/a", "1 try wheel/b"]),
    "works without a second look": ("R3", ["1 look", "1 acquire wheel/a", "1 run it"]),
    "works once more without a look": ("R3", ["1 acquire wheel/a", "1 look", "1 run it", "1 run it"]),
    "looks again, sees nothing, and does what is done": ("R3", [*work(1, "wheel/a"), *work(2, "wheel/a")]),
    "takes a lock that another process holds": ("R4", ["1 acquire wheel/a", "2 acquire wheel/a"]),
    "takes a lock that it holds itself": ("R4", ["1 acquire wheel/a", "1 try wheel/a"]),
    "goes downwards from a source tree to a job": ("R4", ["1 acquire src/a", "1 try wheel/b"]),
    "takes an environment's lock while it holds a job": ("R6", ["1 acquire wheel/a", "1 try venv/b"]),
    "takes a job while it holds an environment's lock": ("R6", ["1 acquire venv/a", "1 try wheel/b"]),
    "collects garbage while it holds a job": ("R6", ["1 acquire wheel/a", "1 try gc"]),
    "waits for the collector": ("R6", ["1 try gc", "1 busy gc", "1 wait gc"]),
    "works without a lock": ("log", ["1 look", "1 run it"]),
    "releases what it does not hold": ("log", ["1 release wheel/a"]),
}


@pytest.mark.parametrize(("rule", "lines"), BREACHES.values(), ids=BREACHES)
def test_a_breach_is_found_and_named_by_its_rule(rule: Rule, lines: list[str]) -> None:
    found = violations(log(*lines))
    assert [violation.rule for violation in found] == [rule]
    assert RULES[rule] in str(found[0])


def test_every_rule_has_a_breach() -> None:
    assert {rule for rule, _ in BREACHES.values()} == set(RULES)


def test_a_lock_that_passes_from_hand_to_hand_breaks_no_rule() -> None:
    tree = ["acquire wheel/a", "try src/b", "acquire src/b", "look", "run it", "done it", "release src/b"]
    in_place = [f"{process} {step}" for process in (1, 2) for step in (*tree, "release wheel/a")]
    waiting = ["2 try wheel/a", "2 busy wheel/a", "2 wait wheel/a"]
    others = [*work(3, "git/c"), *work(1, "git/c"), "1 try venv/d", "1 acquire venv/d", "1 release venv/d"]
    assert violations(log(*waiting, *in_place, *others)) == []


def test_a_killed_process_leaves_its_locks_to_others_and_says_nothing_more() -> None:
    passed = ["1 acquire wheel/a", "2 acquire wheel/a"]
    assert violations(log(*passed), killed={1}) == []
    assert [each.rule for each in violations(log(*passed, "1 release wheel/a"), killed={1})] == ["R4"]


def test_work_may_be_done_again_where_its_results_are_removed_meanwhile() -> None:
    assert violations(log(*work(1, "wheel/a"), *work(2, "wheel/a")), once=False) == []


def test_what_the_real_locks_write_breaks_no_rule(tmp_path: Path) -> None:
    path, made = tmp_path / "log", set[str]()
    locks = LockManager(tmp_path / "locks", runtime=tmp_path / "run", reporter=Reporter(), log=LockLog(str(path)))
    jobs = JobRunner(locks=locks, reporter=Reporter(), limits={"build": 2}, lock_wait=None)
    environment = tmp_path / "venv"
    environment.mkdir()

    def build(name: str) -> None:
        def run() -> str:
            made.add(name)
            return name

        jobs.obtain(
            Job(
                kind="wheel",
                subject=name,
                title=name,
                permit="build",
                lookup=lambda: name if name in made else None,
                run=run,
                source_tree=tmp_path if name < "c" else None,
            )
        )
        with locks.environment(environment):
            pass

    threads = [threading.Thread(target=build, args=(name,)) for name in "abcdabcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = locks.try_acquire([LockKey.garbage_collection()], step="collect")
    assert held is not None
    held.release()
    locks.close()
    events = read_lock_log(path)
    assert {event["event"] for event in events} >= {"try", "acquire", "look", "run", "done", "release"}
    assert violations(events) == []
