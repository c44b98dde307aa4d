"""What PEP 610 wants recorded of a direct reference."""

from packaging.direct_url import ArchiveInfo, DirectUrl, DirInfo, VcsInfo

from miniuv.models.source import ArchiveSource, DirectorySource, IndexFile, PinnedGit, PinnedSource, Sha256


def direct_url_of(source: PinnedSource, *, digest: Sha256 | None = None) -> DirectUrl | None:
    """The ``direct_url.json`` of ``source``, without credentials; ``None`` for a file of an index.

    ``digest`` is the sha256 of the archive that was downloaded for an ``ArchiveSource``.
    """
    match source:
        case IndexFile():
            return None
        case DirectorySource(path=path, editable=editable):
            # "editable … If absent, default is false."
            return DirectUrl(url=path.as_uri(), dir_info=DirInfo(editable=True) if editable else DirInfo())
        case PinnedGit(repository=repository, commit=commit, requested=requested, subdirectory=subdirectory):
            return DirectUrl(
                url=str(repository),
                vcs_info=VcsInfo(vcs="git", commit_id=commit, requested_revision=requested),
                subdirectory=subdirectory,
            )
        case ArchiveSource(url=url, hashes=hashes, subdirectory=subdirectory):
            known = dict(hashes) | ({"sha256": digest} if digest else {})
            return DirectUrl(url=str(url), archive_info=ArchiveInfo(hashes=known or None), subdirectory=subdirectory)
