"""Options that several commands share, under the names that pip and uv gave them."""

import argparse

from miniuv.cli.foreign import ignore_everywhere
from miniuv.errors import UsageError
from miniuv.models.request import TargetRequest

_SETTINGS = (
    "cache-dir", "allow-shared-cache", "index-url", "extra-index-url", "find-links", "no-index", "offline", "refresh",
    "cert", "proxy", "trusted-host", "lock-wait", "timeout", "retries", "link-mode", "allow-wheel",
)  # fmt: skip


def overrides(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that were given on the command line, by option name."""
    given = {name: getattr(arguments, name.replace("-", "_"), None) for name in _SETTINGS}
    return {name: value for name, value in given.items() if value is not None}


def target_request(arguments: argparse.Namespace) -> TargetRequest:
    """Which Python is meant."""
    return TargetRequest(
        python=arguments.python,
        system=arguments.system,
        break_system_packages=getattr(arguments, "break_system_packages", False),
    )


def python(text: str) -> str:
    """Read the value of ``--python``."""
    if not text.strip():
        hint = "name an environment's folder, an interpreter, or a version such as `3.12`"
        raise UsageError("`--python` needs a value", hint=hint)
    return text


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    group = parser.add_argument_group("output and cache")
    group.add_argument("-v", "--verbose", action="count", default=0, help="tell more; twice: the output of builds too")
    group.add_argument("-q", "--quiet", action="count", default=0, help="warnings and errors only; twice: nothing")
    group.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    group.add_argument("--no-progress", action="store_true", help="no live status")
    group.add_argument("--cache-dir", metavar="PATH", help="the folder of the cache")
    group.add_argument(
        "--allow-shared-cache", action="store_true", default=None, help="even where others could change the cache"
    )
    group.add_argument("-n", "--no-cache", "--no-cache-dir", action="store_true", help="a cache for this run only")
    group.add_argument("--no-color", dest="color", action="store_const", const="never", help=argparse.SUPPRESS)
    ignore_everywhere(parser)


def add_target(parser: argparse.ArgumentParser, *, change: bool = False) -> None:
    """Which environment."""
    group = parser.add_argument_group("target")
    group.add_argument(
        "-p",
        "--python",
        metavar="PYTHON",
        type=python,
        help="an environment's folder, an interpreter or a version; "
        "without it: VIRTUAL_ENV, CONDA_PREFIX, the nearest `.venv`",
    )
    group.add_argument("--system", action="store_true", help="the Python on PATH, which is no environment")
    if change:
        group.add_argument(
            "--break-system-packages", action="store_true", help="even where the distributor manages it (PEP 668)"
        )
        group.add_argument(
            "--lock-wait", metavar="SECONDS", help="wait at most so long for another process (no limit by default)"
        )


def add_index(parser: argparse.ArgumentParser) -> None:
    """Where packages come from."""
    group = parser.add_argument_group("indexes and network")
    group.add_argument("-i", "--index-url", "--default-index", metavar="URL", help="the index that is asked last")
    group.add_argument(
        "--extra-index-url",
        "--index",
        metavar="URL",
        action="append",
        help="an index that is asked before, in the order given; the first that has a name wins",
    )
    group.add_argument("-f", "--find-links", metavar="PLACE", action="append", help="a folder or page of archives")
    group.add_argument("--no-index", action="store_const", const=True, help="find-links and direct URLs only")
    group.add_argument("--offline", action="store_const", const=True, help="what the cache has, and no network")
    group.add_argument("--refresh", action="store_const", const=True, help="ask again for what is cached")
    group.add_argument("--cert", metavar="FILE", help="certificates to trust instead of the system's")
    group.add_argument("--proxy", metavar="URL")
    group.add_argument(
        "--trusted-host", "--allow-insecure-host", metavar="HOST", action="append", help="ask it for no certificate"
    )
    group.add_argument("--timeout", metavar="SECONDS", help="until a server must say something")
    group.add_argument("--retries", metavar="N")
    group.add_argument(
        "--index-strategy", choices=("first-index",), default="first-index", help=argparse.SUPPRESS
    )  # the only one: of two indexes that have a name, nobody can take it over
    group.add_argument("--link-mode", choices=("auto", "clone", "hardlink", "copy"), help="how files are installed")
