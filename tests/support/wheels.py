"""Wheels made by hand, byte by byte, so that a test says what is in them."""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

Content = str | bytes


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, Content] | None = None,
    *,
    entry_points: Mapping[str, Mapping[str, str]] | str | None = None,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    build: str | None = None,
    purelib: bool = True,
    executable: Collection[str] = (),
    info_files: Mapping[str, Content] | None = None,
    metadata: str | None = None,
) -> Path:
    """Write ``<name>-<version>-<tag>.whl`` into ``folder``, and return its path.

    ``files`` are payload paths from the wheel's root (``pkg/__init__.py``, ``<name>-<version>.data/scripts/x``);
    without any there is one module named like the distribution, with ``__version__``. ``entry_points`` is the
    text of ``entry_points.txt`` or its groups. ``info_files`` go into the ``.dist-info`` folder, instead of the
    usual ones where they are named alike. ``metadata`` replaces the whole METADATA text.
    """
    stem = name.replace("-", "_").replace(".", "_")
    info = f"{stem}-{version}.dist-info"
    module = stem.lower()
    payload: dict[str, Content] = dict(files if files is not None else {f"{module}.py": f"__version__ = {version!r}\n"})
    payload[f"{info}/METADATA"] = metadata or _metadata(name, version, requires, extras, requires_python)
    payload[f"{info}/WHEEL"] = _wheel_text(tag, purelib, build)
    if entry_points is not None:
        payload[f"{info}/entry_points.txt"] = entry_points if isinstance(entry_points, str) else _groups(entry_points)
    payload.update({f"{info}/{path}": content for path, content in (info_files or {}).items()})
    payload.setdefault(f"{info}/RECORD", record_text(payload, f"{info}/RECORD"))

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "-".join(part for part in (stem, version, build, tag) if part)
    path = path.with_name(path.name + ".whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in payload.items():
            entry = zipfile.ZipInfo(member, date_time=(2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if member in executable else 0o100644) << 16
            archive.writestr(entry, _bytes(content))
    return path


def record_text(payload: Mapping[str, Content], record: str) -> str:
    """The RECORD of ``payload``, ending with its own line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for member, content in payload.items():
        data = _bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow([member, f"sha256={digest}", len(data)])
    writer.writerow([record, "", ""])
    return text.getvalue()


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _metadata(
    name: str, version: str, requires: Sequence[str], extras: Sequence[str], requires_python: str | None
) -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def _wheel_text(tag: str, purelib: bool, build: str | None) -> str:
    python, abi, platform = tag.split("-")
    tags = [f"{p}-{a}-{o}" for p in python.split(".") for a in abi.split(".") for o in platform.split(".")]
    lines = ["Wheel-Version: 1.0", "Generator: by-hand", f"Root-Is-Purelib: {str(purelib).lower()}"]
    lines += [f"Build: {build}"] if build else []
    lines += [f"Tag: {one}" for one in tags]
    return "\n".join(lines) + "\n"


def _groups(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in names.items()) + "\n"
        for group, names in groups.items()
    )
