"""What the machine already has for uv and for pip, in our own words."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from miniuv.errors import SettingsError
from miniuv.settings.files import MACHINE, config_home, one_line, read_toml, system_folders
from miniuv.settings.options import Layer, LinkMode, flag, words

_PIP_KEYS = {
    "index-url": "index-url",
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "no-index": "no-index",
    "require-hashes": "require-hashes",
    "cert": "cert",
    "proxy": "proxy",
    "trusted-host": "trusted-host",
    "constraint": "constraint",
    "timeout": "timeout",
    "default-timeout": "timeout",
    "retries": "retries",
}

_UV_KEYS = {
    "index-url": "index-url",
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "no-index": "no-index",
    "require-hashes": "require-hashes",
    "offline": "offline",
    "allow-insecure-host": "trusted-host",
    "trusted-host": "trusted-host",
    "constraint": "constraint",
    "http-timeout": "timeout",
    "http-retries": "retries",
    "concurrent-downloads": "concurrent-downloads",
    "concurrent-builds": "concurrent-builds",
    "link-mode": "link-mode",
}

_UV_VARIABLES = {
    "UV_DEFAULT_INDEX": "index-url",
    "UV_INDEX_URL": "index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
    "UV_NO_INDEX": "no-index",
    "UV_REQUIRE_HASHES": "require-hashes",
    "UV_OFFLINE": "offline",
    "UV_INSECURE_HOST": "allow-insecure-host",
    "UV_CONSTRAINT": "constraint",
    "UV_HTTP_TIMEOUT": "http-timeout",
    "UV_HTTP_RETRIES": "http-retries",
    "UV_CONCURRENT_DOWNLOADS": "concurrent-downloads",
    "UV_CONCURRENT_BUILDS": "concurrent-builds",
    "UV_LINK_MODE": "link-mode",
}
"""To the keys of ``uv.toml``."""


def uv_layers(environ: Mapping[str, str], directory: Path, project: object) -> Iterator[Layer]:
    """What uv would read; ``project`` is ``[tool.uv]``."""
    said: dict[str, object] = {}
    for variable, option in _UV_VARIABLES.items():
        if value := environ.get(variable):
            # uv itself splits find-links at commas, everything else at blanks
            said.setdefault(option, value.split(",") if variable == "UV_FIND_LINKS" else value)
    if indexes := environ.get("UV_INDEX"):
        earlier = words(said.get("extra-index-url", []))
        said["extra-index-url"] = [*indexes.split(), *earlier]
    yield Layer(where="the environment (UV_*)", base=directory, values=_uv_values(said))
    if flag(environ, "UV_NO_CONFIG"):
        return
    if chosen := environ.get("UV_CONFIG_FILE"):
        files = [directory / chosen]
    else:
        yield Layer(where="pyproject.toml, [tool.uv]", base=directory, values=_uv_values(project))
        files = [directory / "uv.toml", config_home(environ) / "uv" / "uv.toml"]
        files += [Path(folder) / "uv" / "uv.toml" for folder in system_folders(environ)] + [MACHINE / "uv" / "uv.toml"]
    for file in files:
        yield Layer(where=str(file), base=file.parent, values=_uv_values(read_toml(file)), files=(file,))


def _uv_values(table: object) -> dict[str, object]:
    """Take what we know from a table of uv's settings; its ``[pip]`` part goes first."""
    if not isinstance(table, dict):
        return {}
    pip = table.get("pip")
    merged = {**table, **(pip if isinstance(pip, dict) else {})}
    values = {option: merged[name] for name, option in _UV_KEYS.items() if name in merged}
    if values.get("link-mode") not in get_args(LinkMode):
        values.pop("link-mode", None)
    extra: list[object] = []
    for index in merged.get("index", []) if isinstance(merged.get("index"), list) else []:
        if not isinstance(index, dict) or index.get("explicit") or index.get("format") == "flat":
            continue
        if index.get("default"):
            values.setdefault("index-url", index.get("url", ""))
        else:
            extra.append(index.get("url", ""))
    if extra:
        values["extra-index-url"] = [*extra, *words(values.get("extra-index-url", []))]
    return values


def pip_layers(environ: Mapping[str, str], directory: Path) -> Iterator[Layer]:
    """What pip would read."""
    said = {
        option: value
        for name, option in _PIP_KEYS.items()
        if (value := environ.get(f"PIP_{name.upper().replace('-', '_')}"))
    }
    yield Layer(where="the environment (PIP_*)", base=directory, values=said)
    general: dict[str, object] = {}
    install: dict[str, object] = {}
    files = _pip_files(environ)
    for file in files:
        for section, values in _read_pip_file(file).items():
            {"global": general, "install": install}.get(section, {}).update(values)
    # pip lets every `[install]` win over every `[global]`, and a later file over an earlier one
    where = "the configuration of pip"
    yield Layer(
        where=where, base=directory, values={**general, **install}, files=tuple(directory / file for file in files)
    )


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """The configuration files of pip, lowest first."""
    import sys

    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    files = [Path(folder) / "pip" / "pip.conf" for folder in reversed(system_folders(environ))]
    files.append(MACHINE / "pip.conf")
    if not (chosen and Path(chosen).exists()):
        files += [home / ".pip" / "pip.conf", config_home(environ) / "pip" / "pip.conf"]
    files.append(Path(environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf")
    return [*files, Path(chosen)] if chosen else files


def _read_pip_file(file: Path) -> dict[str, dict[str, object]]:
    if not file.is_file():
        return {}
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"the configuration of pip cannot be read: {one_line(error)}", where=str(file)) from error
    return {
        section: {
            _PIP_KEYS[key]: value
            for name, value in parser.items(section)
            if value and (key := name.lower().replace("_", "-").removeprefix("--")) in _PIP_KEYS
        }
        for section in parser.sections()
    }
