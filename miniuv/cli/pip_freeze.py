"""``miniuv pip freeze``."""

import argparse

from miniuv.cli import foreign
from miniuv.cli.context import Context
from miniuv.cli.inspection import add_exclusions, look_for_listed
from miniuv.cli.options import add_target
from miniuv.models.installed import InstalledDistribution


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    add_exclusions(parser)
    foreign.ignore(parser, ("-l", "--local", "--all"))
    foreign.refuse(parser, foreign.FREEZE_REFUSED)
    add_target(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    for distribution in look_for_listed(arguments, context):
        context.write(frozen(distribution))
    return 0


def frozen(distribution: InstalledDistribution) -> str:
    """The requirement that installs ``distribution`` again: an editable by its folder, git by its commit."""
    from miniuv.report.outcome import direct_url_text

    name, version = distribution.metadata.display_name, distribution.metadata.version
    if (location := distribution.editable_location) is not None:
        return f"-e {location}"
    if distribution.direct_url is not None:
        return f"{name} @ {direct_url_text(distribution.direct_url, hashed=True)}"
    return f"{name}=={version}"
