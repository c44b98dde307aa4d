"""The words that the resolver and resolvelib share.

A name and each of its extras are identified apart, so that ``proj[dev]`` is ``proj`` plus what ``dev`` adds:
the pick for ``(proj, dev)`` depends on exactly the same candidate for ``(proj, "")``.
"""

from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.values import dataclass

Identifier = tuple[str, str]
"""Normalised name and normalised extra; the extra is empty for the distribution itself."""


@dataclass(frozen=True, slots=True)
class Want:
    """A requirement, seen from one of its extras."""

    requirement: Requirement
    extra: str = ""

    @property
    def identifier(self) -> Identifier:
        """See ``Identifier``."""
        return self.requirement.name, self.extra


@dataclass(frozen=True, slots=True)
class Same:
    """An extra needs the very candidate that it is an extra of."""

    candidate: Candidate

    @property
    def identifier(self) -> Identifier:
        """See ``Identifier``."""
        return self.candidate.name, ""


@dataclass(frozen=True, slots=True)
class Impossible:
    """A candidate that cannot be used, told as a requirement that nothing satisfies."""

    candidate: Candidate
    reason: str
    """A sentence without its subject: ``requires Python >=3.13, but the target is 3.12.1``."""

    @property
    def identifier(self) -> Identifier:
        """Of its own, so that it meets no other requirement."""
        return f"<{self.candidate}>", ""


Term = Want | Same | Impossible


@dataclass(frozen=True, slots=True)
class Pick:
    """A candidate, seen from one of its extras."""

    candidate: Candidate
    extra: str = ""

    @property
    def identifier(self) -> Identifier:
        """See ``Identifier``."""
        return self.candidate.name, self.extra


def wants_of(requirement: Requirement) -> list[Term]:
    """``proj[a,b]`` as three: the distribution, ``a`` and ``b``."""
    return [Want(requirement), *(Want(requirement, extra) for extra in sorted(requirement.extras))]
