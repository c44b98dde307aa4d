"""Describe the interpreter that runs this file.

Protocol: ``python -I -B _probe.py FOLDER``, where FOLDER holds the ``packaging`` that knows tags and markers. The
last line of standard output that starts with ``{`` is one JSON object; other lines are the environment's own start-up.
An interpreter older than 3.9 answers with its ``version`` alone. It imports nothing of miniuv.
"""

import json
import os
import sys


def import_from(folder: str) -> None:
    """Import ``packaging`` from ``folder``, whatever the environment has of that name; ``sys.path`` stays as it is."""
    import importlib.util

    for name in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
        del sys.modules[name]
    root = os.path.join(folder, "packaging")
    spec = importlib.util.spec_from_file_location(
        "packaging", os.path.join(root, "__init__.py"), submodule_search_locations=[root]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["packaging"] = module
    spec.loader.exec_module(module)


def paths() -> "dict[str, str]":
    """Answer ``sysconfig``'s paths of the default scheme."""
    import sysconfig

    name = "get_default_scheme" if sys.version_info >= (3, 10) else "_get_default_scheme"
    scheme = getattr(sysconfig, name)()
    if scheme == "osx_framework_library":  # that of the system's own Python; pip installs by posix_prefix there too
        scheme = "posix_prefix"
    return sysconfig.get_paths(scheme)


def describe() -> "dict[str, object]":
    """Answer every fact that miniuv asks for."""
    from packaging.markers import default_environment
    from packaging.tags import sys_tags

    return {
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or sys.executable,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "implementation": sys.implementation.name,
        "cache_tag": sys.implementation.cache_tag or "",
        "tags": [str(tag) for tag in sys_tags()],
        "markers": dict(default_environment()),
        "paths": paths(),
        "is_conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
    }


def main() -> None:
    """Print the answer."""
    answer = {"version": "%d.%d.%d" % sys.version_info[:3]}  # type: dict[str, object]
    if sys.version_info[:2] >= (3, 9):
        import_from(sys.argv[1])
        answer.update(describe())
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


main()
