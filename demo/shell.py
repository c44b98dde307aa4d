"""A shell in which the commands of the README work by hand: the fixtures' repositories are served while it is open."""

import os
import signal
import subprocess
import sys

from demo.crew import DemoError, ended
from demo.workshop import CHECKOUT, Workshop, open_workshop


def main() -> int:
    """Open the shell; its exit code is ours."""
    return ended(open_shell)


def open_shell() -> int:
    """Open the shell; raises ``DemoError`` where there is none."""

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with open_workshop(environ=os.environ, say=say) as workshop:
        for line in _greeting(workshop):
            say(line)
        shell = os.environ.get("SHELL") or "/bin/sh"
        # Ctrl-C is for what runs in the shell. A handler, unlike SIG_IGN, is not inherited by it.
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.run([shell], cwd=CHECKOUT, env=dict(workshop.environment), check=False).returncode
        except FileNotFoundError as error:
            raise DemoError(f"there is no shell `{shell}`", hint="set SHELL to one that is there") from error


def _greeting(workshop: Workshop) -> list[str]:
    return [
        "",
        "The repositories are served until you leave this shell, and it has a cache of its own. Try:",
        "",
        f"    miniuv venv .venv1 --python {workshop.choice.python}",
        f"    miniuv pip install {' '.join(workshop.editables)} --python .venv1",
        "    miniuv pip freeze --python .venv1",
        "",
        "and `exit` when you are done.",
    ]


if __name__ == "__main__":
    sys.exit(main())
