"""What a candidate needs: its metadata, read for the target."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from miniuv.errors import MetadataError, ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.requirement import Origin, Requirement, UnnamedRequirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import DirectorySource, IndexFile
from miniuv.project.requirements import parse_requirement
from miniuv.resolve.terms import Impossible, Pick, Term, wants_of
from miniuv.sources.catalog import Catalog
from miniuv.sources.once import Once
from miniuv.values import replace


class Dependencies:
    """The edges of the graph."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        interpreter: Interpreter,
        directory: Path,
        follow: bool,
        vouched: Sequence[Requirement],
        announce: Callable[[Sequence[Term]], None],
    ) -> None:
        """``follow`` is false for ``--no-deps``; ``announce`` hears of new terms, to fetch ahead.

        ``vouched`` are the user's own requirements and constraints: what they name, anybody may name.
        """
        self._catalog = catalog
        self._interpreter = interpreter
        self._directory = directory
        self._follow = follow
        self._vouched = {(each.name, str(each.source)) for each in vouched if each.source is not None}
        self._announce = announce
        self._terms = Once(self._read, label=lambda pick: str(pick.candidate))

    def of(self, pick: Pick) -> Sequence[Term]:
        """What ``pick`` needs; one ``Impossible`` where it cannot be used."""
        terms = self._terms(pick)
        self._announce(terms)
        return terms

    def metadata(self, candidate: Candidate) -> CoreMetadata:
        """The metadata of ``candidate``, from wherever it is cheapest; nothing is run before its hash is checked."""
        if isinstance(candidate.source, InstalledDistribution):
            return candidate.source.metadata
        self._catalog.check_hashes(candidate.source, candidate.hashes)
        return self._catalog.metadata(candidate.source)

    def _read(self, pick: Pick) -> Sequence[Term]:
        candidate = pick.candidate
        try:
            metadata = self.metadata(candidate)
        except MetadataError as error:
            if not isinstance(candidate.source, IndexFile):
                raise
            return [Impossible(candidate, f"has metadata that cannot be read: {error}")]
        if problem := self._problem(candidate, metadata):
            return [problem]
        if not self._follow or (pick.extra and pick.extra not in metadata.provides_extra):
            return []
        return [term for wanted in self._requirements(metadata, pick) for term in wants_of(wanted)]

    def _requirements(self, metadata: CoreMetadata, pick: Pick) -> list[Requirement]:
        source = pick.candidate.source
        origin = Origin(
            place=self._place(pick.candidate, metadata), requirer=f"{metadata.display_name} {metadata.version}"
        )
        base = source.path if isinstance(source, DirectorySource) else self._directory
        extras = frozenset({pick.extra} if pick.extra else ())

        def parsed(text: str, origin: Origin) -> Requirement | UnnamedRequirement | None:
            return parse_requirement(text, origin=origin, base=base, markers=self._interpreter.markers, extras=extras)

        found = []
        for text in metadata.requires_dist:
            # What holds without any extra belongs to the distribution itself, not to each of its extras.
            if pick.extra and "extra" not in text:
                continue
            wanted = parsed(text, origin)
            if not isinstance(wanted, Requirement):
                continue
            vouched = wanted.source is None or (wanted.name, str(wanted.source)) in self._vouched
            if not vouched and not _is_trusted(pick.candidate):
                parsed(text, replace(origin, trusted=False))  # raises
            found.append(wanted)
        return found

    def _problem(self, candidate: Candidate, metadata: CoreMetadata) -> Impossible | None:
        """Why ``candidate`` cannot be used; where there is no other to try, that is raised."""
        if isinstance(candidate.source, IndexFile) and (metadata.name, metadata.version) != (
            candidate.name,
            candidate.version,
        ):
            says = f"{metadata.display_name} {metadata.version}"
            return Impossible(candidate, f"is called `{says}` in its own metadata ({candidate.source.filename})")
        needed, target = metadata.requires_python, self._interpreter.version
        if needed is None or needed.contains(target, prereleases=True):
            return None
        reason = f"requires Python {needed}, but the target is Python {target}"
        if not _is_trusted(candidate):
            return Impossible(candidate, reason)
        raise ResolutionError(
            f"`{metadata.display_name} {metadata.version}` {reason} ({self._interpreter.executable})",
            where=self._place(candidate, metadata),
            hint=f"choose another interpreter: `miniuv venv --python '{needed}'`, or `--python`",
        )

    def _place(self, candidate: Candidate, metadata: CoreMetadata) -> str:
        if not isinstance(candidate.source, DirectorySource):
            return f"{metadata.display_name} {metadata.version}"
        folder = candidate.source.path
        relative = os.path.relpath(folder, self._directory)
        shown = Path(relative) if not relative.startswith("..") else folder
        name = "pyproject.toml" if (folder / "pyproject.toml").exists() else "setup.py"
        return str(shown / name)


def _is_trusted(candidate: Candidate) -> bool:
    """Only what the user pointed at may point at further places: an index package may not."""
    if isinstance(candidate.source, InstalledDistribution):
        return candidate.source.direct_url is not None
    return not isinstance(candidate.source, IndexFile)
