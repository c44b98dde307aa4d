"""The hooks of one project's backend, called through ``build`` and ``pyproject_hooks``."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from miniuv.backend.failure import HookEndedError, hook_failure
from miniuv.backend.output import HookLog
from miniuv.backend.trace import TRACER, traced
from miniuv.backend.warm import HookCall, WarmRunners
from miniuv.errors import BackendError, BuildError, MiniuvError
from miniuv.process import Runner
from miniuv.values import dataclass

if TYPE_CHECKING:
    from build import ProjectBuilder

Kind = Literal["wheel", "editable"]
ConfigSettings = Mapping[str, str | Sequence[str]]

_SUPERVISOR = Path(__file__).with_name("_supervisor.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """One backend in one build environment. Each call is one process; nothing that a call does reaches the next."""

    folder: Path
    python: Path
    """Of the build environment."""
    backend: str
    """For people."""
    title: str
    kind: Kind
    config_settings: ConfigSettings
    environment: Mapping[str, str]
    runner: Runner
    log: HookLog
    guards: Callable[[], Sequence[int]] = tuple
    """Descriptors of the locks that must be held for as long as anything of the backend runs."""
    warm: WarmRunners | None = None
    """Save the start of a Python for each call; never for a backend in the project's own tree."""
    trace: Path | None = None
    """The folder in which each hook leaves a report of what it has looked at; see ``miniuv.backend.trace``."""

    def requirements(self, on_line: Callable[[str], None]) -> tuple[str, ...]:
        """What the backend needs besides ``build-system.requires``; sorted."""
        hook = f"get_requires_for_build_{self.kind}"
        with self._translated(hook):
            return tuple(sorted(self._project(hook, on_line).get_requires_for_build(self.kind, self._settings())))

    def metadata(self, output: Path, on_line: Callable[[str], None]) -> Path | None:
        """The ``.dist-info`` folder that the backend prepares in ``output``; ``None`` where it has no such hook."""
        hook = f"prepare_metadata_for_build_{self.kind}"
        with self._translated(hook):
            prepared = self._project(hook, on_line, output).prepare(self.kind, output, self._settings())
        if prepared is None:
            return None
        folder = Path(prepared)
        if folder.parent != output or not (folder / "METADATA").is_file():
            raise self._broken(hook, f"answered `{folder.name}`, which is no folder with a METADATA file")
        return folder

    def wheel(self, output: Path, prepared: Path | None, on_line: Callable[[str], None]) -> Path:
        """The one wheel that the backend builds in ``output``, which is empty before."""
        hook = f"build_{self.kind}"
        with self._translated(hook):
            metadata = None if prepared is None else str(prepared)
            project = self._project(hook, on_line, output)
            wheel = Path(project.build(self.kind, output, self._settings(), metadata))
        made = sorted(path.name for path in output.glob("*.whl"))
        if wheel.parent != output or made != [wheel.name] or wheel.is_symlink() or not wheel.is_file():
            raise self._broken(hook, f"answered `{wheel.name}` and left {', '.join(made) or 'no wheel'}")
        return wheel

    def _settings(self) -> dict[str, str | Sequence[str]]:
        return dict(self.config_settings)

    def _broken(self, hook: str, reason: str) -> BuildError:
        return BackendError(
            f"`{self.backend}` broke the contract of `{hook}`: it {reason}",
            where=self.title,
            hint=f"this is a defect of the backend; its output is in `{self.log.path}`",
        )

    def _project(self, hook: str, on_line: Callable[[str], None], results: Path | None = None) -> "ProjectBuilder":
        from build import ProjectBuilder, TypoWarning
        from pyproject_hooks import BuildBackendWarning

        # What backends warn of is for their users' authors, and `pyproject.toml` was read by ourselves already.
        # Not `catch_warnings`: it changes the filters of other threads while it lasts.
        warnings.simplefilter("ignore", TypoWarning)
        warnings.simplefilter("ignore", BuildBackendWarning)
        return ProjectBuilder(self.folder, str(self.python), partial(self._run, hook, on_line, results))

    def _run(
        self,
        hook: str,
        on_line: Callable[[str], None],
        results: Path | None,
        command: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        import tempfile

        # Not in the cache: a socket's path may have 107 bytes only.
        with (
            tempfile.TemporaryDirectory(prefix="miniuv-", ignore_cleanup_errors=True) as temporary,
            self.log.listen(hook, on_line) as output,
        ):
            call = HookCall(
                python=self.python,
                backend=self.backend,
                command=command[1:],
                cwd=Path(cwd or self.folder),
                environment=self.environment,
                added={**(extra_environ or {}), "TMPDIR": temporary},
                output=output,
                guards=self.guards(),
                trace=None if self.trace is None else (TRACER, self.trace / hook),
            )
            returncode = None if self.warm is None else self.warm.run(call)
            if returncode is None:
                for folder in (Path(temporary), results):
                    _empty(folder)
                returncode = self._run_plain(call)
        if returncode:
            raise HookEndedError(returncode)

    def _run_plain(self, call: HookCall) -> int:
        command = [str(call.python), *call.command]
        if call.trace is not None:
            command = traced(command, call.trace[1])
        completed = self.runner.run(
            supervised(command, call.guards),
            cwd=call.cwd,
            environment={**call.environment, **call.added},
            output=call.output,
            pass_fds=call.guards,
        )
        return completed.returncode

    @contextmanager
    def _translated(self, hook: str) -> Iterator[None]:
        from build import BuildBackendException, BuildException

        try:
            yield
        except BuildBackendException as error:
            cause = error.exception
            if isinstance(cause, MiniuvError):
                raise cause from None
            raise hook_failure(cause, hook=hook, backend=self.backend, title=self.title, log=self.log) from error
        except BuildException as error:
            raise BackendError(
                str(error), where=self.title, hint="check `[build-system]` in its `pyproject.toml`"
            ) from error
        except (OSError, TypeError, ValueError) as error:
            raise hook_failure(error, hook=hook, backend=self.backend, title=self.title, log=self.log) from error


def supervised(command: Sequence[str], guards: Sequence[int]) -> list[str]:
    """``command`` under ``_supervisor.py``, which keeps ``guards`` open; itself where there is nothing to keep."""
    if not guards:
        return list(command)
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), ",".join(map(str, guards)), *command]


def _empty(folder: Path | None) -> None:
    """Remove what a hook has begun to make that will run once more."""
    import shutil

    for path in () if folder is None else folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
