"""Whether what is installed fits together; pure."""

from collections import Counter
from collections.abc import Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter


def problems(installed: Sequence[InstalledDistribution], interpreter: Interpreter) -> list[str]:
    """One sentence for each thing that does not fit; sorted, in pip's words where pip has them."""
    versions = {distribution.name: distribution.metadata.version for distribution in installed}
    found: set[str] = set()
    for name, count in Counter(distribution.name for distribution in installed).items():
        if count > 1:
            found.add(f"{name} is installed {count} times.")
    for distribution in installed:
        metadata = distribution.metadata
        title = f"{metadata.display_name} {metadata.version}"
        needed = metadata.requires_python
        if needed is not None and not needed.contains(interpreter.version, prereleases=True):
            found.add(f"{title} requires Python {needed}, but this is Python {interpreter.version}.")
        for text in metadata.requires_dist:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                found.add(f"{title} has a requirement that cannot be read: {text}")
                continue
            marker = requirement.marker
            if marker is not None and not marker.evaluate({**interpreter.markers, "extra": ""}):
                continue
            version = versions.get(canonicalize_name(requirement.name))
            if version is None:
                found.add(f"{title} requires {requirement.name}, which is not installed.")
            elif not requirement.specifier.contains(version, prereleases=True):
                asked = f"{requirement.name}{requirement.specifier}"
                found.add(f"{title} has requirement {asked}, but you have {requirement.name} {version}.")
    return sorted(found)
