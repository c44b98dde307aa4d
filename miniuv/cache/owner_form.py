"""How an owner record is written. Imports next to nothing, for whoever has little time writes one too."""

from __future__ import annotations

try:
    from _json import encode_basestring_ascii as _quoted
except ImportError:
    from json.encoder import encode_basestring_ascii as _quoted

RECORD_LIMIT = 512
"""Bytes."""


def encode(
    *, pid: int, host: str, boot: str, namespace: int, ticks: int, command: str, step: str, since: float, beat: int
) -> bytes:
    """One line of JSON, of at most ``RECORD_LIMIT`` bytes; see ``owner.Owner``, whose fields these are."""
    while True:
        line = (
            f'{{"pid":{pid},"host":{_quoted(host)},"boot":{_quoted(boot)},"namespace":{namespace},"ticks":{ticks},'
            f'"command":{_quoted(command)},"step":{_quoted(step)},"since":{since!r},"beat":{beat}}}\n'
        ).encode("ascii")
        if len(line) <= RECORD_LIMIT or not (command or step):
            return line
        if len(_quoted(command)) >= len(_quoted(step)):
            command = command[: len(command) // 2]
        else:
            step = step[: len(step) // 2]
