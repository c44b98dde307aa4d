"""What an environment holds, so that figures of runs which did different things are not compared."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path

_OWN_WORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
"""Files of a ``.dist-info`` in which each installer says something of its own; pins are compared by themselves."""
_NOT_INSTALLED = {"pyvenv.cfg", ".lock", ".gitignore"}
_SCRIPTS = "bin"
_OF_THE_ENVIRONMENT = ("python", "activate", "Activate")


def read_contents(environment: Path, *, place: Path) -> dict[str, str]:
    """Return what is installed in ``environment``, fact by fact.

    Names, versions, commits and editables; every file by its hash, where ``place`` (the folder that differs from run
    to run) reads the same everywhere. Scripts by name only, for the first line names the environment. Bytecode by
    whether all modules have it.
    """
    facts = {"bytecode": _bytecode(environment)}
    for path in _files(environment):
        inside = path.relative_to(environment)
        if inside.parts[0] == _SCRIPTS:
            facts[str(inside)] = "script"
            continue
        if path.name == "METADATA" and path.parent.suffix == ".dist-info":
            headers = HeaderParser().parsestr(path.read_text("utf-8"))
            facts[f"version of {headers['Name']}"] = headers["Version"]
        if path.name == "direct_url.json":
            facts[f"origin of {path.parent.name}"] = _origin(json.loads(path.read_text("utf-8")))
        if not (path.parent.suffix == ".dist-info" and path.name in _OWN_WORDS):
            told = path.read_bytes().replace(str(environment).encode(), b"ENV").replace(str(place).encode(), b"PLACE")
            facts[str(inside)] = hashlib.sha256(told).hexdigest()
    return facts


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the facts in which two environments differ."""
    return [fact for fact in sorted({*one, *other}) if one.get(fact) != other.get(fact)]


def _files(environment: Path) -> Iterator[Path]:
    for path in sorted(environment.rglob("*")):
        inside = path.relative_to(environment)
        if path.is_symlink() or not path.is_file() or path.suffix == ".pyc" or "__pycache__" in inside.parts:
            continue
        if inside.parts[0].startswith(".miniuv") or str(inside) in _NOT_INSTALLED:
            continue
        if inside.parts[0] == _SCRIPTS and path.name.startswith(_OF_THE_ENVIRONMENT):
            continue
        yield path


def _bytecode(environment: Path) -> str:
    """Tell whether every module was compiled; some are by whoever imports them."""
    modules = [path for path in _files(environment) if path.suffix == ".py"]
    compiled = [path for path in modules if any((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
    return "of all modules" if modules and len(compiled) == len(modules) else "not of all"


def _origin(direct_url: Mapping[str, Mapping[str, object]]) -> str:
    commit = direct_url.get("vcs_info", {}).get("commit_id", "no commit")
    editable = bool(direct_url.get("dir_info", {}).get("editable"))
    return f"{commit}, {'editable' if editable else 'copied'}"
