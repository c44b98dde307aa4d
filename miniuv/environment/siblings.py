"""Environments of one installation differ in where they lie and in nothing else that is asked of an interpreter.

So what one of them has said of itself is true of the next, and that one need not be started. This holds for
environments whose interpreter is a link to that of the installation, and that have the same ``pyvenv.cfg``.
"""

import json
from pathlib import Path
from typing import Any

from miniuv.environment.family import is_below
from miniuv.environment.probe import Answer


def is_typical(answer: Answer, executable: Path) -> bool:
    """Whether ``answer`` can be true of a sibling: it calls the environment by the path that it was started from."""
    facts = json.loads(answer)
    prefix = str(executable.parent.parent)
    return (
        facts["executable"] == str(executable)
        and facts["prefix"] == prefix
        and not is_below(facts["base_prefix"], prefix)
        # Before 3.11 an environment takes its own interpreter for that of the installation.
        and (facts["base_executable"] == str(executable) or not is_below(facts["base_executable"], prefix))
        and not facts["is_conda"]
    )


def answer_of_sibling(answer: object, prefix: object, executable: Path) -> Answer | None:
    """Say of ``executable`` what ``answer`` says of the environment at ``prefix``; ``None`` where it says nothing."""
    if not isinstance(answer, str) or not isinstance(prefix, str):
        return None
    try:
        facts: dict[str, Any] = json.loads(answer)
        own = str(executable.parent.parent)
        moved = {name: _moved(path, prefix, own) for name, path in facts["paths"].items()}
        base = _moved(facts["base_executable"], prefix, own)
        facts |= {"paths": moved, "prefix": own, "executable": str(executable), "base_executable": base}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Answer(json.dumps(facts))


def _moved(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if is_below(path, old) else path
