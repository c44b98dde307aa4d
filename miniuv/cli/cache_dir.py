"""``miniuv cache dir``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``: nothing of its own."""
    del parser


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nothing is locked, made or changed."""
    from miniuv.cli.collection import looked_at

    with looked_at(arguments, context) as layout:
        context.write(str(layout.root))
    return 0
