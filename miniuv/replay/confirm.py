"""Asking indexes whether pages are still what they were: with ``--upgrade``, when there may be nothing to do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ssl import SSLContext


def confirmed(questions: Sequence[Sequence[str]], *, cache: str, environ: Mapping[str, str]) -> bool:
    """Whether all pages are what they were; see ``index.http_cache.HttpCache.question``.

    ``False`` also where somebody could not be asked: the normal path tells why.
    """
    if are_direct(questions):
        return _confirmed_directly(questions)
    from miniuv.replay.inquire import inquired

    return inquired(
        [(accept, address, digest) for accept, address, digest, *_ in questions], cache=cache, environ=environ
    )


def are_direct(questions: Sequence[Sequence[str]]) -> bool:
    """Whether there are any, and each tells all that it takes to ask it: no setting, proxy or credential."""
    return bool(questions) and all(len(question) > 3 for question in questions)


def _confirmed_directly(questions: Sequence[Sequence[str]]) -> bool:
    import threading

    from miniuv.errors import SettingsError
    from miniuv.index.certificates import certificates

    found: list[SSLContext] = []

    def read() -> None:
        try:
            found.append(certificates(questions[0][-1] or None))
        except SettingsError:
            return

    # It takes as long as to import what asks, and there may be a second core.
    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    from miniuv.index.asking import all_unchanged

    reading.join()
    return bool(found) and all_unchanged(questions, context=found[0])
