"""Asking indexes whether pages are still what they were: with ``--upgrade``, when there may be nothing to do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def confirmed(questions: Sequence[Sequence[str]], *, cache: str, environ: Mapping[str, str]) -> bool:
    """Whether all pages are what they were; see ``index.http_cache.HttpCache.question``.

    ``False`` also where somebody could not be asked: the normal path tells why.
    """
    if all(len(question) > 3 for question in questions):
        from miniuv.index.asking import all_unchanged

        return all_unchanged(questions)
    from miniuv.replay.inquire import inquired

    return inquired(
        [(accept, address, digest) for accept, address, digest, *_ in questions], cache=cache, environ=environ
    )
