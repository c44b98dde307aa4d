"""Every setting, resolved once into one frozen object.

Highest first: the command line, ``MINIUV_*``, ``[tool.miniuv]`` of ``./pyproject.toml``, the user's ``miniuv.toml``,
then what the machine already has for uv (``UV_*``, ``uv.toml``) and for pip (``PIP_*``, its configuration files).
Where several say a list (extra indexes, find-links, trusted hosts, constraints), the lists add up in that order, as
in pip and uv; of everything else the highest wins.
"""

from miniuv.settings.options import LinkMode
from miniuv.settings.resolved import Settings, available_cores, default_index_url

__all__ = ["LinkMode", "Settings", "available_cores", "default_index_url"]
