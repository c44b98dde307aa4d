"""What lies in an entry, written into it before it is published: for entries that no other manifest describes.

The first line is the boot in which the entry was made, so that a later one reads everything back once; the second
is every file with its hash, and every symbolic link with its target.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from miniuv.cache.boot import DURABLE, boot_id, may_be_torn
from miniuv.cache.trouble import refuse_scarcity

SEAL = ".miniuv-seal"

_BOOT_LIMIT = 100


def write_seal(entry: Path) -> None:
    """Seal the folder ``entry``, of this boot; raises ``OSError``."""
    content = dict(_content(entry))
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    (entry / SEAL).write_text(f"{boot_id()}\n{text}\n", encoding="ascii")


def needs_reading(entry: Path) -> bool:
    """Whether ``entry`` was made in an earlier boot and nobody has read it back since."""
    try:
        with (entry / SEAL).open("rb") as file:
            first = file.readline(_BOOT_LIMIT)
        return not first.endswith(b"\n") or may_be_torn(first.decode("ascii").rstrip("\n"))
    except (OSError, ValueError):
        return True


def is_whole(entry: Path) -> bool:
    """Read everything back: whether all that was sealed is still there. What came in addition does not count.

    Raises ``CacheError`` where no file can be opened any more.
    """
    try:
        _, _, text = (entry / SEAL).read_text(encoding="ascii").partition("\n")
        sealed = json.loads(text) if text.endswith("\n") else None
        return isinstance(sealed, dict) and all(_fact(entry / path) == fact for path, fact in sealed.items())
    except OSError as error:
        refuse_scarcity(error, entry)
        return False
    except (ValueError, RecursionError):
        return False


def durable_seal(entry: Path) -> bytes:
    """The seal of ``entry`` as it is to be once everything was read back; raises ``OSError``."""
    _, _, rest = (entry / SEAL).read_bytes().partition(b"\n")
    return DURABLE.encode() + b"\n" + rest


def _content(folder: Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _content(Path(entry.path), f"{path}/")
        elif path != SEAL:
            yield path, _fact(Path(entry.path))


def _fact(path: Path) -> str:
    """What must stay as it is: the content of a file, the target of a link."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(path)}"
    if not stat.S_ISREG(mode):
        return "special"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
