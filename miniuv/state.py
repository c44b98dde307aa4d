"""The state file: what an environment needed no change for, and all that this rested on. ``os`` and ``sys`` only.

``<environment>/.miniuv-state/<key>`` is UTF-8 text, in lines: the header; the inode of its folder, which a copied
environment does not have; when colour is wanted; then in any order what is to be told again (``> text``, a ``%`` at
its end stands for the time it took), stamps, and pages to be asked for anew (``? accept NUL address NUL digest ...``);
the last line is ``end``. The key is a digest of the command line, the
variables, the working folder and this very miniuv, so that no secret is written down.
"""

from __future__ import annotations

import os
import sys

from miniuv import __version__
from miniuv.hashes import blake2b
from miniuv.stamps import date_back, settled, stamp

TYPE_CHECKING = False  # `typing` and `collections.abc` take longer than all that is done here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FOLDER = ".miniuv-state"
HEADER = "miniuv state 1"
END = "end"

_STATES_KEPT = 8
"""Of one environment: each command line has its own, and so has each shell with other variables."""

_TARGETS = ("-p", "--python")
_INFO = (".dist-info", ".egg-info", ".egg-link")

_PASSING = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES"})
"""Variables that differ from one command to the next and mean nothing to any."""


def key(arguments: Sequence[str], environ: Mapping[str, str], directory: str) -> str:
    """Name the state file of a command: ``arguments`` without the program, and all that may sway it but files."""
    program = (__version__, __file__, sys.executable, sys.prefix, str(os.geteuid()), directory)
    variables = sorted(f"{name}={value}" for name, value in environ.items() if name not in _PASSING)
    digest = blake2b(digest_size=16)
    for words in (program, arguments, variables):
        digest.update(b"%d\0" % len(words))
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            digest.update(b"%d\0%s" % (len(data), data))
    return digest.hexdigest()


def named_python(arguments: Sequence[str]) -> str:
    """What the command line names with ``--python``; empty where it does not."""
    python = ""
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in _TARGETS:
            python = value if equals else "".join(arguments[position + 1 : position + 2])
    return python


def without_target(arguments: Sequence[str]) -> list[str]:
    """The command line as it would be for any environment that is named in the same way."""
    words: list[str] = []
    for word in arguments:
        name, equals, _ = word.partition("=")
        words.append("" if words and words[-1] in _TARGETS else f"{name}=" if name in _TARGETS and equals else word)
    return words


def environment_folder(arguments: Sequence[str], environ: Mapping[str, str], directory: str) -> str:
    """The folder in which the command would find its environment; raises ``ValueError`` where there is none."""
    if python := named_python(arguments):
        path = os.path.join(directory, os.path.expanduser(python))
        return path if os.path.isdir(path) else os.path.dirname(os.path.dirname(path))
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            return os.path.join(directory, environ[variable])
    folder = directory
    while True:
        found = os.path.join(folder, ".venv")
        if os.path.isfile(f"{found}/pyvenv.cfg") or os.path.isdir(f"{found}/conda-meta"):
            return found
        above = os.path.dirname(folder)
        if above == folder:
            raise ValueError("no environment")
        folder = above


def render(*, inode: int, color: str, told: Sequence[str], stamps: Sequence[str]) -> bytes:
    """Put the content together; the inverse of what the fast exit reads."""
    lines = [HEADER, str(inode), color, *(f"> {text}" for text in told), *stamps, END, ""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def environment_stamps(prefix: str, *, executable: str, scripts: str, sites: Sequence[str]) -> list[str]:
    """Describe what is installed and what it is installed for; empty where that tells too little.

    Raises ``OSError``.
    """
    own = (executable, f"{prefix}/pyvenv.cfg", f"{prefix}/conda-meta", scripts)
    lines = [stamp(path, dated=True) for path in own]
    for site in sites:
        lines.append(stamp(site, dated=True))
        for name in sorted(os.listdir(site)):
            if name.endswith(".dist-info") and name[:1] != "~":
                lines += _of_distribution(f"{site}/{name}")
            elif name.endswith(_INFO):
                return []
    return lines


def date_environment_back(infos: Sequence[str], *, scripts: str, sites: Sequence[str]) -> None:
    """Let every later change of what was just installed show; ``infos`` are the ``.dist-info`` folders of that.

    The caller has the environment's lock, and has changed it this moment.
    """
    date_back(path for info in infos for path in (f"{info}/RECORD", f"{info}/direct_url.json", info))
    date_back((*sites, scripts))


def write(
    prefix: str,
    name: str,
    *,
    absent: str,
    target: str,
    look: Callable[[], Sequence[str]],
    expected: Sequence[str],
    inputs: Sequence[str],
    questions: Sequence[Sequence[str]],
    color: str,
    told: Sequence[str],
) -> None:
    """Write the state file ``name`` of the environment at ``prefix``; do nothing where that would not be sound.

    ``absent`` is a path in it where nothing may be, ``target`` the path that names the environment, if any does;
    ``look`` describes what is installed, which must still be as ``expected``. Raises ``OSError``.
    """
    folder = f"{prefix}/{FOLDER}"
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    else:
        date_back((prefix,))
    places = [prefix, absent, *([target] if target else [])]
    taken = settled(lambda: [*(stamp(place, dated=True) for place in places), *look()])
    if taken is None or taken[len(places) :] != list(expected) or os.path.lexists(absent):
        return
    lines = [*dict.fromkeys((*taken, *inputs)), *("? " + "\0".join(question) for question in questions)]
    content = render(inode=os.stat(folder).st_ino, color=color, told=told, stamps=lines)
    draft = f"{folder}/.new-{os.urandom(8).hex()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
        os.rename(draft, f"{folder}/{name}")
    except BaseException:
        os.unlink(draft)
        raise
    _trim(folder)


def _trim(folder: str) -> None:
    files = [f"{folder}/{name}" for name in os.listdir(folder)]
    if len(files) > _STATES_KEPT:
        for path in sorted(files, key=lambda path: os.stat(path).st_mtime_ns, reverse=True)[_STATES_KEPT:]:
            os.unlink(path)


def _of_distribution(info: str) -> Iterator[str]:
    """A file that appears or goes shows in its folder; those that matter may be edited in place, too."""
    yield stamp(info, dated=True)
    for name in ("METADATA", "RECORD", "direct_url.json"):
        path = f"{info}/{name}"
        try:
            links = os.lstat(path).st_nlink
        except FileNotFoundError:
            continue
        yield stamp(path, linked=links > 1, dated=True)
