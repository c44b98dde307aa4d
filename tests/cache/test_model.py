"""The protocol of locks and jobs, checked in every interleaving by running the real code (``model/explorer.py``)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cache.model.explorer import Finding, Report, explore
from tests.cache.model.machine import fake_kernel
from tests.cache.model.scenario import Process, Scenario, Work

Tell = Callable[[str, object], None]

SOURCES = tuple(Work(name=f"git:{letter}") for letter in "abcd")
EDITABLES = (
    Work(name="git:a"),
    Work(name="git:b"),
    Work(name="wheel:a", needs=("git:a",), tree="the source tree"),
    Work(name="wheel:b", needs=("git:b",), tree="the source tree"),
)


@pytest.fixture(autouse=True)
def kernel() -> Iterator[None]:
    with fake_kernel():
        yield


def in_turn(*names: str, nested: tuple[tuple[str, str], ...] = (), install: bool = False) -> Process:
    return Process(threads=(names,), nested=nested, install=install)


def search(scenario: Scenario, record_property: Tell, what: str) -> Report:
    """Explore, and say how much there was to see."""
    report = explore(scenario)
    print(f"model of {what}: {report}")
    record_property("figure", f"model of {what}: {report}")
    if report.finding is not None:
        print(report.finding)
    return report


def expect_nothing(report: Report) -> None:
    assert report.finding is None, f"\n{report.finding}"


def expect_finding(report: Report, breach: str) -> Finding:
    assert report.finding is not None, f"nothing was found in {report}"
    assert breach in report.finding.breach, f"\n{report.finding}"
    return report.finding


@pytest.fixture
def three_by_four(tmp_path: Path) -> Scenario:
    """Two sources, two builds in one source tree, three processes that begin at different ends, one environment."""
    return Scenario(
        works=EDITABLES,
        folder=tmp_path,
        processes=(
            in_turn("git:a", "git:b", "wheel:a", "wheel:b", install=True),
            in_turn("git:b", "wheel:b", "git:a", "wheel:a", install=True),
            in_turn("git:b", "git:a", "wheel:b", "wheel:a", install=True),
        ),
    )


@pytest.fixture
def hold_and_wait(tmp_path: Path) -> Scenario:
    """The same work as it was once done: each repository is fetched with the lock of the one before in hand."""
    return Scenario(
        works=SOURCES,
        folder=tmp_path,
        permits=2,
        processes=(
            in_turn("git:a", "git:d", nested=(("git:a", "git:b"),)),
            in_turn("git:b", "git:d", nested=(("git:b", "git:c"),)),
            in_turn("git:c", "git:d", nested=(("git:c", "git:a"),)),
        ),
    )


def test_three_processes_with_four_jobs_end_and_do_nothing_twice_whoever_is_killed_and_when(
    three_by_four: Scenario, record_property: Tell
) -> None:
    report = search(three_by_four, record_property, "3 processes, 4 jobs, a kill anywhere")

    expect_nothing(report)
    assert report.states > 50_000
    assert report.ends == 7  # all live, one is killed, two are: nobody else's end is ever left out


def test_with_both_rules_switched_off_the_deadlock_is_found(hold_and_wait: Scenario, record_property: Tell) -> None:
    two = replace(hold_and_wait, processes=(hold_and_wait.processes[0], in_turn("git:b", nested=(("git:b", "git:a"),))))

    report = search(replace(two, order_check=False, wait_check=False), record_property, "hold and wait, 2 processes")

    finding = expect_finding(report, "a hang")
    assert "A holds git:a and waits for git:b, held by B" in finding.breach
    assert "B holds git:b and waits for git:a, held by A" in finding.breach
    assert "A tries the lock of git:b: busy" in finding.trace
    assert "B tries the lock of git:a: busy" in finding.trace


def test_with_both_rules_switched_off_a_ring_of_three_is_found(hold_and_wait: Scenario, record_property: Tell) -> None:
    rules_off = replace(hold_and_wait, order_check=False, wait_check=False)

    report = search(rules_off, record_property, "hold and wait, 3 processes")

    finding = expect_finding(report, "a hang")
    for waiter, holder, held, wanted in (("A", "B", "a", "b"), ("B", "C", "b", "c"), ("C", "A", "c", "a")):
        assert f"{waiter} holds git:{held} and waits for git:{wanted}, held by {holder}" in finding.breach


@pytest.mark.parametrize(
    ("order_check", "wait_check", "says"),
    [(True, True, "was waited for while holding"), (False, True, "was waited for while"), (True, False, "downwards")],
)
def test_either_rule_alone_turns_the_deadlock_into_an_error(
    hold_and_wait: Scenario, record_property: Tell, order_check: bool, wait_check: bool, says: str
) -> None:
    scenario = replace(hold_and_wait, order_check=order_check, wait_check=wait_check)

    finding = expect_finding(search(scenario, record_property, "hold and wait, forbidden"), "fails: lockordererror")

    assert says in finding.breach


def test_without_the_second_look_work_is_done_twice(three_by_four: Scenario, record_property: Tell) -> None:
    report = search(replace(three_by_four, look_again=False, kills=0), record_property, "no second look")

    expect_finding(report, "does git:b although it is done already")


def test_with_the_lock_given_back_before_the_result_has_its_name_work_is_done_twice(
    three_by_four: Scenario, record_property: Tell
) -> None:
    early = replace(three_by_four, locked_until_published=False, kills=0)

    expect_finding(search(early, record_property, "locks given back too early"), "does git:b while another does it")


def test_two_threads_and_another_process_with_the_same_job_do_it_once(tmp_path: Path, record_property: Tell) -> None:
    scenario = Scenario(
        works=SOURCES,
        folder=tmp_path,
        fine=True,
        processes=(Process(threads=(("git:a",), ("git:a",))), in_turn("git:a")),
    )

    expect_nothing(search(scenario, record_property, "one job, 2 threads and a process"))


@pytest.fixture
def one_permit(tmp_path: Path) -> Scenario:
    """Two threads with one permit between them; no timer helps where the permit wakes nobody."""
    return Scenario(
        works=SOURCES,
        folder=tmp_path,
        fine=True,
        condition_timeouts=False,
        processes=(Process(threads=(("git:a",), ("git:b",))), in_turn("git:b")),
    )


def test_a_permit_that_comes_back_wakes_who_waits_for_it(one_permit: Scenario, record_property: Tell) -> None:
    expect_nothing(search(one_permit, record_property, "one permit, 2 threads and a process"))


def test_a_lost_wake_up_is_found(one_permit: Scenario, record_property: Tell) -> None:
    report = search(replace(one_permit, notify=False, fine=False), record_property, "a permit that wakes nobody")

    expect_finding(report, "waits for a wake-up that nobody sends")


def test_a_process_that_stalls_with_a_lock_keeps_nobody_from_other_work(tmp_path: Path, record_property: Tell) -> None:
    scenario = Scenario(
        works=SOURCES,
        folder=tmp_path,
        condition_timeouts=False,
        slow_timers=True,
        processes=(Process(threads=(("git:a",), ("git:b",))), Process(threads=(("git:a",),), stalls_in="git:a")),
        excused=frozenset({(0, 0), (1, 0)}),
    )

    expect_nothing(search(scenario, record_property, "a stalled process, and one with 2 threads and one permit"))


def cancelled(folder: Path, *wanted: tuple[str, ...], fine: bool = False) -> Scenario:
    threads = Process(threads=wanted, cancelled=True)
    return Scenario(
        works=SOURCES, folder=folder, fine=fine, condition_timeouts=False, processes=(threads, in_turn("git:a"))
    )


@pytest.mark.parametrize("wanted", [(("git:a",), ("git:a",)), (("git:a",), ("git:b",))], ids=["one job", "one permit"])
def test_cancelling_wakes_all_threads_that_wait(
    tmp_path: Path, record_property: Tell, wanted: tuple[tuple[str, ...], ...]
) -> None:
    expect_nothing(search(cancelled(tmp_path, *wanted), record_property, f"{len(wanted)} threads, cancelled"))


@pytest.mark.stress
@pytest.mark.parametrize("wanted", [(("git:a",), ("git:a",)), (("git:a",), ("git:b",))], ids=["one job", "one permit"])
def test_cancelling_between_any_two_uses_of_a_lock_leaves_nobody_waiting(
    tmp_path: Path, record_property: Tell, wanted: tuple[tuple[str, ...], ...]
) -> None:
    expect_nothing(
        search(cancelled(tmp_path, *wanted, fine=True), record_property, "2 threads, cancelled, every switch")
    )


@pytest.mark.stress
def test_three_processes_with_four_jobs_in_every_order_end_and_do_nothing_twice(
    three_by_four: Scenario, record_property: Tell
) -> None:
    any_order = Process(threads=(tuple(work.name for work in EDITABLES),), any_order=True)
    scenario = replace(three_by_four, processes=(any_order,) * 3, twins=True)

    report = search(scenario, record_property, "3 processes, 4 jobs in every order, a kill anywhere")

    expect_nothing(report)
    assert report.ends == 3  # as many as may be killed, and one more: who it was does not count


@pytest.mark.stress
def test_two_processes_with_a_thread_for_each_build_end_and_do_nothing_twice(
    three_by_four: Scenario, record_property: Tell
) -> None:
    threads = Process(threads=(("git:a", "wheel:a"), ("git:b", "wheel:b")))
    scenario = replace(three_by_four, processes=(threads,) * 2, permits=2)

    expect_nothing(search(scenario, record_property, "2 processes of 2 threads, 4 jobs, a kill anywhere"))
