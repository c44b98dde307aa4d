"""Forked workers: work is done elsewhere, or not at all; nobody is left behind."""

import os
from pathlib import Path

import pytest

from tests.support.processes import OtherProcess

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="workers are forked on Linux only")

_PRELUDE = """
import os, signal, sys, threading
from miniuv.errors import Interrupted
from miniuv.workers import Workers

ours = os.getpid()
seen = sys.argv[1]

def make_work():
    def work(request):
        with open(seen, "a") as file:
            file.write(f"{os.getpid()} {request.decode()}\\n")
        exec(request.decode(), {"os": os, "signal": signal})
    return work

def pids():
    return [int(line.split()[0]) for line in open(seen)]
"""


def run(code: str, seen: str) -> OtherProcess:
    return OtherProcess(_PRELUDE + code, seen)


@pytest.fixture
def seen(tmp_path: Path) -> str:
    return str(tmp_path / "seen")


@pytest.fixture
def gate(tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "gate")
    return str(tmp_path / "gate")


def test_work_is_done_in_another_process_that_is_gone_afterwards(seen: str) -> None:
    code = """
with Workers(make_work) as workers:
    workers.start()
    say(str([workers.do(b"pass"), workers.do(b"pass")]))
say(str(ours in pids()))
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    say("alone")
"""
    with run(code, seen) as process:
        process.expect("[True, True]")
        process.expect("False")
        process.expect("alone")


def test_without_a_start_nothing_is_done(seen: str) -> None:
    with run('say(str(Workers(make_work).do(b"pass")))', seen) as process:
        process.expect("False")


def test_nobody_is_forked_beside_another_thread(seen: str) -> None:
    code = """
thread = threading.Thread(target=hear)
thread.start()
with Workers(make_work) as workers:
    workers.start()
    say(str(workers.do(b"pass")))
"""
    with run(code, seen) as process:
        process.expect("False")
        process.tell()


def test_work_that_fails_was_not_done_and_the_next_is(seen: str) -> None:
    code = """
with Workers(make_work) as workers:
    workers.start(1)
    say(str([workers.do(b"1 / 0"), workers.do(b"pass")]))
say(str(len(set(pids()))))
"""
    with run(code, seen) as process:
        process.expect("[False, True]")
        process.expect("1")


def test_the_work_of_a_worker_that_is_killed_was_not_done_and_others_go_on(seen: str) -> None:
    code = """
kill = b"os.kill(os.getpid(), signal.SIGKILL)"
with Workers(make_work) as workers:
    workers.start(2)
    say(str([workers.do(kill), workers.do(b"pass"), workers.do(kill), workers.do(b"pass")]))
"""
    with run(code, seen) as process:
        process.expect("[False, True, False, False]")


def test_the_heaviest_of_what_waits_is_done_first(seen: str, gate: str) -> None:
    code = f"""
with Workers(make_work) as workers:
    workers.start(1)
    threads = [threading.Thread(target=workers.do, args=(b"open({gate!r}).read()",))]
    threads[0].start()
    writer = open({gate!r}, "w")  # the worker is at it from now on
    for weight in (1, 3, 2):
        threads.append(threading.Thread(target=workers.do, args=(b"%d" % weight,), kwargs={{"weight": weight}}))
        threads[-1].start()
        while len(workers._waiting) < len(threads) - 1:
            pass
    writer.close()
    for thread in threads:
        thread.join()
say(" ".join(line.split()[1] for line in list(open(seen))[1:]))
"""
    with run(code, seen) as process:
        process.expect("3 2 1")


def test_who_waits_for_a_worker_that_is_ended_is_interrupted(seen: str, gate: str) -> None:
    code = f"""
workers = Workers(make_work)
workers.start(1)
said = []
def ask(request):
    try:
        workers.do(request)
    except Interrupted:
        said.append("interrupted")
threads = [threading.Thread(target=ask, args=(request,)) for request in (b"open({gate!r}).read()", b"pass")]
threads[0].start()
writer = open({gate!r}, "w")
threads[1].start()
while not workers._waiting:
    pass
workers.close()
for thread in threads:
    thread.join()
say(" ".join(said))
"""
    with run(code, seen) as process:
        process.expect("interrupted interrupted")


def test_a_worker_ends_when_the_command_is_killed(seen: str, gate: str) -> None:
    code = f"""
held = open({gate!r}, "w")
workers = Workers(make_work)
workers.start()
say(str(workers.do(b"pass")))
hear()
"""
    with run(code, seen) as process:
        reading = os.open(gate, os.O_RDONLY)
        process.expect("True")
        process.kill()
        # It ends when nobody holds the other end any more: not the command, and no worker.
        assert os.read(reading, 1) == b""
        os.close(reading)


def test_ctrl_c_is_left_to_the_command(seen: str) -> None:
    code = """
with Workers(make_work) as workers:
    workers.start(1)
    workers.do(b"pass")
    os.kill(pids()[0], signal.SIGINT)
    say(str(workers.do(b"pass")))
"""
    with run(code, seen) as process:
        process.expect("True")


def test_what_a_worker_prints_is_not_heard(seen: str) -> None:
    code = """
with Workers(make_work) as workers:
    workers.start(1)
    workers.do(b"print('noise', flush=True)")
say("done")
"""
    with run(code, seen) as process:
        process.expect("done")


def test_who_does_not_want_to_wait_is_told_so_where_all_are_busy(seen: str, gate: str) -> None:
    code = f"""
with Workers(make_work) as workers:
    workers.start(1)
    say(str([workers.is_one_idle, workers.do(b"pass", wait=False)]))
    thread = threading.Thread(target=workers.do, args=(b"open({gate!r}).read()",))
    thread.start()
    writer = open({gate!r}, "w")  # the worker is at it from now on
    say(str([workers.is_one_idle, workers.do(b"pass", wait=False)]))
    writer.close()
    thread.join()
"""
    with run(code, seen) as process:
        process.expect("[True, True]")
        process.expect("[False, False]")
