"""Talking to the host of a repository: which transports may be used, and when to try again."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from miniuv.errors import GitError
from miniuv.git.command import Git
from miniuv.git.failures import GitCommandError
from miniuv.git.refs import Listing
from miniuv.git.remote import Remote, protocol_of
from miniuv.reporter import Reporter, activity

RETRIES = 2
"""How often a request is made again after a network error, where nobody says it."""

_ANSWER_SECONDS = 300.0
"""How long a host may take to list its references; a transfer has no such limit, only a lowest speed."""


class Transport:
    """Lists references and fetches histories."""

    def __init__(
        self, *, git: Git, reporter: Reporter, retries: int = RETRIES, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._git = git
        self._retries = retries
        self._reporter = reporter
        self._sleep = sleep

    def references(self, remote: Remote) -> Listing:
        """Ask ``remote`` for all its references; raises ``GitCommandError``."""
        protocols = self._allowed(remote)

        def attempt() -> bytes:
            return self._git.run(
                "ls-remote",
                "--end-of-options",
                remote.address,
                what=f"list the references of `{remote.shown}`",
                protocols=protocols,
                settings=remote.settings,
                variables=remote.variables,
                timeout=_ANSWER_SECONDS,
            )

        with activity(self._reporter, "list", f"the references of {remote.shown}"):
            return Listing.parse(self._patiently(attempt))

    def fetch(self, remote: Remote, refspecs: Sequence[str], *, into: Path) -> None:
        """Fetch ``refspecs``, and the tags that lie on their way, into a private repository."""
        protocols = self._allowed(remote)

        def attempt() -> bytes:
            return self._git.run(
                "fetch",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--progress",
                "--end-of-options",
                remote.address,
                *refspecs,
                what=f"fetch `{remote.shown}`",
                repository=into,
                protocols=protocols,
                settings=remote.settings,
                variables=remote.variables,
                on_line=lambda line: self._reporter.progress(event, line),
            )

        with activity(self._reporter, "fetch", remote.shown) as event:
            self._patiently(attempt)

    def _allowed(self, remote: Remote) -> tuple[str, ...]:
        """Name the transports for ``remote``: where the user's ``insteadOf`` leads to, and https instead of http.

        So no redirect leads to a weaker transport, and no address to a remote helper.
        """
        protocol = protocol_of(self._git.rewritten(remote.address))
        if protocol is None:
            raise GitError(
                f"git would reach `{remote.shown}` by a transport that miniuv does not use",
                hint="https, http, ssh and file are used; look for `insteadOf` in `git config --list --show-origin`",
            )
        return (protocol, "https") if protocol == "http" else (protocol,)

    def _patiently(self, attempt: Callable[[], bytes]) -> bytes:
        """Try again after a network error, and after no other."""
        for number in range(self._retries):
            try:
                return attempt()
            except GitCommandError as error:
                if error.kind != "network":
                    raise
                self._reporter.note(f"{error.message}: trying again")
                self._sleep(0.5 * 3**number * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
        return attempt()
