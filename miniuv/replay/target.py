"""The environment that a command is for, as far as it takes no more than a look to know it. ``os`` only."""

from __future__ import annotations

import os

from miniuv import state
from miniuv.environment.family import family
from miniuv.names import ENVIRONMENT_LOCKS, WORK_FOLDER
from miniuv.replay.record import LONGEST_PYTHON, Facts, is_usual
from miniuv.state import environment_folder, named_python

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DoubtError(ValueError):
    """The normal path has to be taken."""


class Target:
    """An environment with nothing in it, of the same kind as the one that was recorded."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], directory: str) -> None:
        """Find it; raises ``ValueError`` where that takes more than a look."""
        named = named_python(arguments)
        path = os.path.join(directory, os.path.expanduser(named)) if named else ""
        if path and not os.path.isdir(path):
            self.executable = path
        else:
            folder = environment_folder(arguments, environ, directory)
            names = ("python", "python3")
            self.executable = next((p for name in names if os.path.lexists(p := f"{folder}/bin/{name}")), "")
        if os.path.abspath(self.executable) != self.executable or not self.executable.isprintable():
            raise DoubtError("named in another way")
        if len(self.executable) > LONGEST_PYTHON or " " in self.executable or not self.executable.isascii():
            raise DoubtError("no plain first line of a script")
        self.named = path
        self.prefix = os.path.dirname(os.path.dirname(self.executable))
        self.real = os.path.realpath(self.prefix)
        """Where it really is, which is where everything goes."""
        self.family = family(self.executable)
        self.work = f"{self.real}/{WORK_FOLDER}"
        self.lock, self._owned = (f"{self.real}/{name}" for name in ENVIRONMENT_LOCKS)
        self.sites: list[str] = []
        self.scripts = ""

    def check(self, facts: Facts) -> None:
        """Raise ``ValueError`` where it is not like the one of ``facts``, or where somebody is at work in it."""
        if self.family is None or self.family != facts.one("family"):
            raise DoubtError("another installation of Python")
        self.sites = [f"{self.prefix}/{site}" for site in facts.one("sites")]
        (scripts,) = facts.one("scripts")
        self.scripts = f"{self.prefix}/{scripts}"
        for path, real in facts.all("real"):
            if os.path.realpath(os.path.join(self.prefix, path)) != os.path.normpath(f"{self.real}/{real}"):
                raise DoubtError("other links")
        for folder in (*self.sites, self.scripts, self.real):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise DoubtError("not ours to change")
        if os.path.lexists(self.work) or os.path.lexists(self._owned):
            raise DoubtError("somebody is at work there")

    def look(self) -> list[str]:
        """What is in the site folders; raises ``ValueError`` where a distribution is that it had not from the start."""
        names = [f"{site}/{name}" for site in self.sites for name in sorted(os.listdir(site))]
        for name in names:
            if name.endswith((".dist-info", ".egg-info", ".egg-link")) and not is_usual(os.path.basename(name)):
                raise DoubtError("something is installed")
        return names

    def stamps(self) -> list[str]:
        """See ``state.environment_stamps``."""
        return state.environment_stamps(self.prefix, executable=self.executable, scripts=self.scripts, sites=self.sites)

    def shown(self, environ: Mapping[str, str], directory: str) -> str:
        """How the environment is told; empty where it is the one to be expected."""
        active = environ.get("VIRTUAL_ENV")
        if self.prefix == (active or f"{directory}/.venv"):
            return ""
        return "." if self.prefix == directory else self.prefix.removeprefix(f"{directory}/")
