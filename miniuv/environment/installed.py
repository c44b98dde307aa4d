"""Read what is installed in an environment."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from packaging.direct_url import DirectUrl, DirectUrlValidationError, DirInfo
from packaging.utils import canonicalize_name
from packaging.version import Version

from miniuv.errors import MetadataError, TargetError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.project.core_metadata import parse_metadata
from miniuv.reporter import Reporter

_SUFFIXES = (".dist-info", ".egg-info", ".egg-link")
_NAME_AND_VERSION = re.compile(rb"^(?:Name|Version):[^\r\n]*", re.MULTILINE | re.IGNORECASE)


def installed_distributions(
    interpreter: Interpreter, *, reporter: Reporter, requirements: bool = True
) -> tuple[InstalledDistribution, ...]:
    """Read every distribution in the environment's own site-packages, sorted by name; ones twice there come twice.

    Whatever cannot be read is told as a warning: a ``.dist-info`` has a ``problem`` then, and the name and version
    that its folder says; anything else is left out. For a legacy ``setup.py develop`` install ``info`` is the
    ``.egg-link`` file. Without ``requirements`` only names and versions are read of what they tell of themselves,
    which takes a fraction of the time.
    """
    found: list[InstalledDistribution] = []
    for info in _infos(interpreter):
        if info.name.startswith("~"):
            reporter.warning(f"ignoring `{info}`: what pip left of an uninstallation", hint="it can be removed")
            continue
        try:
            distribution = (
                _read_link(info)
                if info.suffix == ".egg-link"
                else _read_info(info, reporter, requirements=requirements)
            )
        except (MetadataError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
            reporter.warning(f"ignoring `{info}`: {reason}", hint="install it again, or remove what is left of it")
            continue
        found.append(distribution)
    return tuple(sorted(found, key=lambda one: (one.name, one.metadata.version, one.info)))


def fingerprint(interpreter: Interpreter) -> str:
    """Digest which distributions are installed, and how each RECORD lies on the disk.

    It differs after any installation, also of the same version, so that a plan can be checked under the lock.
    """
    digest = hashlib.sha256()
    for info in _infos(interpreter):
        digest.update(os.fsencode(info) + b"\0")
        for file in (info, info / "RECORD", info / "direct_url.json"):
            try:
                status = file.stat()
            except OSError:
                digest.update(b"-\0")
            else:
                digest.update(f"{status.st_ino} {status.st_size} {status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def site_folders(interpreter: Interpreter) -> tuple[Path, ...]:
    """The environment's own site-packages; purelib and platlib are often one folder, by two names."""
    folders: dict[str, Path] = {}
    for site in (interpreter.scheme.purelib, interpreter.scheme.platlib):
        folders.setdefault(os.path.realpath(site), site)
    return tuple(folders.values())


def _infos(interpreter: Interpreter) -> Iterator[Path]:
    """Yield what names a distribution."""
    for site in site_folders(interpreter):
        try:
            names = sorted(os.listdir(site))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TargetError(f"cannot read `{site}`: {error.strerror}", hint="check who owns it") from error
        yield from (site / name for name in names if name.endswith(_SUFFIXES))


def _read_info(info: Path, reporter: Reporter, *, requirements: bool) -> InstalledDistribution:
    problem = None
    try:
        metadata = _metadata(info, reporter, requirements=requirements)
    except MetadataError as error:
        metadata, problem = _named_by_folder(info, error), error.message
        repair = f"`miniuv pip install --reinstall {metadata.name}` repairs it"
        reporter.warning(f"`{info}` is broken: {problem}", hint=repair)
    return InstalledDistribution(
        metadata=metadata,
        info=info,
        location=info.parent,
        direct_url=_direct_url(info / "direct_url.json", reporter),
        installer=_text(info / "INSTALLER").strip(),
        requested=(info / "REQUESTED").exists(),
        problem=problem,
    )


def _named_by_folder(info: Path, error: MetadataError) -> CoreMetadata:
    """Fall back to the folder's name, which only ``.dist-info`` has to bear the version in; else raise ``error``."""
    name, dash, version = info.stem.rpartition("-")
    if info.suffix != ".dist-info" or not dash:
        raise error
    try:
        canonicalize_name(name, validate=True)
        return CoreMetadata(display_name=name, version=Version(version))
    except ValueError:
        raise error from None


def _metadata(info: Path, reporter: Reporter, *, requirements: bool = True) -> CoreMetadata:
    name = "METADATA" if info.suffix == ".dist-info" else "PKG-INFO"
    file = info / name if info.is_dir() else info  # distutils wrote a single file
    if not file.is_file():
        raise MetadataError(f"it has no `{name}`")
    headers = _head(file.read_bytes())
    if not requirements:
        return parse_metadata(_named(headers), where=str(file))
    old = _egg_requirements(info) if info.suffix == ".egg-info" else b""
    try:
        return parse_metadata(headers + old, where=str(file))
    except MetadataError as error:
        try:
            metadata = parse_metadata(_named(headers), where=str(file))
        except MetadataError:
            raise error from None
        reporter.warning(f"the requirements of {metadata.display_name} cannot be read: {error}")
        return metadata


def _named(headers: bytes) -> bytes:
    """The lines that say whose headers they are."""
    return b"\n".join(_NAME_AND_VERSION.findall(headers))


def _head(data: bytes) -> bytes:
    """The headers, up to the first empty line."""
    ends = [end for end in (data.find(b"\n\n"), data.find(b"\n\r\n")) if end >= 0]
    return data[: min(ends)].removesuffix(b"\r") if ends else data


def _egg_requirements(info: Path) -> bytes:
    """Turn ``requires.txt``, which old setuptools wrote instead of ``Requires-Dist``, into header lines."""
    if not (info / "requires.txt").is_file():
        return b""
    from importlib.metadata import PathDistribution

    # Newer setuptools writes both; `requires` answers the headers then, so nothing but repetition comes of it.
    return "".join(f"\nRequires-Dist: {text}" for text in PathDistribution(info).requires or ()).encode()


def _read_link(link: Path) -> InstalledDistribution:
    """Read a ``setup.py develop`` install: a line for the folder to import from, one for the way to the project."""
    lines = [line.strip() for line in _text(link).splitlines() if line.strip()]
    if not lines:
        raise MetadataError("it is empty")
    base = Path(lines[0])
    if not base.is_absolute():
        raise MetadataError("it does not name an absolute path")
    name = canonicalize_name(link.stem)
    infos = (base / entry for entry in sorted(os.listdir(base)) if entry.endswith(".egg-info"))
    info = next((info for info in infos if canonicalize_name(info.stem) == name), None)
    if info is None:
        raise MetadataError(f"`{base}` has no `.egg-info` of that name")
    project = Path(os.path.normpath(base / lines[1])) if len(lines) > 1 else base
    return InstalledDistribution(
        metadata=_metadata(info, Reporter()),
        info=link,
        location=link.parent,
        direct_url=DirectUrl(url=project.as_uri(), dir_info=DirInfo(editable=True)),
        requested=True,
    )


def _direct_url(file: Path, reporter: Reporter) -> DirectUrl | None:
    try:
        facts = json.loads(file.read_bytes())
        if not isinstance(facts, dict):
            raise DirectUrlValidationError("it is no JSON object")
        return DirectUrl.from_dict(facts)
    except FileNotFoundError:
        return None
    except (ValueError, OSError, DirectUrlValidationError) as error:
        reporter.warning(f"`{file}` cannot be read: {error}", hint="it is taken as if it came from an index")
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
