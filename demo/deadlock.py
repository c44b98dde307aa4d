"""The hang that miniuv was made for, proved on uv 0.3.3 and not timed; then the same with miniuv, which ends.

``python -m demo.deadlock [--keep]``

Three processes, as on a machine that runs several jobs. The first fetches two repositories, which takes a while, for
a ``git`` on PATH makes every fetch slow. Meanwhile ``a`` asks for gunicorn and then python-swiftclient, as
``fixtures/proj1`` names them, and ``b`` the other way round, as ``fixtures/proj2`` does. Once the first lets go, each
of the two gets the lock that it asked for first, keeps it, and asks for the other one. That uv waits for a lock in a
blocking call on the very thread that would let go of the one before, so from there on nothing moves. What is shown is
the kernel's word: who holds what, who waits for what, no git left running, no CPU time used.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from demo.crew import MINIUV, DemoError, ended, run_crew, tell
from demo.kernel_locks import Wait, children, cpu_ticks, deadlock_between, is_waiting, shows_locks
from demo.play import FIRST, PAIR, Play, Say, Tool, end, play, target
from demo.workshop import CHECKOUT, Workshop, open_workshop
from miniuv.errors import MiniuvError

UV = "0.3.3"
TRIES = 5
_TRY = 30.0
"""Seconds for one try."""
_STILL = 2.0
"""Seconds for which two processes must stand still, all git over, to be called hung."""
_PATIENCE = 300.0
"""Seconds after which miniuv would be called hung."""
_RELEASE = 10.0


class UnavailableError(MiniuvError):
    """What the proof needs cannot be had here; nothing was shown either way."""


def watch(running: Play, *, patience: float) -> tuple[Wait, Wait] | None:
    """Return what the pair waits for, once nothing but each other can let them go on; None where all ended.

    Raises ``DemoError`` where they do neither within ``patience`` seconds.
    """
    pair = [running.processes[label].pid for label in PAIR]
    seen: object = None
    since = time.monotonic()
    deadline = since + patience
    while time.monotonic() < deadline:
        if all(process.poll() is not None for process in running.processes.values()):
            return None
        waits = deadlock_between(*pair)
        now = [(waits, children(pid), cpu_ticks(pid)) for pid in pair]
        if now != seen:
            seen, since = now, time.monotonic()
        elif waits is not None and not any(of for _, of, _ in now) and time.monotonic() - since >= _STILL:
            return waits
        time.sleep(0.1)
    raise DemoError(f"neither an end nor a deadlock within {patience:.0f} s")


def prove_hang(uv: Tool, workshop: Workshop, *, say: Say) -> tuple[Wait, Wait]:
    """Let that uv hang; raises ``DemoError`` where it does not in any try."""
    for attempt in range(1, TRIES + 1):
        say(f"{uv.name} {UV}, try {attempt} of at most {TRIES}")
        with play(uv, workshop, workshop.folder / f"try{attempt}", say=say) as running:
            try:
                waits = watch(running, patience=_TRY)
            except DemoError as error:
                say(str(error))
                waits = None
            for label in running.processes if waits is None else PAIR:
                running.repeat(label, say=say)
            if waits is not None:
                for label, wait in zip(PAIR, waits, strict=True):
                    say(f"[{label}] pid {wait.waiter} waits for {wait.lock}, which pid {wait.holder} holds")
                say(f"no git runs, and for {_STILL:.0f} s neither has used any CPU time: a deadlock")
                release(running, say=say)
                return waits
    raise DemoError(f"{uv.name} {UV} did not hang in {TRIES} tries", hint="its own words are above")


def release(running: Play, *, say: Say) -> None:
    """End one of the pair and see that the other goes on; raises ``DemoError`` where it does not."""
    freed, ended = (running.processes[label] for label in PAIR)
    end(ended)
    deadline = time.monotonic() + _RELEASE
    while is_waiting(freed.pid):
        if time.monotonic() > deadline:
            raise DemoError(f"[{PAIR[0]}] waits although [{PAIR[1]}] was ended: they did not wait for each other alone")
        time.sleep(0.02)
    say(f"ended [{PAIR[1]}]: at once [{PAIR[0]}] waits no more")


def install_with_miniuv(workshop: Workshop, *, say: Say) -> float:
    """Do the same with miniuv; return the seconds. Raises ``DemoError`` on a hang, an error or a second fetch."""
    miniuv = Tool(name="miniuv", program=MINIUV, arguments=("pip", "install"), environment=workshop.environment)
    before = _packs(workshop)
    began = time.monotonic()
    with play(miniuv, workshop, workshop.folder / "same", say=say) as running:
        try:
            waits = watch(running, patience=_PATIENCE)
        except DemoError:
            running.abort()
            for label in running.processes:
                running.repeat(label, say=say)
            raise
        took = time.monotonic() - began
        for label, process in running.processes.items():
            ended_well = waits is None and process.returncode == 0
            running.repeat(label, say=say, only=("waiting for", "Fetched", "Installed") if ended_well else ("",))
            if not ended_well:
                raise DemoError(
                    f"[{label}] did not end well: exit code {process.returncode}", hint="see its words above"
                )
    fetched = {name: count - before[name] for name, count in _packs(workshop).items()}
    if any(count != 1 for count in fetched.values()):
        raise DemoError(f"fetches: {fetched}, and one of each would have done")
    return took


def _packs(workshop: Workshop) -> dict[str, int]:
    return {name: workshop.server.packs_sent(f"{name}.git") for name in workshop.commits}


def get_uv(workshop: Workshop, *, say: Say) -> Tool:
    """Install that uv into an environment of its own; raises ``UnavailableError`` where it cannot be had or used."""
    home = target(workshop, "uv")
    said: list[str] = []

    def listen(line: str) -> None:
        said.append(line)
        say(line)

    _make_environments(workshop, ("uv",), say=say)
    try:
        _miniuv({"uv": ["pip", "install", f"uv=={UV}", "--python", str(home)]}, workshop, say=listen)
    except DemoError as error:
        reason = next((line for line in said if "error:" in line), str(error))
        raise UnavailableError(f"uv {UV} cannot be had here: {reason}") from error
    kept = {name: value for name, value in workshop.environment.items() if not name.startswith("UV_")}
    environment = {**kept, "UV_NO_CONFIG": "1", "NO_COLOR": "1"}
    program = str(home / "bin" / "uv")
    asked = subprocess.run(
        [program, "pip", "list", "--python", str(home)],
        env={**environment, "UV_CACHE_DIR": str(workshop.folder / "asked")},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise UnavailableError(f"uv {UV} does not work with {workshop.choice.python}: {asked.stderr.strip()}")
    # Its locks are taken before it asks any index; offline it does not ask the repositories' host either.
    return Tool(name="uv", program=(program,), arguments=("pip", "install", "--offline"), environment=environment)


def _make_environments(workshop: Workshop, labels: Sequence[str], *, say: Say) -> None:
    python = str(workshop.choice.python)
    _miniuv({label: ["venv", str(target(workshop, label)), "--python", python] for label in labels}, workshop, say=say)


def _miniuv(commands: Mapping[str, Sequence[str]], workshop: Workshop, *, say: Say) -> None:
    run_crew(commands, directory=CHECKOUT, environment=workshop.environment, patience=_PATIENCE, say=say)


def show(workshop: Workshop, *, say: Say) -> None:
    """Prove the hang on that uv, and that miniuv has none."""
    if not shows_locks(workshop.folder):
        raise UnavailableError("the kernel does not show here who holds which lock in `/proc/locks`")
    _make_environments(workshop, (FIRST, *PAIR), say=say)
    prove_hang(get_uv(workshop, say=say), workshop, say=say)
    say("the same projects, the same order and the same slow git with miniuv")
    took = install_with_miniuv(workshop, say=say)
    say(f"all three ended after {took:.1f} s, and each repository was fetched once")


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it; 0 also where what it needs cannot be had, which is said."""
    parser = argparse.ArgumentParser(prog="python -m demo.deadlock", description="The hang, proved.")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    options = parser.parse_args(arguments)

    def prove() -> int:
        try:
            with open_workshop(environ=os.environ, keep=options.keep, say=tell) as workshop:
                show(workshop, say=tell)
        except UnavailableError as error:
            tell(f"skipped: {error}")
        return 0

    return ended(prove)


if __name__ == "__main__":
    sys.exit(main())
