"""Git repositories at one commit."""

from pathlib import Path

from miniuv.git.project_root import project_root
from miniuv.git.repositories import GitRepositories
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import PinnedGit
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.pyproject import static_metadata
from miniuv.sources.built import BuiltWheels, SourceTree
from miniuv.sources.folder import read_project
from miniuv.sources.once import Once
from miniuv.sources.wheels import wheel_metadata


class GitSources:
    """The ``Source`` of ``PinnedGit``: static metadata from the project's files, else from the built wheel."""

    def __init__(self, *, repositories: GitRepositories, built: BuiltWheels, builds_all: bool = True) -> None:
        """``builds_all`` says that what is asked about will be built, so that its private copy tells the metadata too.

        Else nobody keeps a wheel, and a plain checkout is kept for who asks next.
        """
        self._repositories = repositories
        self._built = built
        self._builds_all = builds_all
        self.pin = Once(repositories.pin, check_free=built.check_free)
        self.metadata = Once(self._metadata, check_free=built.check_free)
        self.wheel = Once(self._wheel, holds=built.holds, check_free=built.check_free)

    def _metadata(self, pinned: PinnedGit) -> CoreMetadata:
        if found := self._built.find(_identity(pinned)):
            return wheel_metadata(found)
        if self._builds_all:
            root = self._built.copy(self._tree(pinned))
        else:
            root = project_root(self._repositories.checkout(pinned), pinned.subdirectory, where=str(pinned))
        # A git requirement that is asked for is nearly always installed: its wheel is built at once instead of
        # its metadata being prepared first, which saves one run of the backend.
        return static_metadata(read_project(root, title=str(pinned))) or wheel_metadata(self.wheel(pinned))

    def _wheel(self, pinned: PinnedGit) -> UnpackedWheel:
        if found := self._built.find(_identity(pinned)):
            return found
        return self._built.wheel(self._tree(pinned))

    def _tree(self, pinned: PinnedGit) -> SourceTree:
        def copy_to(folder: Path) -> Path:
            tree = folder / "source"
            self._repositories.build_copy(pinned, tree)
            return project_root(tree, pinned.subdirectory, where=str(pinned))

        return SourceTree(identity=_identity(pinned), title=str(pinned), copy_to=copy_to)


def _identity(pinned: PinnedGit) -> str:
    repository, commit, subdirectory = pinned.identity
    return f"git {repository} {commit} {subdirectory}"
