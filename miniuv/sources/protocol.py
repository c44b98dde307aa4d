"""What every kind of source can answer."""

from typing import Protocol, TypeVar

from miniuv.models.metadata import CoreMetadata
from miniuv.models.wheel import UnpackedWheel

Pinned_contra = TypeVar("Pinned_contra", contravariant=True)


class Source(Protocol[Pinned_contra]):
    """One kind of thing that can be installed.

    Both calls may take long, wait for other processes and raise any ``MiniuvError``; they are made with
    nothing held, from many threads, and do their work once a run for each ``pinned``.
    """

    def metadata(self, pinned: Pinned_contra, /) -> CoreMetadata:
        """The cheapest trustworthy core metadata: no download and no build where less is enough."""
        ...

    def wheel(self, pinned: Pinned_contra, /) -> UnpackedWheel:
        """The wheel, validated and unpacked in the cache."""
        ...
