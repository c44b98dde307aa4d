"""A disk that fails while git, or miniuv on its behalf, writes a repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miniuv.cache.trouble import cache_trouble, space_hint
from miniuv.git.failures import GitCommandError


@contextmanager
def writing(folder: Path, doing: str) -> Iterator[None]:
    """Say where it was, and how much space is left there; ``doing`` as in ``cache_error``."""
    try:
        with cache_trouble(folder, doing):
            yield
    except GitCommandError as error:
        if error.kind == "disk":
            error.where = error.where or str(folder)
            error.hint = space_hint(folder) if "No space left" in error.stderr else error.hint
        raise
