"""``miniuv venv``."""

import argparse
import shlex
from contextlib import nullcontext
from pathlib import Path

from miniuv.cli import foreign
from miniuv.cli.context import Context
from miniuv.cli.options import python


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("path", nargs="?", default=".venv", help="the folder to make (default: `.venv`)")
    parser.add_argument(
        "-p", "--python", metavar="PYTHON", type=python, help="a version (`3.12`), or an interpreter's path"
    )
    parser.add_argument("--seed", action="store_true", help="with pip in it")
    parser.add_argument("--clear", action="store_true", help="empty an environment that is there")
    parser.add_argument("--prompt", metavar="TEXT", help="what the shell shows when it is active")
    parser.add_argument("--system-site-packages", action="store_true", help="see the packages of the base Python")
    foreign.ignore(parser, ("--no-project", "--without-pip", "--no-setuptools", "--no-wheel"))


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    from miniuv.environment.places import is_environment_folder
    from miniuv.environment.virtual import create_environment

    path = Path(context.directory, arguments.path)
    with context.session(arguments) as session:
        interpreter = session.interpreters.find(arguments.python, directory=context.directory)
        context.reporter.line(f"Using Python {interpreter.version} interpreter at: {interpreter.executable}")
        context.reporter.line(f"Creating virtual environment at: {arguments.path}")
        # An environment that is there may be in use by another run; its lock outlives the clearing.
        there = arguments.clear and is_environment_folder(path)
        with session.store.locks.environment(path) if there else nullcontext():
            create_environment(
                path,
                interpreter,
                environ=context.environ,
                seed=arguments.seed,
                clear=arguments.clear,
                prompt=arguments.prompt,
                system_site_packages=arguments.system_site_packages,
            )
    activate = Path(arguments.path) / "bin" / "activate"
    context.reporter.line(f"Activate with: source {shlex.quote(str(activate))}")
    return 0
