"""The settings as everybody reads them."""

import functools
import math
import os
from collections.abc import Mapping
from pathlib import Path

from miniuv.models.url import Url
from miniuv.settings.options import SETTINGS, LinkMode, WheelRule
from miniuv.settings.places import layers
from miniuv.values import dataclass, field

_CGROUPS = Path("/sys/fs/cgroup")
"""Of a container, its own."""


def available_cores() -> int:
    """How many processors this process may keep busy: by its affinity, and by the quota of its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(count or 1, _quota(_CGROUPS))))


def _quota(cgroups: Path) -> float:
    """Processors' worth of time that the kernel grants (cgroup 2's ``cpu.max``, or its like of 1); infinite if all."""
    try:
        if (told := cgroups / "cpu.max").exists():
            granted, period = told.read_text().split()
        else:
            granted, period = ((cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(granted) / float(period) if float(granted) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # `max` is no number
        return math.inf


@functools.cache
def default_index_url() -> Url:
    """The index that is used where nothing names one; distlib knows its host, the path is the Simple API's."""
    from urllib.parse import urlsplit

    parts = urlsplit(_index_of_distlib())
    return Url.parse(f"{parts.scheme}://{parts.netloc}/simple/")


def _index_of_distlib() -> str:
    """The constant as it stands in the module's text, for to import that takes longer than to install from a cache."""
    import ast
    from importlib.util import find_spec

    package = find_spec("distlib")
    for folder in (package and package.submodule_search_locations) or ():
        try:
            lines = Path(folder, "index.py").read_text("utf-8").splitlines()
            text = next(line for line in lines if line.startswith("DEFAULT_INDEX"))
            found = ast.literal_eval(text.partition("=")[2].strip())
        except (OSError, ValueError, SyntaxError, StopIteration):
            continue
        if isinstance(found, str) and "://" in found:
            return found
    from distlib.index import DEFAULT_INDEX  # type: ignore[import-untyped]

    return str(DEFAULT_INDEX)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the user decided, wherever it was written."""

    cache_dir: Path
    configured_index_url: Url | None = None
    """``None`` where nobody names one; see ``index_url``."""
    extra_index_urls: tuple[Url, ...] = ()
    """Asked before ``index_url``, in this order."""
    find_links: tuple[Url, ...] = ()
    """Folders, pages and single archives; a path has become a ``file:`` address."""
    no_index: bool = False
    require_hashes: bool = False
    offline: bool = False
    refresh: bool = False
    """Ask again for everything that can have changed."""
    cert: Path | None = None
    """A bundle of certificates instead of the system's."""
    proxy: Url | None = None
    """``None``: ``HTTPS_PROXY`` and its like decide."""
    trusted_hosts: tuple[str, ...] = ()
    """``host`` or ``host:port``: no certificate is asked of them."""
    constraint_files: tuple[str, ...] = ()
    """Paths or addresses, besides those of the command."""
    lock_wait: float | None = None
    """Seconds to wait for somebody else's lock; ``None``: as long as it takes."""
    timeout: float = 30.0
    """Seconds in which a server must say something."""
    retries: int = 3
    concurrent_downloads: int = 16
    concurrent_builds: int = field(default_factory=available_cores)
    concurrent_fetches: int = 8
    link_mode: LinkMode = "auto"
    allowed_wheel_rules: tuple[WheelRule, ...] = ()
    """Rules of form that a wheel may break."""
    allow_shared_cache: bool = False
    files: tuple[Path, ...] = field(default=(), compare=False)
    """Every file that was looked for, whether it is there or not."""

    @property
    def index_url(self) -> Url:
        """The index that is asked last."""
        return self.configured_index_url or default_index_url()

    @classmethod
    def load(cls, *, cli: Mapping[str, object], environ: Mapping[str, str], directory: Path) -> "Settings":
        """Read every place and decide; ``cli`` holds only the options that were given, by field or option name.

        ``MINIUV_NO_CONFIG`` (or ``no_config`` in ``cli``) leaves the command line and ``MINIUV_*`` only.
        Raises ``SettingsError``, which names the place.
        """
        places = list(layers(cli, environ, Path(os.path.abspath(directory))))
        values: dict[str, object] = {"files": tuple(file for layer in places for file in layer.files)}
        for option, setting in SETTINGS.items():
            found = [(layer, layer.values[option]) for layer in places if option in layer.values]
            if setting.many:
                parsed = [each for layer, raw in found for each in setting.read_all(raw, layer=layer, option=option)]
                values[setting.name] = tuple(dict.fromkeys(parsed))
            elif found:
                layer, raw = found[0]
                values[setting.name] = setting.read(raw, layer=layer, option=option)
        if "cache_dir" not in values:
            from platformdirs import user_cache_path

            values["cache_dir"] = user_cache_path("miniuv", appauthor=False)
        return cls(**values)  # type: ignore[arg-type]  # each value was made by the parser of its own field
