"""What users of pip and uv type out of habit: options that mean nothing here, and options that are refused."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Never

from miniuv.errors import UsageError

_HARMLESS = (
    "--disable-pip-version-check", "--no-input", "--no-python-version-warning", "--require-virtualenv", "--native-tls",
)  # fmt: skip
_HARMLESS_WITH_VALUE = ("--progress-bar", "--root-user-action", "--keyring-provider", "--use-feature")

INSTALL_HARMLESS = ("--use-pep517", "--no-warn-script-location", "--no-warn-conflicts", "--prefer-binary")
INSTALL_HARMLESS_WITH_VALUE = ("--upgrade-strategy",)

_ENVIRONMENTS = "miniuv installs into environments: make one with `miniuv venv`, and name it with `--python`"
_BACKENDS = "builds are configured in the project: `[tool.*]` of its `pyproject.toml`"

INSTALL_REFUSED = {
    ("--user",): _ENVIRONMENTS,
    ("-t", "--target"): _ENVIRONMENTS,
    ("--prefix",): _ENVIRONMENTS,
    ("--root",): _ENVIRONMENTS,
    ("--no-build-isolation",): "name what the build needs in `build-system.requires` of the project",
    ("--no-build-isolation-package",): "name what the build needs in `build-system.requires` of the project",
    ("--no-binary",): "to build a package, name its source archive: `name @ https://…/name-1.0.tar.gz`",
    ("--no-binary-package",): "to build a package, name its source archive: `name @ https://…/name-1.0.tar.gz`",
    ("--no-build-package",): "`--no-build` holds for all packages",
    ("-C", "--config-settings", "--config-setting"): _BACKENDS,
    ("--config-settings-package",): _BACKENDS,
    ("--global-option",): _BACKENDS,
    ("--group",): "make the group an extra of the project, and write `-e '.[GROUP]'`",
    ("--extra",): "write the extra behind the project: `-e '.[EXTRA]'`",
    ("--all-extras",): "write the extras behind the project: `-e '.[ONE,TWO]'`",
    ("--report",): "`--dry-run` tells what would be installed, `miniuv pip list --format json` what is",
    ("--exact",): "make a new environment with `miniuv venv --clear`, and install into that",
    ("--exclude-newer", "--uploaded-prior-to"): "limit the versions in a file, and name it with `-c`",
    ("--ignore-requires-python",): "choose a Python that the package supports with `--python`",
    ("--src",): "clone the repository yourself, and name the folder with `-e`",
    ("--platform",): "run miniuv on the machine that is meant",
    ("--python-version",): "name an environment of that Python with `--python`",
    ("--python-platform",): "run miniuv on the machine that is meant",
    ("--abi",): "name an environment of that Python with `--python`",
    ("--implementation",): "name an environment of that Python with `--python`",
    ("--torch-backend",): "name the index that has the build with `--index-url`",
    ("--client-cert",): "give a user and password in the address of the index, or in `~/.netrc`",
    ("--no-clean",): "the output of a failed build is kept in the cache, and told",
}

LIST_REFUSED = {
    ("-o", "--outdated"): "`miniuv pip install --upgrade --dry-run NAME` tells what is newer",
    ("-u", "--uptodate"): "`miniuv pip install --upgrade --dry-run NAME` tells what is newer",
    ("--not-required",): "`miniuv pip show NAME` tells what requires a package",
    ("--path",): "name the environment with `--python`",
    ("--user",): "name the environment with `--python`",
}

FREEZE_REFUSED = {
    ("-r", "--requirement"): "redirect the output to a file of its own",
    ("--path",): "name the environment with `--python`",
    ("--user",): "name the environment with `--python`",
}


def ignore(parser: argparse.ArgumentParser, flags: Iterable[str], with_value: Iterable[str] = ()) -> None:
    """Take options that mean nothing here."""
    for option in flags:
        parser.add_argument(option, action="store_true", dest=f"ignored {option}", help=argparse.SUPPRESS)
    for option in with_value:
        parser.add_argument(option, dest=f"ignored {option}", help=argparse.SUPPRESS)


def ignore_everywhere(parser: argparse.ArgumentParser) -> None:
    """Take what pip and uv have for every command, and what means nothing here."""
    ignore(parser, _HARMLESS, _HARMLESS_WITH_VALUE)


def refuse(parser: argparse.ArgumentParser, refused: dict[tuple[str, ...], str]) -> None:
    """Answer options that are not supported with what to do instead."""
    for options, instead in refused.items():
        parser.add_argument(*options, action=_Refused, nargs="?", help=argparse.SUPPRESS, metavar=instead)


class _Refused(argparse.Action):
    """Raises ``UsageError`` as soon as the option is met; its ``metavar`` says what to do instead."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> Never:
        """See ``argparse``."""
        del parser, namespace, values
        raise UsageError(f"`{option_string}` is not supported", hint=str(self.metavar))


_INSTEAD = {
    "remove": "pip uninstall",
    "rm": "pip uninstall",
    "delete": "pip uninstall",
    "add": "pip install",
    "upgrade": "pip install --upgrade",
    "update": "pip install --upgrade",
    "ls": "pip list",
    "info": "pip show",
    "tree": "pip show",
    "env": "venv",
    "virtualenv": "venv",
    "purge": "cache clean",
}
_UNSUPPORTED = frozenset(
    {"download", "wheel", "compile", "sync", "lock", "run", "init", "build", "publish", "tool", "python", "search"}
    | {"index", "hash", "inspect", "config", "debug", "completion", "export", "self"}
)


def command_instead(words: Sequence[str]) -> UsageError | None:
    """The error for a command that pip or uv has; ``None`` where nothing is known of it."""
    last = words[-1]
    wanted = " ".join(words)
    if last in _UNSUPPORTED:
        return UsageError(f"`{wanted}` is not supported", hint="`miniuv --help` lists the commands that there are")
    if last in _INSTEAD:
        return UsageError(f"there is no command `{wanted}`", hint=f"write `miniuv {_INSTEAD[last]}`")
    return None
