"""What git says when it fails, sorted into what a user can do about it; pure."""

import re
from typing import Literal

from miniuv.errors import GitError
from miniuv.models.url import redact

FailureKind = Literal[
    "authentication",
    "certificate",
    "host-key",
    "ownership",
    "repository",
    "unadvertised",
    "commit",
    "head",
    "network",
    "disk",
    "killed",
    "other",
]

_PATTERNS: tuple[tuple[FailureKind, str], ...] = (
    (
        "disk",
        r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error|"
        r"unable to create directory for",
    ),
    ("ownership", r"dubious ownership"),
    ("certificate", r"[Cc]ertificate (problem|verification failed|verify failed)"),
    ("host-key", r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ("unadvertised", r"does not allow request for unadvertised object"),
    ("commit", r"not our ref|Cannot obtain needed|Unable to find [0-9a-f]{40}"),
    ("head", r"couldn't find remote ref HEAD"),
    (
        "authentication",
        r"could not read (Username|Password)|Authentication failed|terminal prompts disabled|Permission denied \("
        r"|returned error: 40[13]\b|Access denied|Invalid username or (password|token)",
    ),
    (
        "network",
        r"Could not resolve (host|proxy)|[Cc]ould not resolve hostname|Couldn't connect to server|Failed to connect"
        r"|Connection (refused|reset|timed out|closed)|Operation (timed out|too slow)|[Tt]imed? ?out"
        r"|Network is unreachable|No route to host|early EOF|unexpected disconnect|hung up unexpectedly|RPC failed"
        r"|returned error: (408|429|5\d\d)\b|transfer closed|Empty reply from server|TLS connection was non-properly"
        r"|SSL_ERROR_SYSCALL|recv error|expected flush after",
    ),
    (
        "repository",
        r"repository '.*' not found|Repository not found|does not appear to be a git repository|returned error: 404\b"
        r"|not valid: is this a git repository|does not exist|no such repository",
    ),
)
_HINTS: dict[FailureKind, str] = {
    "certificate": "tell git of the certificate authority: `git config --global http.sslCAInfo FILE`",
    "host-key": "compare the host's key with the one its operator publishes, then add it with `ssh-keyscan` to "
    "`~/.ssh/known_hosts`",
    "repository": "check the address and the right to read it: many hosts answer so for private repositories too",
    "network": "check the address, the network and the proxy settings, then run the command again",
    "disk": "free some space, or move the cache with `--cache-dir`",
    "unadvertised": "name a branch or a tag that contains the commit, or ask the host to allow fetching by commit",
    "commit": "is it pushed? a commit that no branch or tag reaches may be gone from the host; another ref helps",
}
_NOISE = re.compile(
    r"^(remote: (Enumerating|Counting|Compressing|Total|Finding|Getting)|Receiving objects|Resolving deltas|From |\s*$"
    r"|Please make sure you have the correct access rights|and the repository exists)"
)


class GitCommandError(GitError):
    """git ended badly; ``kind`` says how, ``stderr`` is redacted."""

    def __init__(self, message: str, *, kind: FailureKind, stderr: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.stderr = stderr


def classify(stderr: str) -> FailureKind:
    """Tell the kind of failure from what git wrote in the C locale."""
    return next((kind for kind, pattern in _PATTERNS if re.search(pattern, stderr)), "other")


def explain(
    what: str, stderr: bytes, *, returncode: int, protocol: str = "", credentials: bool = False
) -> GitCommandError:
    """Make the error for a git command; ``what`` completes "git could not …".

    ``credentials`` says that the address had some.
    """
    text = redact(stderr.decode("utf-8", "replace"))
    kind = classify(text) if returncode >= 0 else "killed"
    hint = _authentication_hint(protocol, credentials) if kind == "authentication" else _HINTS.get(kind)
    if kind == "ownership":
        command = re.search(r"git config --global --add safe\.directory .+", text)
        hint = f"if you trust that repository, run `{command[0].strip()}`" if command else None
    ended = f"it was ended by signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
    return GitCommandError(f"git could not {what}: {_gist(text) or ended}", kind=kind, stderr=text, hint=hint)


def _authentication_hint(protocol: str, credentials: bool) -> str:
    if credentials:
        return (
            "the host does not accept the user and password of the address: are they still valid, and percent-encoded?"
        )
    if protocol == "ssh":
        return (
            "miniuv never asks for a passphrase: load the key with `ssh-add`, or name it in `~/.ssh/config`; "
            "`ssh -T git@HOST` shows which key the host accepts"
        )
    return (
        "miniuv never asks for a password: set up a credential helper (`git config --global credential.helper …`), "
        'or have git use ssh (`git config --global url."ssh://git@HOST/".insteadOf "https://HOST/"`)'
    )


def _gist(text: str) -> str:
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if not _NOISE.match(line)]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "ssh:"))] or lines
    telling = [line for line in telling if line != "fatal: Could not read from remote repository."] or telling
    stripped = (re.sub(r"^((fatal|error|ERROR|remote error): )+", "", line).rstrip(".") for line in telling)
    return "; ".join(list(dict.fromkeys(stripped))[:3])
