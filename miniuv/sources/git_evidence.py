"""What the gits that a build has started have looked at: their repository, and the settings that hold there.

Of a repository that is more than any call can have asked, for the commands that only read
(``miniuv.sources.git_calls``): all references, what is staged, every setting, the names of all objects, and the files
that are tracked, with those that no rule ignores where the call looks for others. What may run a program of somebody
else, or has its files elsewhere, is refused.
"""

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence

from miniuv.backend._trace_git import index_digest
from miniuv.backend.trace import TraceReport
from miniuv.process import Runner
from miniuv.sources.evidence import Further, UnprovableError
from miniuv.sources.git_calls import Question, UnknownCallError, question_of
from miniuv.sources.git_settings import GitPlace, Settings, settings_of
from miniuv.values import replace

_MOST_FILES = 20_000
_MOST_BYTES = 4 << 20
"""A file that is larger is known by its stamp alone."""
_KEPT_FOLDERS = ("refs", "info", "reftable", "rebase-merge", "rebase-apply", "sequencer")
_LOCK = ".lock"


def looked_at_by_git(reports: Sequence[TraceReport], runner: Runner) -> Further:
    """What the calls of git in ``reports`` have looked at; raises ``UnprovableError``.

    Call it when the hooks have ended: git is asked for what it has in view. What changes meanwhile has times that
    ``miniuv.sources.evidence`` does not believe.
    """
    asked: dict[GitPlace, list[Question]] = {}
    try:
        for call in dict.fromkeys(call for report in reports for call in report.git_calls):
            question = question_of(call)
            place = GitPlace(runner, call.executable, call.folder, question.place, call.environ)
            asked.setdefault(place, []).append(question)
    except UnknownCallError as error:
        raise UnprovableError(str(error)) from error
    evidence = _Evidence(reports)
    for place, questions in asked.items():
        _check_executable(place.executable)
        if any(question.repository for question in questions):
            evidence.add(place, questions)
    return Further(kinds=evidence.kinds, same=evidence.same)


def git_change(path: str) -> str | None:
    """How people call it that ``path`` has changed, where it is a part of a repository."""
    _, inside, name = path.rpartition("/.git/")
    if not inside:
        return None
    name = re.sub(r"^(worktrees|modules)/[^/]+/", "", name)
    if name.startswith("refs/tags"):
        return "the repository's tags changed"
    if name == "HEAD" or name.startswith("refs/heads"):
        return "HEAD or a branch moved"
    if name.startswith("refs") or name == "packed-refs":
        return "the repository's references changed"
    if name.startswith("objects"):
        return "the repository's objects changed"
    return {"index": "what is staged changed", "config": "the repository's settings changed"}.get(name)


def holds_today(filename: str) -> bool:
    """Whether the version in the name of a wheel may have been made of today's date, here or in UTC."""
    version = filename.split("-")[1]
    days = {time.strftime(form, tell()) for form in ("%Y%m%d", "%y%m%d") for tell in (time.gmtime, time.localtime)}
    dotted = {f"{day.tm_year}.{day.tm_mon}.{day.tm_mday}" for day in (time.gmtime(), time.localtime())}
    return any(day in version for day in days) or any(day in version.replace(".0", ".") for day in dotted)


class _Evidence:
    """Grows with every place."""

    def __init__(self, reports: Sequence[TraceReport]) -> None:
        self.kinds: dict[str, str] = {}
        self.same: set[str] = set()
        self._staged: dict[str, set[str]] = {}
        for report in reports:
            for folder, digest in report.staged:
                self._staged.setdefault(os.path.realpath(folder), set()).add(digest)

    def add(self, place: GitPlace, questions: Sequence[Question]) -> None:
        """Add what may be seen at ``place``."""
        wanted = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir", "--git-path", "hooks/post-index-change")
        told = place.ask("rev-parse", *wanted)
        if told is None:
            self._add_nothing_found(place)
            self._add_settings(settings_of(place, place.folder))
            return
        lines = os.fsdecode(told).split("\n")
        if len(lines) != 5:
            raise UnprovableError("it runs git in a folder with an odd name")
        top, folder = (os.path.realpath(line) for line in lines[:2])
        shared, hook = (os.path.realpath(os.path.join(place.folder, line)) for line in lines[2:4])
        if place.options and not _is_plain(place, top):
            raise UnprovableError("it runs git in another folder than its repository's")
        if os.path.lexists(hook):
            raise UnprovableError("its repository has a hook that git runs when it reads")
        attributes = [os.path.join(folder, "info/attributes"), os.path.join(shared, "info/attributes")]
        self._add_repository(folder, shared)
        self._add(hook, "t")
        for path in (top, f"{top}/.git"):
            self._add(path, "o")
        self._add_way(os.path.realpath(place.folder), top)
        here = replace(place, folder=top, options=(f"--git-dir={folder}", f"--work-tree={top}"))
        attributes += self._add_files(here, top, questions)
        settings = settings_of(here, top)
        self._add_settings(settings)
        if settings.program and any(_names_program(path) for path in (*attributes, *settings.attributes)):
            raise UnprovableError(f"its repository has git run the program of `{settings.program}`")

    def _add(self, path: str, kind: str) -> None:
        if kind not in self.kinds.get(path, ""):
            self.kinds[path] = self.kinds.get(path, "") + kind

    def _add_settings(self, settings: Settings) -> None:
        for path in settings.files:
            if path != os.devnull:
                self._add(path, "r")

    def _add_nothing_found(self, place: GitPlace) -> None:
        folder = os.path.realpath(place.folder)
        while True:
            for name in (".git", "HEAD"):
                path = os.path.join(folder, name)
                if os.path.lexists(path):
                    raise UnprovableError("git does not read its repository")
                self._add(path, "t")
            if folder == "/":
                return
            folder = os.path.dirname(folder)

    def _add_repository(self, folder: str, shared: str) -> None:
        staged, index = self._staged.get(folder), os.path.join(folder, "index")
        if staged is None:
            raise UnprovableError("it runs git in another folder than its repository's")
        if staged != {index_digest(index)}:
            raise UnprovableError("changed while it was built", path=index)
        self.same.add(index)
        for name in ("alternates", "http-alternates"):
            path = f"{shared}/objects/info/{name}"
            if os.path.lexists(path):
                raise UnprovableError("its repository borrows from another one")
            self._add(path, "t")
        for place in dict.fromkeys((folder, shared)):
            self._add(os.path.join(place, "HEAD"), "r")
            for name in _KEPT_FOLDERS:
                for path in _walk(os.path.join(place, name)):
                    self._add(path, "l" if os.path.isdir(path) else "r")
        for place in dict.fromkeys((folder, shared)):
            for entry in _entries(place):
                if entry.name.endswith(_LOCK):
                    raise UnprovableError("git is at work in its repository")
                if entry.path != index and not entry.is_dir():
                    self._add(entry.path, "r")
            self._add(os.path.join(place, "commondir"), "r")
            self._add(place, "o")
            self._add(place, "l")
        others = f"{shared}/worktrees"
        if os.path.isdir(others):
            self._add(others, "l")
            for entry in _entries(others):
                self._add(f"{entry.path}/HEAD", "r")
        self._add(index, "i")
        for path in (f"{shared}/objects", *(entry.path for entry in _entries(f"{shared}/objects") if entry.is_dir())):
            self._add(path, "l")

    def _add_way(self, folder: str, top: str) -> None:
        """Between a folder and the top of its working tree no other repository may appear."""
        while folder != top:
            if folder == "/":
                raise UnprovableError("it runs git in another folder than its repository's")
            self._add(f"{folder}/.git", "t")
            self._add(f"{folder}/HEAD", "t")
            folder = os.path.dirname(folder)

    def _add_files(self, here: GitPlace, top: str, questions: Sequence[Question]) -> list[str]:
        """Add the files of the working tree; returns those that may hold attributes."""
        tracked = []
        for line in here.must("ls-files", "-z", "--stage"):
            facts, _, name = line.partition("\t")
            if facts.startswith("160000"):
                raise UnprovableError("its repository has submodules")
            tracked.append(name)
        others = any(question.untracked for question in questions)
        everything = any(question.ignored for question in questions)
        ignored = self._check_clean(here, others=others and not everything)
        folders = {""}
        for name in tracked:
            while (name := name.rpartition("/")[0]) not in folders:
                folders.add(name)
        exact = any(question.times for question in questions)
        paths = {os.path.join(top, name) for name in tracked}
        where = {os.path.join(top, name) if name else top for name in folders}
        if others:
            known = paths | where
            skipped = {os.path.join(top, name.rstrip("/")) for name in ignored} - known
            found, listed = self._all_files(top, skipped, known)
            paths |= found
            where |= listed
        _check_few(len(paths))
        for path in sorted(where):
            self._add(path, "t")
            self._add(os.path.join(path, ".gitattributes"), "g")
        for name in (".mailmap", ".gitmodules"):
            self._add(os.path.join(top, name), "g")
        for path in sorted(paths):
            self._add(path, "x" if exact or _is_large(path) else "g")
        return [os.path.join(path, ".gitattributes") for path in where]

    def _all_files(self, top: str, skipped: set[str], tracked: set[str]) -> tuple[set[str], set[str]]:
        """Every file and folder of the working tree but what is in ignored folders; adds what is in each folder."""
        paths, folders, waiting = set(), {top}, [top]
        while waiting:
            folder = waiting.pop()
            self._add(folder, "l")
            for entry in _entries(folder):
                path = entry.path
                if path in skipped or path == f"{top}/.git":
                    continue
                if entry.name == ".git":
                    raise UnprovableError("its repository has another one inside")
                if not entry.is_dir(follow_symlinks=False):
                    paths.add(path)
                elif path not in tracked and _ignores_itself(path) and not os.path.lexists(f"{path}/.git"):
                    self._add(f"{path}/.gitignore", "g")
                    self._add(f"{path}/.git", "t")
                else:
                    folders.add(path)
                    waiting.append(path)
            _check_few(len(paths) + len(folders))
        return paths, folders

    def _check_clean(self, here: GitPlace, *, others: bool) -> list[str]:
        """Raise where a version is likely to hold today's date; return what is ignored, where that is wanted."""
        lines = here.must(
            *("status", "--porcelain=v2", "-z", "--branch", "--no-renames", "--ignore-submodules=none"),
            *(("--untracked-files=all", "--ignored=matching") if others else ("--untracked-files=no",)),
        )
        if "# branch.oid (initial)" in lines:
            raise UnprovableError("its repository has no commit yet")
        if any(line[:1] not in ("#", "?", "!") for line in lines):
            raise UnprovableError("it has changes that are not committed, so its version may hold the date")
        return [line[2:] for line in lines if line.startswith("! ")]


def _check_executable(path: str) -> None:
    """Raise unless it is git itself: a script that stands for it may do anything."""
    try:
        with open(path, "rb") as file:
            begin = file.read(4)
    except OSError:
        begin = b""
    if begin != b"\x7fELF":
        raise UnprovableError("it runs a git that is a script")


def _is_plain(place: GitPlace, top: str) -> bool:
    """Whether the options only say what git would have found without them, from the top of the working tree."""
    words = iter(place.options)
    for word in words:
        option, equals, value = word.partition("=")
        value = value if equals else next(words, "")
        inside = {"--git-dir": f"{top}/.git", "--work-tree": top, "-C": top}[option]
        if os.path.realpath(os.path.join(place.folder, value)) != os.path.realpath(inside):
            return False
    return True


def _names_program(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return b"filter" in text or b"diff" in text


def _ignores_itself(path: str) -> bool:
    """Whether the folder's own rules ignore all that is in it, as those of a virtual environment do."""
    try:
        with open(os.path.join(path, ".gitignore"), encoding="utf-8") as file:
            rules = [line.rstrip("\n") for line in file if not line.startswith("#")]
    except (OSError, ValueError):
        return False
    return [rule for rule in rules if rule] == ["*"]


def _walk(path: str) -> Iterator[str]:
    """``path``, if it is there, and all below it."""
    waiting, many = [path], 0
    while waiting:
        path = waiting.pop()
        yield path
        if os.path.isdir(path) and not os.path.islink(path):
            waiting += (entry.path for entry in _entries(path))
        many += 1
        _check_few(many)


def _entries(path: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UnprovableError("cannot be listed", path=path) from error


def _check_few(count: int) -> None:
    if count > _MOST_FILES:
        raise UnprovableError(f"its repository has more than {_MOST_FILES} files to look at")


def _is_large(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > _MOST_BYTES
