"""Wheels of project folders, used again where it is proved that a build would bring the same.

A record of the cache for each folder, kind of wheel and interpreter: under which conditions the wheel was built, what
the build has looked at (``miniuv.sources.evidence``), and the digest of the wheel. It is believed only whole. The build
environment is no part of it: a new release of a build requirement is no reason to build, but one that is itself a
folder or an address may change without a trace.
"""

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from miniuv import __version__
from miniuv.archive.intact import hash_file
from miniuv.backend.builder import Builder, ReadyBuild
from miniuv.backend.variables import whole_environment_digest
from miniuv.cache.lock_keys import text_digest
from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import DirectorySource, as_sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.pyproject import Pyproject
from miniuv.reporter import Reporter
from miniuv.sources.evidence import (
    Fact,
    Further,
    UnprovableError,
    check_traceable,
    first_change,
    gather,
    renewed,
    shown,
    stamps_of,
)
from miniuv.sources.git_evidence import git_change, holds_today, looked_at_by_git
from miniuv.sources.wheels import Wheels
from miniuv.values import dataclass

_FORMAT = "1"
_PINNED_GIT = re.compile(r"git\+.*@([0-9a-f]{40}|[0-9a-f]{64})(#.*)?")
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the user wants to be built whatever is known of it."""

    everything: str | None = None
    """The option that says so."""
    names: frozenset[str] = frozenset()
    """Normalised names of ``--reinstall-package``."""

    def option(self, name: str | None) -> str | None:
        """The option that wants the project ``name`` built."""
        if self.everything is None and name is not None and canonicalize_name(name) in self.names:
            return f"--reinstall-package {name}"
        return self.everything


class Reuse:
    """The memory of one run for one interpreter."""

    def __init__(
        self,
        *,
        store: Store,
        wheels: Wheels,
        builder: Builder,
        interpreter: Interpreter,
        environ: Mapping[str, str],
        reporter: Reporter,
        wish: Wish,
    ) -> None:
        self._store = store
        self._wheels = wheels
        self._builder = builder
        self._interpreter = interpreter
        self._environ = environ
        self._reporter = reporter
        self._wish = wish
        self._evidence: dict[DirectorySource, tuple[str, ...]] = {}

    def evidence(self, pinned: DirectorySource) -> tuple[str, ...] | None:
        """The stamps that this run's wheel of ``pinned`` rests on; ``None`` where there is no proof."""
        return self._evidence.get(pinned)

    def attempt(self, pinned: DirectorySource, pyproject: Pyproject) -> "Attempt":
        """Look up the conditions of a build of ``pinned`` as they are now, before anything is built."""
        interpreter = self._interpreter
        python = f"{interpreter.real_executable} {interpreter.version} {interpreter.tags[0]}"
        kind = "editable" if pinned.editable else "wheel"
        system = os.uname()
        return Attempt(
            pinned=pinned,
            pyproject=pyproject,
            action=f"reuse {_FORMAT} {kind} {pinned.path}\n{python}",
            conditions={
                "the place of its folder": os.path.realpath(pinned.path),
                "its `[build-system]`": _digest(repr(pyproject.build_system)),
                "what `cache-keys` names": _digest(repr(_keys(pinned.path, pyproject, self._environ))),
                "a setting of the build": _digest(repr(sorted(self._builder.config_settings.items()))),
                "a variable": whole_environment_digest(self._environ),
                "the version of miniuv": __version__,
                "the machine": f"{system.sysname} {system.release} {system.machine}",
            },
            memory=self,
        )

    def _find(self, attempt: "Attempt") -> UnpackedWheel | None:
        record = self._store.read_record(attempt.action)
        attempt.reason = None
        if record is None:
            return None
        filename = record.get("filename")
        name = attempt.pyproject.name or (filename.partition("-")[0] if isinstance(filename, str) else None)
        if (option := self._wish.option(name)) is not None:
            attempt.reason = f"{option} was given"
            return None
        if isinstance(refused := record.get("refused"), str):
            attempt.reason = refused
            return None
        return self._proven(attempt, record)

    def _proven(self, attempt: "Attempt", record: Mapping[str, object]) -> UnpackedWheel | None:
        before, facts = record.get("conditions"), _facts_from_record(record.get("facts"))
        if not isinstance(before, dict) or facts is None:
            return None
        for what, value in attempt.conditions.items():
            if before.get(what) != value:
                attempt.reason = f"{what} changed"
                return None
        now = stamps_of(facts)
        if (path := first_change(facts, now)) is not None:
            attempt.reason = git_change(path) or f"{shown(path, attempt.pinned.path)} changed"
            return None
        digest = as_sha256(record.get("wheel"))
        wheel = self._wheels.find(digest) if digest is not None else None
        if wheel is None:
            attempt.reason = "its wheel is not in the cache any more"
            return None
        if (today := renewed(facts, now)) is not None:
            self._write(attempt, {**record, "facts": _facts_to_record(today)})
        self._remember(attempt, today or facts)
        return wheel

    def _keep(self, attempt: "Attempt", wheel: UnpackedWheel, ready: ReadyBuild) -> None:
        if attempt.reason is not None:
            name = attempt.pyproject.name or wheel.filename.partition("-")[0]
            self._reporter.rebuilt(name, attempt.reason)
        self._evidence.pop(attempt.pinned, None)
        try:
            facts = self._prove(attempt, ready, wheel.filename)
        except UnprovableError as error:
            path = shown(error.path, attempt.pinned.path)
            reason = f"{path} {error.reason}" if path else error.reason
            self._write(attempt, {"refused": reason, "filename": wheel.filename})
            return
        self._write(
            attempt,
            {
                "conditions": attempt.conditions,
                "wheel": wheel.digest,
                "filename": wheel.filename,
                "facts": _facts_to_record(facts),
            },
        )
        self._remember(attempt, facts)

    def _prove(self, attempt: "Attempt", ready: ReadyBuild, filename: str) -> tuple[Fact, ...]:
        if (reason := attempt.refusal or _moving(ready.requirements)) is not None:
            raise UnprovableError(reason)
        reports = ready.reports()
        if not reports:
            raise UnprovableError("what its build looked at is not known")
        check_traceable(reports)
        further = Further(kinds={})
        if any(report.git_calls for report in reports):
            further = looked_at_by_git(reports, self._builder.runner)
            if holds_today(filename):
                raise UnprovableError("its version holds today's date")
        folder, root = attempt.pinned.path, self._store.root
        return gather(
            reports,
            ignored={str(root), os.path.realpath(root)},
            read=[str(folder / "pyproject.toml"), *_named_files(folder, attempt.pyproject)],
            looked_for=[str(folder), str(folder / "setup.py")],
            further=further,
        )

    def _remember(self, attempt: "Attempt", facts: Sequence[Fact]) -> None:
        if not any(_is_open(key.kind, key.value) for key in attempt.pyproject.cache_keys):
            self._evidence[attempt.pinned] = tuple(fact.line for fact in facts)

    def _write(self, attempt: "Attempt", record: Mapping[str, object]) -> None:
        with contextlib.suppress(CacheError):  # then the next run builds
            self._store.write_record(attempt.action, record)


@dataclass(kw_only=True)
class Attempt:
    """One build of one folder, or the reuse that stands for it."""

    pinned: DirectorySource
    pyproject: Pyproject
    action: str
    """The name of the record."""
    conditions: Mapping[str, str]
    """What must be the same, besides what the build has looked at; by what people call it."""
    memory: Reuse
    reason: str | None = None
    """Why what was built before is not good enough; ``None`` where nothing was."""

    @property
    def refusal(self) -> str | None:
        """Why the project can never be reused, known before it is built."""
        if self.pyproject.build_system.backend_path:
            return "its backend is a part of it"
        if any(key.kind == "other" for key in self.pyproject.cache_keys):
            return "its `cache-keys` name more than files and variables"
        return _moving(self.pyproject.build_system.requires)

    def find(self) -> UnpackedWheel | None:
        """The wheel that a build would bring, if that is proved: no lock, no process, no network."""
        return self.memory._find(self)

    def keep(self, wheel: UnpackedWheel, ready: ReadyBuild) -> None:
        """Remember the ``wheel`` that ``ready`` has just built; call it under the lock of the source tree."""
        self.memory._keep(self, wheel, ready)


def _moving(requirements: Iterable[str]) -> str | None:
    """Say which build requirement may be another one tomorrow without having another version."""
    for text in requirements:
        try:
            url = Requirement(text).url
        except InvalidRequirement:
            return f"its build requirement `{text}` is not understood"
        if url is not None and not _PINNED_GIT.fullmatch(url):
            return f"its build requirement `{text.partition('@')[0].strip()}` is a folder or an address"
    return None


def _is_open(kind: str, value: str) -> bool:
    """Whether a cache key is more than one path."""
    return kind == "file" and _WILDCARD.search(value) is not None


def _named_files(folder: Path, pyproject: Pyproject) -> list[str]:
    return [
        os.path.join(folder, key.value)
        for key in pyproject.cache_keys
        if key.kind in ("file", "dir") and not _is_open(key.kind, key.value)
    ]


def _keys(folder: Path, pyproject: Pyproject, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the cache keys stand for now, where that is more than the state of one path."""
    found = []
    for key in pyproject.cache_keys:
        if key.kind == "env":
            found.append((key.value, environ.get(key.value, "")))
        elif _is_open(key.kind, key.value):
            paths = glob.glob(key.value, root_dir=folder, recursive=True, include_hidden=True)
            found += [(path, _content(folder / path)) for path in sorted(paths)]
    return found


def _content(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        return str(error.errno)


def _digest(text: str) -> str:
    return text_digest(text)[:32]


def _facts_to_record(facts: Sequence[Fact]) -> list[object]:
    return [[_shielded(fact.line), {kind: _shielded(value) for kind, value in fact.values.items()}] for fact in facts]


def _facts_from_record(value: object) -> list[Fact] | None:
    try:
        assert isinstance(value, list)
        return [
            Fact(line=_bare(line), values={kind: _bare(text) for kind, text in values.items()})
            for line, values in value
        ]
    except (AssertionError, AttributeError, TypeError, UnicodeError, ValueError):
        return None


def _shielded(text: str) -> str:
    """A path need not be UTF-8, and a record must be."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _bare(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
