"""Which command lives in which module, so that only that one is imported."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Never, Protocol, TextIO, cast

from miniuv.errors import UsageError
from miniuv.values import dataclass

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from miniuv.cli.context import Context


class Command(Protocol):
    """A module of ``cli/`` that holds a command."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes."""
        ...

    def run(self, arguments: argparse.Namespace, context: "Context") -> int:
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
    ("doctor",): Entry("doctor", "Look at all that miniuv rests on, and say what to do about it"),
    ("cache", "dir"): Entry("cache_dir", "Print the folder of the cache"),
    ("cache", "size"): Entry("cache_size", "Tell how much the cache holds"),
    ("cache", "list"): Entry("cache_list", "List what the cache holds"),
    ("cache", "clean"): Entry("cache_clean", "Remove everything that is not in use, or what belongs to some names"),
    ("cache", "prune"): Entry("cache_prune", "Remove what was not used for long"),
    ("cache", "verify"): Entry("cache_verify", "Read everything again, and drop what is damaged"),
    ("cache", "locks"): Entry("cache_locks", "List who holds which lock, and who waits for it"),
}


class Parser(argparse.ArgumentParser):
    """Tells errors as ``UsageError``, and help on the ``stdout`` of the command."""

    def __init__(
        self, *, prog: str, description: str, allow_abbrev: bool = False, stdout: TextIO | None = None
    ) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=allow_abbrev)
        self._stdout = stdout

    def error(self, message: str) -> Never:
        """See ``argparse``; a misspelled option is told with what it may have meant."""
        given = message.removeprefix("unrecognized arguments: ").split()
        option = next((word.partition("=")[0] for word in given if word.startswith("-")), "")
        if given == message.split() or not option:
            raise UsageError(message, hint=f"`{self.prog} --help` lists what there is")
        from difflib import get_close_matches

        shown = (action for action in self._actions if action.help != argparse.SUPPRESS)
        near = get_close_matches(option, [each for action in shown for each in action.option_strings], n=1)
        raise UsageError(
            f"there is no option `{option}`",
            hint=f"did you mean `{near[0]}`?" if near else f"`{self.prog} --help` lists what there is",
        )

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        """See ``argparse``."""
        super().print_help(file or self._stdout)


def find_command(words: Sequence[str]) -> tuple[tuple[str, ...], Entry]:
    """The command that ``words`` begin with; raises ``UsageError`` with what is near."""
    for length in (2, 1):
        if entry := COMMANDS.get(tuple(words[:length])):
            return tuple(words[:length]), entry
    first = words[0]
    group = [" ".join(name) for name in COMMANDS if name[0] == first]
    if group and len(words) == 1:
        raise UsageError(f"`miniuv {first}` needs a command", hint=f"there is {_listed(group)}")
    if ("pip", first) in COMMANDS:
        raise UsageError(f"there is no command `{first}`", hint=f"write `miniuv pip {first}`, as with uv")
    from difflib import get_close_matches

    from miniuv.cli.foreign import command_instead

    if error := command_instead(words[:2] if group else words[:1]):
        raise error
    wanted = " ".join(words[:2]) if group else first
    near = get_close_matches(wanted, [" ".join(name) for name in COMMANDS], n=1) or group
    raise UsageError(
        f"there is no command `{wanted}`",
        hint=f"there is {_listed(near)}" if near else "`miniuv --help` lists the commands",
    )


def overview(words: Sequence[str]) -> str | None:
    """The help of ``miniuv`` itself or of a group of commands; ``None`` where ``words`` name one command."""
    shown = {name: entry for name, entry in COMMANDS.items() if name[: len(words)] == tuple(words)}
    if tuple(words) in COMMANDS or not shown:
        return None
    usage = " ".join(("miniuv", *words))
    return "\n".join(
        (
            "miniuv: install editables and git dependencies, many at once, over one cache",
            "",
            f"Usage: {usage} COMMAND [OPTIONS]",
            "",
            "Commands:",
            *(f"  {' '.join(name):<15} {entry.summary}" for name, entry in shown.items()),
            "",
            f"`{usage} COMMAND --help` tells about one of them. Options of every command:",
            "  -v, -q, --color auto|always|never, --no-progress, --cache-dir PATH, --no-cache, --version",
        )
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`miniuv {name}`" for name in names)
