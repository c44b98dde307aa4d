"""Compile what a build environment holds, before it has its name: ``python _compile.py MODULES FINAL WORKERS``.

Run by the environment's own interpreter; standard library only, Python 3.9 and newer. Every module below the folder
``MODULES`` that is not compiled yet is; tracebacks shall name it below ``FINAL``. A module that does not compile (a
template, another Python's syntax) is left alone. Nobody changes a source there, so none is looked at again when its
bytecode is loaded (PEP 552, unchecked).
"""

import importlib.util
import marshal
import os
import sys
import warnings
from typing import List, Tuple

_UNCHECKED = 1


def main() -> None:
    """Compile, in as many processes as are wanted."""
    top, final, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")
    sources = sorted(_sources(top), reverse=True)  # the large ones first, in turn
    share = 0
    children: List[int] = []
    for number in range(1, workers):
        child = os.fork()
        if child == 0:
            share, children = number, []
            break
        children.append(child)
    for _, source in sources[share::workers]:
        _compile(source, final + source[len(top) :])
    if share:
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)


def _sources(top: str) -> List[Tuple[int, str]]:
    found = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".py") and not os.path.exists(importlib.util.cache_from_source(path)):
                found.append((os.stat(path).st_size, path))
    return found


def _compile(source: str, shown: str) -> None:
    target = importlib.util.cache_from_source(source)
    unfinished = target + ".unfinished"
    try:
        with open(source, "rb") as file:
            text = file.read()
        code = compile(text, shown, "exec", dont_inherit=True)
        head = importlib.util.MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(text)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(unfinished, "wb") as file:
            file.write(head + marshal.dumps(code))
        os.replace(unfinished, target)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return
    except OSError:
        if os.path.exists(unfinished):
            os.unlink(unfinished)


if __name__ == "__main__":
    main()
