"""The settings of git that hold at one place: which files they come from, and whether they have programs run."""

import os
import re
from pathlib import Path

from miniuv.process import Runner
from miniuv.sources.evidence import UnprovableError
from miniuv.values import dataclass

_SECONDS = 60.0
_PROGRAMS = re.compile(r"filter\..*\.(clean|smudge|process)|diff\..*\.(textconv|command)")
_REFUSED = re.compile(
    r"core\.fsmonitor=(?!false$|no$|off$|0$).*|diff\.external=.+|extensions\.partialclone=.*|remote\..*\.promisor=.*"
    r"|log\.date=.*|format\.pretty=.*|pretty\..*|log\.showsignature=(?!false$|no$|off$|0$).*",
    re.DOTALL,
)
_FILES = {"core.excludesfile": "ignore", "core.attributesfile": "attributes", "mailmap.file": ""}
"""Settings that name a file, and that file's name beside the user's settings where there is none."""
_MOST_FILES = 50


@dataclass(frozen=True, slots=True)
class GitPlace:
    """Where a build has run git, and as whom; asked here for what it has in view."""

    runner: Runner
    executable: str
    folder: str
    options: tuple[str, ...]
    """That say where the repository is."""
    environ: tuple[tuple[str, str], ...]

    def ask(self, *arguments: str) -> bytes | None:
        """What git says; ``None`` where it fails. Raises ``UnprovableError`` where it cannot be run."""
        environment = {**dict(self.environ), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_EDITOR": "echo"}
        try:
            done = self.runner.run(
                [self.executable, *self.options, *arguments],
                cwd=Path(self.folder),
                environment=environment,
                timeout=_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            raise UnprovableError("git cannot be asked what it has looked at") from error
        return done.stdout if done.returncode == 0 else None

    def must(self, *arguments: str) -> list[str]:
        """What git says, each text that ends with ``NUL``; raises ``UnprovableError`` where it fails."""
        told = self.ask(*arguments)
        if told is None:
            raise UnprovableError("git cannot be asked what it has looked at")
        return _texts(told)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What counts at one place."""

    files: tuple[str, ...]
    """Every file of settings that is read, or would be if it were there or a condition of an include came true."""
    attributes: tuple[str, ...]
    """Files of attributes that are not in the repository."""
    program: str
    """The first setting that names a program for files of certain attributes."""


def settings_of(place: GitPlace, top: str) -> Settings:
    """The settings at ``place``, whose working tree is ``top``; raises ``UnprovableError`` where they reach further."""
    environ = dict(place.environ)
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise UnprovableError("it runs git without a HOME")
    own = f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/git"
    system = os.fsdecode(place.ask("config", "--system", "--edit") or b"").strip()  # the editor is `echo`
    if not system.startswith("/"):
        raise UnprovableError("it cannot be told where the settings of git are")
    files = {f"{home}/.gitconfig", f"{own}/config", system, environ.get("GIT_CONFIG_GLOBAL") or system}
    named, program = dict.fromkeys(_FILES, ""), ""
    fields = place.must("config", "--list", "--show-origin", "-z")
    for origin, line in zip(fields[::2], fields[1::2], strict=True):
        name, _, value = line.partition("\n")
        kind, _, file = origin.partition(":")
        if kind != "file":
            raise UnprovableError("it gives git settings of its own")
        if _REFUSED.fullmatch(f"{name}={value}"):
            raise UnprovableError(f"its repository has the setting `{name}`")
        files.add(os.path.join(place.folder, file))
        if _PROGRAMS.fullmatch(name):
            program = program or name
        elif name in named:
            named[name] = _expanded(value, home, top)
    files |= _included(place, files, home)
    named = {name: path or (f"{own}/{_FILES[name]}" if _FILES[name] else "") for name, path in named.items()}
    shared = os.path.join(os.path.dirname(system), "gitattributes")
    return Settings(
        files=tuple(sorted({*files, *filter(None, named.values()), shared})),
        attributes=(named["core.attributesfile"], shared),
        program=program,
    )


def _included(place: GitPlace, files: set[str], home: str) -> set[str]:
    """All that ``files`` include, on whatever condition, and so on."""
    found: set[str] = set()
    known, waiting = set(files), sorted(files)
    while waiting:
        file = waiting.pop()
        if not os.path.isfile(file):
            continue
        told = place.ask("config", "--file", file, "--no-includes", "-z", "--get-regexp", r"^include.*\.path$")
        for line in _texts(told or b""):
            path = _expanded(line.partition("\n")[2], home, os.path.dirname(file))
            found.add(path)
            if path not in known:
                known.add(path)
                waiting.append(path)
        if len(known) > _MOST_FILES:
            raise UnprovableError(f"git has more than {_MOST_FILES} files of settings")
    return found


def _texts(told: bytes) -> list[str]:
    return [os.fsdecode(each) for each in told.split(b"\0")[:-1]]


def _expanded(value: str, home: str, folder: str) -> str:
    if value.startswith(("%(", ":(")) or (value.startswith("~") and not value.startswith("~/")):
        raise UnprovableError(f"git's settings name the place `{value}`")
    return home + value[1:] if value.startswith("~/") else os.path.join(folder, value)
