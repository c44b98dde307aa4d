"""Wheels and source archives made by hand: honest by default, wrong in exactly the way that a test asks for."""

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Member = tuple[str | zipfile.ZipInfo, bytes]

WHEEL_TEXT = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def record_hash(content: bytes, algorithm: str = "sha256") -> str:
    """Give the form that RECORD has for a hash."""
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def wheel_members(
    name: str = "thing",
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    *,
    metadata: bytes | None = None,
    wheel: bytes = WHEEL_TEXT,
) -> dict[str, bytes]:
    """Give the members of an honest wheel without its RECORD."""
    info = f"{name}-{version}.dist-info"
    text = metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    return {**(files or {"thing.py": b"x = 1\n"}), f"{info}/METADATA": text, f"{info}/WHEEL": wheel}


def record_text(members: Mapping[str, bytes], info: str) -> bytes:
    """Give the RECORD of ``members``."""
    lines = [f"{path},{record_hash(content)},{len(content)}" for path, content in members.items()]
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()


def write_zip(path: Path, members: Iterable[Member]) -> Path:
    """Write a zip file of exactly these members, in this order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_wheel(
    folder: Path,
    members: Mapping[str, bytes] | None = None,
    *,
    name: str = "thing",
    version: str = "1.0",
    record: Callable[[bytes], bytes] = lambda text: text,
    extra: Iterable[Member] = (),
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel; ``record`` may spoil its RECORD, ``extra`` members are not listed there."""
    members = wheel_members(name, version) if members is None else members
    info = f"{name}-{version}.dist-info"
    text = record(record_text(members, info))
    listed: list[Member] = [*members.items(), (f"{info}/RECORD", text)]
    return write_zip(folder / f"{name}-{version}-{tag}.whl", [*listed, *extra])


def tar_member(name: str, content: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    """Give one tar member; ``attributes`` are set on its header (``type``, ``linkname``, ``mode`` …)."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def tar_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """Give a symbolic (or, by ``kind``, hard) link."""
    return tar_member(name, type=kind, linkname=target)


def write_tar(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    """Write a tar file of exactly these members, in this order."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path
