"""The machine's settings, less what the demo does not want: extra indexes, find-links, constraints.

A machine may have an extra index of wheels for one Python, or hold some packages at one version. The demo says what
it needs and nothing else: the package index itself, reached the way this machine reaches it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from miniuv.settings import Settings

_LEFT_OUT = {f"MINIUV_{name}" for name in ("EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "OFFLINE", "CONSTRAINT")}


def load_index_alone(environ: Mapping[str, str], *, cache: Path, directory: Path) -> Settings:
    """Read the machine's settings, and keep what leads to its index."""
    found = Settings.load(cli={"cache_dir": str(cache)}, environ=environ, directory=directory)
    return replace(
        found, extra_index_urls=(), find_links=(), constraint_files=(), no_index=False, offline=False, refresh=False
    )


def index_alone_variables(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return ``environ`` so that a miniuv that is started with it has ``settings``, wherever it stands."""
    own = {
        "NO_CONFIG": "1",
        "CACHE_DIR": str(settings.cache_dir),
        "INDEX_URL": settings.configured_index_url.reveal() if settings.configured_index_url else "",
        "CERT": str(settings.cert or ""),
        "PROXY": settings.proxy.reveal() if settings.proxy else "",
        "TRUSTED_HOST": " ".join(settings.trusted_hosts),
        "TIMEOUT": str(settings.timeout),
        "RETRIES": str(settings.retries),
    }
    kept = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    return {**kept, **{f"MINIUV_{name}": value for name, value in own.items() if value}}
