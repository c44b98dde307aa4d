"""Whether what is installed fits together; pure."""

import re
from collections import Counter
from collections.abc import Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from miniuv.errors import RequirementError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.project.pep508 import marker_holds

_NAME = re.compile(r"\s*[\w.-]+")


def new_problems(
    before: Sequence[InstalledDistribution],
    after: Sequence[InstalledDistribution],
    interpreter: Interpreter,
    *,
    resolved: frozenset[NormalizedName] = frozenset(),
) -> list[str]:
    """What does not fit since ``before`` became ``after``; see ``problems``.

    ``resolved``: names whose requirements the resolver has just seen to, so that nobody need read them again.
    """
    versions = [{(each.name, each.metadata.version) for each in installed} for installed in (before, after)]
    changed = frozenset(name for name, _ in versions[0] ^ versions[1])
    known = set(problems(before, interpreter, about=changed))
    found = problems(after, interpreter, about=changed, resolved=resolved)
    return [problem for problem in found if problem not in known]


def problems(
    installed: Sequence[InstalledDistribution],
    interpreter: Interpreter,
    *,
    about: frozenset[NormalizedName] | None = None,
    resolved: frozenset[NormalizedName] = frozenset(),
) -> list[str]:
    """One sentence for each thing that does not fit; sorted, in pip's words where pip has them.

    ``about``: only what has to do with these names. ``resolved``: names whose requirements are known to be met.
    """
    versions = {distribution.name: distribution.metadata.version for distribution in installed}
    found: set[str] = set()
    for name, count in Counter(distribution.name for distribution in installed).items():
        if count > 1 and (about is None or name in about):
            found.add(f"{name} is installed {count} times.")
    for distribution in installed:
        if distribution.name in resolved:
            continue
        metadata = distribution.metadata
        whole = about is None or distribution.name in about
        title = f"{metadata.display_name} {metadata.version}"
        needed = metadata.requires_python
        if whole and needed is not None and not needed.contains(interpreter.version, prereleases=True):
            found.add(f"{title} requires Python {needed}, but this is Python {interpreter.version}.")
        for text in metadata.requires_dist:
            if not whole and about is not None and _name(text) not in about:
                continue
            try:
                requirement = Requirement(text)
                if not marker_holds(requirement.marker, interpreter.markers):
                    continue
            except (InvalidRequirement, RequirementError):
                found.add(f"{title} has a requirement that cannot be read: {text}")
                continue
            version = versions.get(canonicalize_name(requirement.name))
            if version is None:
                found.add(f"{title} requires {requirement.name}, which is not installed.")
            elif not requirement.specifier.contains(version, prereleases=True):
                asked = f"{requirement.name}{requirement.specifier}"
                found.add(f"{title} has requirement {asked}, but you have {requirement.name} {version}.")
    return sorted(found)


def _name(requirement: str) -> NormalizedName:
    """The name that a requirement begins with; to parse hundreds of them whole takes long."""
    match = _NAME.match(requirement)
    return canonicalize_name(match[0].strip() if match else "")
