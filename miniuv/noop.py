"""The fast exit, asked before anything else is imported: when all is as it was, nothing is to be done.

A run that left an environment in order writes down what that rested on (``miniuv.state``). The same command again has
only to look whether each of these files is as it was: no parser, no cache, no lock, no git, no network. Whatever is
not plainly so takes the normal path, also a state file that is damaged, copied, or somebody else's.
"""

from __future__ import annotations

import os
import sys
import time

from miniuv import __version__, state
from miniuv.stamps import holds

TYPE_CHECKING = False  # `typing` and `collections.abc` take longer than all that is done here
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Never

_ASKING = frozenset({"--reinstall", "--force-reinstall", "--no-reuse", "--refresh"})
"""With these nothing is ever remembered."""

_MAX_BYTES = 64 << 20
_LINK = getattr(os, "O_NOFOLLOW", 0)


def main() -> Never:
    """Leave at once where nothing is to be done; else run the command that ``sys.argv`` names."""
    began = time.perf_counter()
    arguments = sys.argv[1:]
    if "install" in arguments:
        _leave_if_known(arguments, began)
    if arguments in (["--version"], ["-V"]) and _print(f"miniuv {__version__}"):
        os._exit(0)
    from miniuv.cli.entry import main as run

    run()


def _leave_if_known(arguments: Sequence[str], began: float) -> None:
    """Leave where nothing is to be done, or nothing new."""
    try:
        if (told := standing(arguments, os.environ)) is not None:
            color, lines = told
            spent = _spent(time.perf_counter() - began)
            lines = [f"{line[:-1]}{spent}" if line[-1:] == "%" else line for line in lines]
            _tell(color, [(line, f"\x1b[2m{line}\x1b[0m") for line in lines])
            os._exit(0)
        if not _ASKING.intersection(arguments):
            from miniuv.replay.perform import perform

            if (done := perform(arguments, os.environ)) is not None:
                _tell(*done)
                os._exit(0)
    except KeyboardInterrupt:
        _tell("never", [("error: interrupted", "")])
        os._exit(130)


def standing(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """When colour is wanted, and what the command would tell that changes nothing; ``None`` where it has to be run."""
    try:
        directory = os.getcwd()
        folder = os.path.join(state.environment_folder(arguments, environ, directory), state.FOLDER)
        lines = _read(folder, state.key(arguments, environ, directory)).split("\n")
        header, inode, color = lines[:3]
        if header != state.HEADER or lines[-2:] != [state.END, ""] or int(inode) != os.stat(folder).st_ino:
            return None
    except (OSError, ValueError):
        return None
    told, questions = [], []
    for line in lines[3:-2]:
        if line[:2] == "> ":
            told.append(line[2:])
        elif line[:2] == "? ":
            questions.append(line[2:].split("\0"))
        elif not holds(line):
            return None
    if questions:
        from miniuv.replay.confirm import confirmed
        from miniuv.replay.record import cache_folder

        if not confirmed(questions, cache=cache_folder(arguments, environ), environ=environ):
            return None
    return color, told


def _read(folder: str, key: str) -> str:
    """The content of a state file that is ours alone; raises ``OSError`` or ``ValueError``."""
    descriptor = os.open(f"{folder}/{key}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | _LINK)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o170022 != 0o100000 or facts.st_size > _MAX_BYTES:
            raise ValueError("not ours")
        data = b""
        while chunk := os.read(descriptor, facts.st_size + 1):
            data += chunk
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "surrogatepass")


def _print(text: str) -> bool:
    """``False`` where it cannot be written, about which there is something to say."""
    if sys.stdout is None:
        return False
    try:
        os.write(sys.stdout.fileno(), f"{text}\n".encode())
    except (OSError, ValueError):
        return False
    return True


def _spent(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f}ms" if milliseconds >= 1 else f"{milliseconds:.2f}ms"


def _tell(color: str, told: Sequence[tuple[str, str]]) -> None:
    """Write lines, of which each is given without colour and with it."""
    if sys.stderr is None:
        return
    try:
        colored = color == "always" or (color == "terminal" and sys.stderr.isatty())
        for line in told:
            sys.stderr.write(f"{line[colored]}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # who reads no more does not want to hear about it
        return


if __name__ == "__main__":
    main()
