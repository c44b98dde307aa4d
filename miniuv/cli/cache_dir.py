"""``miniuv cache dir``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``: nothing of its own."""
    del parser


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    with context.settings(arguments) as settings:
        context.write(str(settings.cache_dir))
    return 0
