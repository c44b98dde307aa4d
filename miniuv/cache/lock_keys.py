"""The locks' ranks and names."""

import hashlib
import os
import re
from enum import IntEnum
from pathlib import Path

from miniuv.errors import CacheError, LockOrderError
from miniuv.values import dataclass

DEFECT = "this is a defect of miniuv; please report it"

_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}")


class Rank(IntEnum):
    """The order of the locks; acquiring goes upwards only (the table in ``locks.py``)."""

    QUESTION = 5
    JOB = 10
    SOURCE_TREE = 20
    ENVIRONMENT = 30
    GARBAGE_COLLECTION = 40


@dataclass(frozen=True, order=True, slots=True)
class LockKey:
    """A lock's place in the order, and its name."""

    rank: Rank
    name: str

    @classmethod
    def job(cls, kind: str, subject: str) -> "LockKey":
        """The lock of one piece of work; ``subject`` is hashed, so it may be any text."""
        if _KIND.fullmatch(kind) is None:
            raise LockOrderError(f"`{kind}` is no kind of job", hint=DEFECT)
        return cls(Rank.JOB, f"{kind}/{text_digest(subject)}")

    @classmethod
    def question(cls, subject: str) -> "LockKey":
        """What the command that goes ahead with a question has; ``subject`` is hashed, so it may be any text."""
        return cls(Rank.QUESTION, f"question/{text_digest(subject)}")

    @classmethod
    def source_tree(cls, path: Path) -> "LockKey":
        """The lock of a folder that a backend writes to, the same by whatever path it is reached."""
        try:
            facts = path.stat()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CacheError(
                f"cannot lock the source tree: {reason}", where=str(path), hint="check that the folder is still there"
            ) from error
        return cls(Rank.SOURCE_TREE, f"{facts.st_dev}-{facts.st_ino}")

    @classmethod
    def garbage_collection(cls) -> "LockKey":
        """The lock of whoever collects garbage: one at a time."""
        return cls(Rank.GARBAGE_COLLECTION, "gc")

    @classmethod
    def environment(cls, path: Path) -> "LockKey":
        """The lock of an environment, the same by whatever path it is reached."""
        return cls(Rank.ENVIRONMENT, os.path.realpath(path))


def text_digest(text: str) -> str:
    """The sha256 of ``text``; a path that is no UTF-8 has lone surrogates, and they count too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
