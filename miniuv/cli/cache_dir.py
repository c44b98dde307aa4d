"""``miniuv cache dir``."""

import argparse

from miniuv.cli.context import Context
from miniuv.cli.options import overrides


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``: nothing of its own."""
    del parser


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    from miniuv.settings import Settings

    settings = Settings.load(cli=overrides(arguments), environ=context.environ, directory=context.directory)
    context.write(str(settings.cache_dir))
    return 0
