"""Two that want one path: distributions of the plan, installed ones, and files that nobody owns."""

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from miniuv.archive.intact import hash_file
from miniuv.errors import InstallError
from miniuv.install.contents import NewDistribution, NewFile
from miniuv.models.request import InstallOptions
from miniuv.reporter import Reporter
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """A path that two distributions bring, with different content."""

    path: str
    loser: str
    winner: str


def choose_files(
    distributions: Sequence[NewDistribution],
) -> tuple[tuple[tuple[NewFile, int], ...], tuple[Overlap, ...]]:
    """Choose one new file for every path, the later in plan order; each with its distribution's place in the plan."""
    chosen: dict[str, tuple[NewFile, int]] = {}
    overlaps: list[Overlap] = []
    for order, distribution in enumerate(distributions):
        for new in distribution.files:
            earlier = chosen.get(new.target)
            if earlier is not None and earlier[0].sha256 != new.sha256:
                loser = distributions[earlier[1]].title
                overlaps.append(Overlap(path=new.target, loser=loser, winner=distribution.title))
            chosen[new.target] = new, order
    _check_no_file_is_a_folder(chosen, distributions)
    return tuple(chosen.values()), tuple(overlaps)


def _check_no_file_is_a_folder(
    chosen: Mapping[str, tuple[NewFile, int]], distributions: Sequence[NewDistribution]
) -> None:
    clear: set[str] = set()
    for target, (_, order) in chosen.items():
        folder = target.rpartition("/")[0]
        while folder and folder not in clear:
            if folder in chosen:
                owner = distributions[chosen[folder][1]].title
                raise InstallError(
                    f"{owner} brings a file `{folder}`, where {distributions[order].title} brings a folder",
                    hint="install only one of them",
                )
            clear.add(folder)
            folder = folder.rpartition("/")[0]


class Conflicts:
    """Decides each collision at once, and tells of them together at the end.

    Identical bytes are no conflict. Of two distributions the later one wins, with a warning, and both go on owning
    the path; ``--strict`` refuses. A file that no distribution owns is only replaced with ``--force``.
    """

    def __init__(
        self,
        overlaps: Sequence[Overlap],
        *,
        options: InstallOptions,
        reporter: Reporter,
        owners: Callable[[], Mapping[str, str]],
    ) -> None:
        """``owners`` reads what the distributions that stay own; it is called once, and only where it is needed."""
        self._options = options
        self._reporter = reporter
        self._read_owners = owners
        self._owners: Mapping[str, str] | None = None
        self._overlaps = list(overlaps)
        self._unowned: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def owners(self) -> Mapping[str, str]:
        """Path to title, for every distribution that stays."""
        if self._owners is None:
            self._owners = self._read_owners()
        return self._owners

    def replaces_file(self, place: str, new: NewFile, *, title: str, adopts: bool) -> bool:
        """Decide whether ``new`` takes the ``place`` of a file that is there and does not leave.

        ``adopts`` says that its old version kept no account of its files, so that this may be one of them.
        """
        if _has_content(place, new):
            return False
        owner = self.owners.get(place)
        if owner is not None:
            self._overlaps.append(Overlap(path=place, loser=owner, winner=title))
        elif not adopts and not self._options.force:
            self._unowned[title].append(place)
        return True

    def check_folder_over_file(self, place: str, *, title: str, adopts: bool) -> None:
        """Decide whether a folder may take the ``place`` of a file or link that does not leave."""
        owner = self.owners.get(place)
        if owner is not None:
            raise InstallError(f"{title} brings a folder `{place}`, where {owner} has a file")
        if not adopts and not self._options.force:
            self._unowned[title].append(place)

    def conclude(self) -> None:
        """Warn of what was settled; raises ``InstallError`` for what must not be."""
        for title, places in self._unowned.items():
            raise InstallError(
                f"{title} would overwrite {_some(places)}, which belongs to no installed distribution",
                hint="remove what is in the way, or overwrite it with `--force`",
            )
        pairs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for overlap in self._overlaps:
            pairs[overlap.loser, overlap.winner].append(overlap.path)
        for (loser, winner), places in pairs.items():
            message = f"{loser} and {winner} both bring {_some(places)}, with different content"
            if self._options.strict:
                raise InstallError(message, hint="install only one of them, or leave out `--strict`")
            self._reporter.warning(f"{message}: that of {winner} is installed")


def _has_content(place: str, new: NewFile) -> bool:
    facts = os.lstat(place)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size != new.size or not new.sha256:
        return False
    return hash_file(place) == new.sha256


def _some(places: Collection[str]) -> str:
    first = min(places)
    return f"`{first}` and {len(places) - 1} more" if len(places) > 1 else f"`{first}`"
