"""Which command lives in which module, so that only that one is imported."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never, Protocol, cast

from miniuv.cli.context import Context
from miniuv.errors import UsageError


class Command(Protocol):
    """A module of ``cli/`` that holds a command."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes."""
        ...

    def run(self, arguments: argparse.Namespace, context: Context) -> int:
        """Do it; returns the exit code."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    module: str
    summary: str

    def load(self) -> Command:
        """Import the module."""
        from importlib import import_module

        return cast(Command, import_module(f"miniuv.cli.{self.module}"))


COMMANDS: dict[tuple[str, ...], Entry] = {
    ("pip", "install"): Entry("pip_install", "Install packages, editables and git requirements"),
    ("pip", "uninstall"): Entry("pip_uninstall", "Remove packages"),
    ("pip", "list"): Entry("pip_list", "List what is installed"),
    ("pip", "freeze"): Entry("pip_freeze", "List what is installed as requirements"),
    ("pip", "show"): Entry("pip_show", "Tell about installed packages"),
    ("pip", "check"): Entry("pip_check", "Check that what is installed fits together"),
    ("venv",): Entry("venv", "Make a virtual environment"),
    ("cache", "dir"): Entry("cache_dir", "Print the folder of the cache"),
}


class Parser(argparse.ArgumentParser):
    """Tells errors as ``UsageError``."""

    def error(self, message: str) -> Never:
        """See ``argparse``."""
        raise UsageError(message, hint=f"`{self.prog} --help` lists what there is")


def find_command(words: Sequence[str]) -> tuple[tuple[str, ...], Entry]:
    """The command that ``words`` begin with; raises ``UsageError`` with what is near."""
    for length in (2, 1):
        if entry := COMMANDS.get(tuple(words[:length])):
            return tuple(words[:length]), entry
    if tuple(words[:1]) == ("install",):
        raise UsageError("there is no command `install`", hint="write `miniuv pip install`, as with uv")
    group = [" ".join(name) for name in COMMANDS if name[0] == words[0]]
    wanted = " ".join(words[:2]) if group else words[0]
    from difflib import get_close_matches

    near = get_close_matches(wanted, [" ".join(name) for name in COMMANDS], n=1) or group
    hint = f"there is `miniuv {'`, `miniuv '.join(near)}`" if near else "`miniuv --help` lists the commands"
    raise UsageError(f"there is no command `{wanted}`", hint=hint)


def overview() -> str:
    """The help of ``miniuv`` itself."""
    lines = [f"  {' '.join(name):<15} {entry.summary}" for name, entry in COMMANDS.items()]
    return "\n".join(
        (
            "miniuv: install editables and git dependencies, many at once, over one cache",
            "",
            "Usage: miniuv COMMAND [OPTIONS]",
            "",
            "Commands:",
            *lines,
            "",
            "`miniuv COMMAND --help` tells about one of them. Options of every command:",
            "  -v, -q, --color auto|always|never, --no-progress, --cache-dir PATH, --no-cache, --version",
        )
    )
