r"""The text of a requirement file, line by line; pure.

A logical line is one requirement or one option. ``#`` starts a comment at the start of a line or after a blank, a
``\`` at the end joins the next line, ``${NAME}`` is replaced by the variable where it is set.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Literal

from miniuv.errors import RequirementError
from miniuv.values import dataclass

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_HASH = re.compile(r"(?P<algorithm>sha256|sha384|sha512)[:=](?P<digest>[0-9a-fA-F]+)")
_HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LINE_OPTION = re.compile(r"\s(?=--?[A-Za-z])")

_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
}
_WITH_VALUE = frozenset(
    {"--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links"}
    | {"--trusted-host"}
)
_FLAGS = frozenset({"--no-index", "--pre", "--require-hashes"})
_IGNORED_WITH_VALUE = frozenset(
    {"--no-binary", "--only-binary", "--use-feature", "--uploaded-prior-to", "--all-releases"} | {"--only-final"}
)
_IGNORED_FLAGS = frozenset({"--prefer-binary", "--use-pep517", "--no-use-wheel", "--process-dependency-links"})
_IGNORED_PER_REQUIREMENT = frozenset({"--config-settings", "--config-setting", "-C", "--global-option"})
_SPELLINGS = {"--requirements": "--requirement", "--constraints": "--constraint", "--default-index": "--index-url"} | {
    "--pypi-url": "--index-url"
}

Kind = Literal["requirement", "option", "ignored"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One logical line, understood."""

    number: int
    """Of its first physical line, from 1."""
    kind: Kind
    option: str = ""
    """Long form, such as ``--constraint``; empty for a requirement."""
    value: str = ""
    """The requirement, or the option's value."""
    hashes: frozenset[str] = frozenset()
    """``sha256:…``"""
    ignored: tuple[str, ...] = ()
    """Options that are known and have no effect."""


def decode(data: bytes, *, where: str) -> str:
    """Decode a requirement file: by its byte order mark, by its coding comment (PEP 263), else as UTF-8."""
    try:
        for bom, encoding in _BOMS:
            if data.startswith(bom):
                return data[len(bom) :].decode(encoding)
        for line in data.split(b"\n", maxsplit=2)[:2]:
            if match := _CODING.match(line):
                return data.decode(match[1].decode("ascii"))
        return data.decode("utf-8")
    except LookupError as error:
        raise RequirementError(f"cannot be decoded: {error}", where=where) from error
    except UnicodeDecodeError as error:
        line_number = data.count(b"\n", 0, error.start) + 1
        raise RequirementError(
            f"is not {error.encoding}",
            where=f"{where}:{line_number}",
            hint="save it as UTF-8, or name its encoding in the first line: `# -*- coding: … -*-`",
        ) from error


def parse_lines(text: str, *, where: str, environ: Mapping[str, str]) -> Iterator[Line]:
    """Understand every logical line; raises ``RequirementError`` with ``where:line``."""
    for number, line in _logical_lines(text):
        stripped = _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], line).strip()
        if not stripped:
            continue
        try:
            yield _option(number, stripped) if stripped.startswith("-") else _requirement(number, stripped)
        except RequirementError as error:
            error.where = f"{where}:{number}"
            raise


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    pending: list[str] = []
    first = 0
    number = 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first or number
        is_comment = re.match(r"\s*#", line) is not None
        if line.endswith("\\") and not is_comment:
            pending.append(line[:-1])
            continue
        # A comment line inside a continuation ends it, as in pip.
        joined = "".join(pending) + (" " + line if is_comment and pending else line)
        pending = []
        yield first, _COMMENT.sub("", joined)
        first = 0
    if pending:
        yield first, _COMMENT.sub("", "".join(pending))


def _option(number: int, line: str) -> Line:
    name, value = _split_option(line)
    if name == "--editable":
        return Line(number=number, kind="option", option=name, value=_unquoted(_required(name, value)))
    if name in _WITH_VALUE:
        return Line(number=number, kind="option", option=name, value=_single(name, _required(name, value)))
    if name in _FLAGS and not value:
        return Line(number=number, kind="option", option=name)
    if name in _IGNORED_FLAGS or name in _IGNORED_WITH_VALUE:
        return Line(number=number, kind="ignored", ignored=(name,))
    problem = "takes no value" if name in _FLAGS else "is no option that a requirement file may hold"
    raise RequirementError(f"`{name}` {problem}", hint="allowed are " + ", ".join(sorted(_WITH_VALUE | _FLAGS)))


def _split_option(line: str) -> tuple[str, str]:
    if line.startswith("--"):
        match = re.match(r"(--[\w-]+)(?:\s*=\s*|\s+|$)(.*)", line, re.DOTALL)
        if match is None:
            raise RequirementError(f"`{line}` is no option")
        return _SPELLINGS.get(match[1], match[1]), match[2].strip()
    return _SHORT.get(line[:2], line[:2]), line[2:].strip().removeprefix("=").strip()


def _required(name: str, value: str) -> str:
    if not value:
        raise RequirementError(f"`{name}` needs a value", hint="write it behind the option, on the same line")
    return value


def _single(name: str, value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise RequirementError(
            f"`{name} {value}` cannot be read: {str(error).lower()}",
            hint="close the quotation, or leave the quotes out",
        ) from error
    if len(words) != 1:
        raise RequirementError(f"`{name}` takes one value, not `{value}`", hint="write one option a line")
    return words[0]


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _requirement(number: int, line: str) -> Line:
    requirement, *options = _LINE_OPTION.split(line)
    hashes, ignored = set(), []
    for option in options:
        name, value = _split_option(option.strip())
        if name == "--hash":
            hashes.add(_hash(_unquoted(value)))
        elif name in _IGNORED_PER_REQUIREMENT:
            ignored.append(name)
        else:
            raise RequirementError(f"`{name}` cannot follow a requirement", hint="give it a line of its own")
    return Line(
        number=number,
        kind="requirement",
        value=_unquoted(requirement.strip()),
        hashes=frozenset(hashes),
        ignored=tuple(ignored),
    )


def _hash(value: str) -> str:
    match = _HASH.fullmatch(value)
    if match is None or len(match["digest"]) != _HASH_DIGITS[match["algorithm"]]:
        raise RequirementError(
            f"`--hash={value}` is no sha256, sha384 or sha512 digest",
            hint="write `--hash=sha256:` and 64 hex digits, which `pip hash FILE` prints",
        )
    return f"{match['algorithm']}:{match['digest'].lower()}"
