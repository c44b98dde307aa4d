"""Running git: its version, its environment, and the options that every call gets."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from miniuv.errors import GitError
from miniuv.git.failures import explain
from miniuv.process import Completed, Runner

OLDEST_GIT = (2, 31)
"""``GIT_CONFIG_COUNT`` came with it."""

_LOCATION_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
)
_SETTINGS = (
    # nothing that a repository or a template brings is run
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.interactive=false",
    # nothing happens behind our back, and every fetch ends in packs
    "gc.auto=0",
    "maintenance.auto=0",
    "fetch.unpackLimit=1",
    "fetch.writeCommitGraph=false",
    # the same commit gives the same files for every user
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.eol=lf",
    "core.sparseCheckout=false",
    "submodule.recurse=false",
)
_CONFIGURED = r"^(core\.sshcommand|http\.(.*\.)?lowspeed(limit|time)|url\..*\.insteadof)$"
"""What of the user's settings decides what git is told."""


class Git:
    """The user's own git, given an environment without surprises; honours the user's configuration."""

    def __init__(self, *, runner: Runner, environ: Mapping[str, str], directory: Path) -> None:
        self._runner = runner
        self._environ = environ
        self._directory = directory
        self._guard = threading.Lock()
        self._environment: dict[str, str] | None = None
        self._rewrites: tuple[tuple[str, str], ...] = ()

    def run(
        self,
        *arguments: str,
        what: str,
        repository: Path | None = None,
        worktree: Path | None = None,
        protocols: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Run git and return its stdout; raises ``GitCommandError``, its message being ``git could not <what>``.

        ``protocols`` are the transports that may be used: none for a local command. ``settings`` and ``variables``
        may hold secrets: they go through the environment, where other users cannot read them.
        """
        environment = {**with_settings(self._prepared(), settings or {}), **(variables or {})}
        completed = self._complete(arguments, repository, worktree, protocols, environment, stdin, on_line, timeout)
        if completed.returncode != 0:
            raise explain(
                what,
                completed.stderr,
                returncode=completed.returncode,
                protocol=protocols[0] if protocols else "",
                credentials=bool(settings),
            )
        return completed.stdout

    def _complete(
        self,
        arguments: Sequence[str],
        repository: Path | None,
        worktree: Path | None,
        protocols: Sequence[str],
        environment: dict[str, str],
        stdin: bytes,
        on_line: Callable[[str], None] | None,
        timeout: float | None,
    ) -> Completed:
        environment["GIT_ALLOW_PROTOCOL"] = ":".join(protocols)
        if repository is not None:
            environment["GIT_DIR"] = str(repository)
        if worktree is not None:
            environment["GIT_WORK_TREE"] = str(worktree)
        options = [part for setting in _SETTINGS for part in ("-c", setting)]
        return self._start(
            [*options, *arguments],
            environment,
            cwd=worktree or self._directory,
            stdin=stdin,
            on_line=on_line,
            timeout=timeout,
        )

    def rewritten(self, address: str) -> str:
        """Return where the user's ``url.<base>.insteadOf`` lead ``address``: the longest beginning that fits counts."""
        self._prepared()
        fitting = [(len(begin), base) for begin, base in self._rewrites if address.startswith(begin)]
        if not fitting:
            return address
        length, base = max(fitting, key=lambda each: each[0])
        return base + address[length:]

    def _prepared(self) -> dict[str, str]:
        """Make the environment, once; the first call checks that there is a git and that it is new enough."""
        with self._guard:
            if self._environment is None:
                environment = clean_environment(self._environ, directory=self._directory)
                self._check_version(environment)
                configured = self._start(
                    ["config", "-z", "--get-regexp", _CONFIGURED],
                    environment,
                ).stdout.decode("utf-8", "surrogateescape")
                self._rewrites = parse_rewrites(configured)
                self._environment = with_patience(environment, configured=configured)
            return self._environment

    def _check_version(self, environment: Mapping[str, str]) -> None:
        text = self._start(["version"], environment).stdout.decode("utf-8", "replace")
        version = re.search(r"(\d+)\.(\d+)", text)
        if version is None:
            raise GitError("`git version` does not answer with a version", hint="is `git` on PATH really git?")
        if (int(version[1]), int(version[2])) < OLDEST_GIT:
            oldest = ".".join(map(str, OLDEST_GIT))
            raise GitError(
                f"git {version[0]} is too old: miniuv needs {oldest} or newer",
                hint="install a newer git, or put it first on PATH",
            )

    def _start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        import shutil

        program = shutil.which("git", path=environment.get("PATH"))
        if program is None:
            raise GitError(
                "there is no `git` on PATH",
                hint="install git, for example with `apt install git` or `brew install git`",
            )
        try:
            return self._runner.run(
                [program, *arguments],
                cwd=cwd or self._directory,
                environment=environment,
                stdin=stdin,
                on_line=on_line,
                timeout=timeout,
            )
        except TimeoutError as error:
            raise GitError(f"git got no answer: {error}", hint="check the address and the network") from error
        except OSError as error:
            raise GitError(f"git could not be started: {error.strerror or error}", where=program) from error


def clean_environment(environ: Mapping[str, str], *, directory: Path) -> dict[str, str]:
    """Return ``environ`` without what would lead git astray or let it ask; the user's configuration stays.

    A run inside ``git rebase --exec`` or a hook has variables that point at the user's own repository.
    """
    environment = {name: value for name, value in environ.items() if name not in _LOCATION_VARIABLES}
    environment.pop("SSH_ASKPASS", None)
    environment.pop("LANGUAGE", None)
    environment.setdefault("GCM_INTERACTIVE", "never")
    environment |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CEILING_DIRECTORIES": str(directory.parent),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",
    }
    return environment


def with_patience(environment: Mapping[str, str], *, configured: str) -> dict[str, str]:
    """Add the limits that keep git from waiting for ever, except where the user has set their own.

    ``configured`` is what ``git config -z --get-regexp`` found of the user's own settings.
    """
    patient = dict(environment)
    keys = {entry.partition("\n")[0].lower() for entry in configured.split("\0")}
    if "core.sshcommand" not in keys and not {"GIT_SSH_COMMAND", "GIT_SSH"} & environment.keys():
        patient["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30"
    if not any("lowspeed" in key for key in keys):
        # A server that packs a large repository sends a byte a second to show that it lives.
        patient.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1")
        patient.setdefault("GIT_HTTP_LOW_SPEED_TIME", "60")
    return patient


def parse_rewrites(configured: str) -> tuple[tuple[str, str], ...]:
    """Return every ``url.<base>.insteadOf`` in the output of ``git config -z``: the beginning, and what replaces it."""
    rewrites = []
    for entry in configured.split("\0"):
        key, _, begin = entry.partition("\n")
        section, _, rest = key.partition(".")
        base, _, name = rest.rpartition(".")
        if section.lower() == "url" and name.lower() == "insteadof" and begin:
            rewrites.append((begin, base))
    return tuple(rewrites)


def with_settings(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Append ``settings`` to those that the user's ``GIT_CONFIG_COUNT`` announces."""
    extended = dict(environment)
    announced = environment.get("GIT_CONFIG_COUNT", "")
    count = int(announced) if announced.isdecimal() else 0
    for number, (key, value) in enumerate(settings.items(), start=count):
        extended[f"GIT_CONFIG_KEY_{number}"] = key
        extended[f"GIT_CONFIG_VALUE_{number}"] = value
        extended["GIT_CONFIG_COUNT"] = str(number + 1)
    return extended
