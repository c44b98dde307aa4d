"""What can be set: the name that users write, the field it becomes, how its value is read."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from miniuv.errors import RequirementError, SettingsError
from miniuv.models.url import Url, redact
from miniuv.values import dataclass

LinkMode = Literal["auto", "clone", "hardlink", "copy"]
WheelRule = Literal["case", "record", "size", "zip-comment", "zip-prefix"]
"""What may be waived of a wheel's form; see ``docs/archives.md``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """What one place says, by option name (``extra-index-url``); the values are as they stood there."""

    where: str
    base: Path
    """What relative paths start from."""
    values: Mapping[str, object]
    files: tuple[Path, ...] = ()
    """Which files it was read from, whether they are there or not."""

    def spelled(self, option: str) -> str:
        """How ``option`` is written there."""
        match self.where:
            case "the command line":
                return f"--{option}"
            case "the environment":
                return f"MINIUV_{option.upper().replace('-', '_')}"
            case _:
                return option


Parser = Callable[[object, Path], object]
"""From what stood somewhere, and the folder of relative paths, to the value of a field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """How one field is written by users."""

    name: str
    parse: Parser
    many: bool = False

    def read(self, raw: object, *, layer: Layer, option: str) -> object:
        """Make the value; raises ``SettingsError``, which names the place."""
        try:
            return self.parse(raw, layer.base)
        except (ValueError, TypeError, RequirementError) as error:
            message = error.message if isinstance(error, RequirementError) else str(error)
            shown = redact(str(raw))
            raise SettingsError(
                f"`{layer.spelled(option)}` cannot be `{shown}`: {message}", where=layer.where
            ) from error

    def read_all(self, raw: object, *, layer: Layer, option: str) -> list[object]:
        """Make the values of a list."""
        return [self.read(each, layer=layer, option=option) for each in words(raw)]


def flag(environ: Mapping[str, str], variable: str) -> bool:
    """Whether a variable says yes."""
    layer = Layer(where="the environment", base=Path(), values={})
    return bool(_FLAG.read(environ.get(variable, ""), layer=layer, option=variable))


def words(raw: object) -> list[object]:
    """Split a text at blanks, as pip and uv do in variables; a list stays what it is."""
    return list(raw.split()) if isinstance(raw, str) else list(raw) if isinstance(raw, Sequence) else [raw]


def _truth(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in {"1", "true", "yes", "on", "y", "t"}:
        return True
    if text in {"0", "false", "no", "off", "n", "f", ""}:
        return False
    raise ValueError("it must be `true` or `false`")


def _count(raw: object) -> int:
    try:
        number = int(str(raw))
    except ValueError:
        raise ValueError("it must be a whole number") from None
    if number < 0:
        raise ValueError("it must not be negative")
    return number


def _positive(raw: object) -> int:
    if (number := _count(raw)) < 1:
        raise ValueError("it must be at least 1")
    return number


def _seconds(raw: object) -> float:
    try:
        seconds = float(str(raw))
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ValueError("it must be a number of seconds, zero or more")
    return seconds


def _timeout(raw: object) -> float:
    if (seconds := _seconds(raw)) == 0:
        raise ValueError("it must be more than zero")
    return seconds


def _text(raw: object) -> str:
    if not isinstance(raw, str | Path) or not str(raw).strip():
        raise ValueError("it must be a text that is not empty")
    return str(raw).strip()


def _link_mode(raw: object) -> str:
    if raw not in get_args(LinkMode):
        raise ValueError(f"it must be one of {', '.join(get_args(LinkMode))}")
    return str(raw)


def _wheel_rule(raw: object) -> str:
    if raw not in get_args(WheelRule):
        raise ValueError(f"what can be allowed is {', '.join(get_args(WheelRule))}; other rules stand")
    return str(raw)


def _path(raw: object, base: Path) -> Path:
    return base / Path(_text(raw)).expanduser()


def _place(raw: object, base: Path) -> Url:
    """Read an address or a path; uv's ``name=https://…`` loses its name."""
    text = _text(raw)
    name, equals, rest = text.partition("=")
    if equals and "://" in rest and "://" not in name and "/" not in name:
        text = rest
    if "://" in text or text.startswith("file:"):
        return Url.parse(text)
    return Url.parse(Path(os.path.abspath(_path(text, base))).as_uri())


def _proxy(raw: object, _base: Path) -> Url:
    text = _text(raw)
    return Url.parse(text if "://" in text else f"http://{text}")


def _file_or_address(raw: object, base: Path) -> str:
    text = _text(raw)
    return text if "://" in text else str(_path(text, base))


def _plain(parse: Callable[[object], object]) -> Parser:
    return lambda raw, _base: parse(raw)


_FLAG = Setting(name="", parse=_plain(_truth))

SETTINGS: dict[str, Setting] = {
    "cache-dir": Setting(name="cache_dir", parse=_path),
    "index-url": Setting(name="configured_index_url", parse=_place),
    "extra-index-url": Setting(name="extra_index_urls", parse=_place, many=True),
    "find-links": Setting(name="find_links", parse=_place, many=True),
    "no-index": Setting(name="no_index", parse=_plain(_truth)),
    "require-hashes": Setting(name="require_hashes", parse=_plain(_truth)),
    "offline": Setting(name="offline", parse=_plain(_truth)),
    "refresh": Setting(name="refresh", parse=_plain(_truth)),
    "cert": Setting(name="cert", parse=_path),
    "proxy": Setting(name="proxy", parse=_proxy),
    "trusted-host": Setting(name="trusted_hosts", parse=_plain(_text), many=True),
    "constraint": Setting(name="constraint_files", parse=_file_or_address, many=True),
    "lock-wait": Setting(name="lock_wait", parse=_plain(_seconds)),
    "timeout": Setting(name="timeout", parse=_plain(_timeout)),
    "retries": Setting(name="retries", parse=_plain(_count)),
    "concurrent-downloads": Setting(name="concurrent_downloads", parse=_plain(_positive)),
    "concurrent-builds": Setting(name="concurrent_builds", parse=_plain(_positive)),
    "concurrent-fetches": Setting(name="concurrent_fetches", parse=_plain(_positive)),
    "link-mode": Setting(name="link_mode", parse=_plain(_link_mode)),
    "allow-wheel": Setting(name="allowed_wheel_rules", parse=_plain(_wheel_rule), many=True),
    "allow-shared-cache": Setting(name="allow_shared_cache", parse=_plain(_truth)),
}

OTHERS_OPTIONS = frozenset({"cache-keys"})
"""Allowed in ``[tool.miniuv]``, and read elsewhere."""
