"""Where configuration files lie, and how TOML is read."""

import os
from collections.abc import Mapping
from pathlib import Path

from miniuv.errors import SettingsError
from miniuv.models.url import redact

MACHINE = Path("/etc")
"""Where pip and uv look besides the folders of ``XDG_CONFIG_DIRS``."""


def config_home(environ: Mapping[str, str]) -> Path:
    """The folder of the user's configuration files."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config")


def system_folders(environ: Mapping[str, str]) -> list[str]:
    """The folders of the machine's configuration files, highest first."""
    return [folder for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep) if folder]


def read_toml(file: Path) -> dict[str, object]:
    """Read a file that need not be there; raises ``SettingsError`` with its line."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"it cannot be read: {error.strerror}", where=str(file)) from error
    import tomli

    try:
        return tomli.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError("it is not UTF-8", where=str(file)) from error
    except (tomli.TOMLDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = f"{file}:{line}" if line else str(file)
        raise SettingsError(f"it is no TOML: {one_line(error)}", where=where) from error


def one_line(error: BaseException) -> str:
    """The text of a foreign error, free of line breaks and secrets."""
    return redact(" ".join(str(error).split()))
