"""Compile modules, inside the target interpreter. Standalone: imports nothing of miniuv, runs on Python 3.9 and newer.

stdin: a JSON list of ``[source, compiled, final]``: the file to read, the ``.pyc`` to write (its folder exists or is
made), and the path that tracebacks shall name. The time of ``source`` is recorded, so it must not change after.

stdout: a JSON list of ``[source, message]`` for those that could not be compiled; nothing was written for them.
"""

import json
import os
import py_compile
import sys
import warnings


def main() -> None:
    """Read, compile, answer."""
    warnings.simplefilter("ignore")  # a SyntaxWarning in somebody's module is not news at installation
    failures = []
    for source, compiled, final in json.load(sys.stdin):
        os.makedirs(os.path.dirname(compiled), exist_ok=True)
        try:
            py_compile.compile(source, cfile=compiled, dfile=final, doraise=True)
        except (py_compile.PyCompileError, OSError, ValueError, RecursionError, MemoryError) as error:
            failures.append([source, str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)])
    json.dump(failures, sys.stdout)


main()
