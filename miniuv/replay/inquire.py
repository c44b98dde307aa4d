"""Asking indexes as the settings say, with their proxies and credentials, which take longer to import than to use."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from miniuv.cache.store import Store
from miniuv.errors import MiniuvError
from miniuv.index.client import HttpClient
from miniuv.index.coding import PAGE_LIMIT
from miniuv.index.http_cache import Bodies, HttpCache
from miniuv.reporter import Reporter
from miniuv.settings import Settings
from miniuv.sources.parallel import in_parallel


def inquired(questions: Sequence[tuple[str, str, str]], *, cache: str, environ: Mapping[str, str]) -> bool:
    """Whether all pages are what they were: their ``Accept``, address, and the digest of their content.

    ``False`` also where somebody could not be asked: the normal path tells why.
    """
    try:
        settings = Settings.load(cli={"cache-dir": cache}, environ=environ, directory=Path.cwd())
        if settings.offline:
            return False
        with (
            Store.open(settings.cache_dir, reporter=Reporter()) as store,
            HttpClient(settings, environ=environ) as client,
        ):
            bodies = Bodies(store=store)
            http = HttpCache(client=client, store=store, bodies=bodies, offline=False, refresh=True)

            def ask(question: tuple[str, str, str]) -> bool:
                accept, address, body = question
                return http.confirm(f"get {accept} {address}", body, accept=accept, limit=PAGE_LIMIT)

            return all(in_parallel(ask, questions, workers=settings.concurrent_downloads))
    except (MiniuvError, OSError):
        return False
