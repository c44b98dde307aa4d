"""MANIFESTs that a test edits as miniuv itself would have written them, with their checksum."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from miniuv.archive.manifest import MANIFEST
from miniuv.cache.records import with_checksum, without_checksum


def edit_manifest(entry: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the JSON of ``entry/MANIFEST``; the change must make a difference."""
    before = without_checksum((entry / MANIFEST).read_bytes())
    assert before is not None
    after = change(before)
    assert after != before
    (entry / MANIFEST).write_bytes(with_checksum(after))


def set_boot(entry: Path, boot: str) -> None:
    """Say in which boot of the machine ``entry`` was made."""
    manifest = without_checksum((entry / MANIFEST).read_bytes())
    assert manifest is not None
    content = msgspec.json.encode({**msgspec.json.decode(manifest), "boot": boot})
    (entry / MANIFEST).write_bytes(with_checksum(content))
