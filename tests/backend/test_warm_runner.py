"""A warm runner hands nothing on from hook to hook, ends with us, and stands aside whenever it is not sure."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniuv.backend.builder import Builder, ReadyBuild
from miniuv.cache.jobs import JobRunner
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.errors import Interrupted, MiniuvError
from miniuv.models.interpreter import Interpreter
from miniuv.process import SubprocessRunner
from miniuv.project.pyproject import read_pyproject
from miniuv.reporter import Reporter
from tests.support.backends import (
    RUNNER,
    FolderProvisioner,
    completed,
    make_backed_project,
    make_installed_backend,
    make_tiny_project,
)
from tests.support.processes import OtherProcess, until
from tests.support.wheels import make_wheel

OTHER_PYTHONS = [
    python
    for minor in (9, 10, 12, 13)
    for python in sorted(Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python"))[-1:]
]


class Course:
    """One run of miniuv: every build shares its warm runners."""

    def __init__(self, store: Store, jobs: JobRunner, interpreter: Interpreter, provisioner: FolderProvisioner) -> None:
        self.jobs = jobs
        self.runner = SubprocessRunner()
        self.builder = Builder(
            store=store,
            jobs=jobs,
            runner=self.runner,
            provisioner=provisioner,
            interpreter=interpreter,
            reporter=Reporter(),
            environ=os.environ,
        )

    def prepare(self, folder: Path) -> ReadyBuild:
        title = f"{folder.name} 1.0"
        ready = self.builder.prepare(folder, pyproject=read_pyproject(folder), title=title, editable=False)
        return completed(ready, jobs=self.jobs, folder=folder)

    def build(self, folder: Path) -> Path:
        with self.prepare(folder) as ready:
            destination = folder.parent / f"{folder.name}-wheels"
            destination.mkdir(exist_ok=True)
            return ready.build(destination)


Courses = Callable[..., Course]


@pytest.fixture
def course(store: Store, jobs: JobRunner, interpreter: Interpreter, tmp_path: Path) -> Iterator[Courses]:
    with ExitStack() as opened:

        def go(code: str, python: Interpreter = interpreter, **files: str) -> Course:
            made = Course(store, jobs, python, make_installed_backend(tmp_path, code, **files))
            opened.enter_context(made.builder)
            return made

        yield go


NOTES = """
import os
IMPORTED = os.getpid()
hooks = []

def get_requires_for_build_wheel(config_settings=None):
    hooks.append("requires")
    note()
    return []

build_tiny = build_wheel
def build_wheel(*arguments):
    hooks.append("wheel")
    note()
    return build_tiny(*arguments)

def note():
    with open("notes", "a") as file:
        print(runner(), IMPORTED == os.getpid(), *hooks, file=file)
"""
FRESH = ["plain True requires", "plain True wheel"]
WARM = ["warm False requires", "warm False wheel"]


def notes(folder: Path) -> list[str]:
    return (folder / "notes").read_text().splitlines()


def test_a_backend_is_imported_once_and_no_hook_sees_what_another_did(course: Courses, tmp_path: Path) -> None:
    made = course(NOTES)
    folders = [make_backed_project(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        assert made.build(folder).name == "tiny-1.0-py3-none-any.whl"
    assert [notes(folder) for folder in folders] == [WARM, WARM]


def test_a_backend_in_the_projects_own_tree_is_never_imported_beforehand(course: Courses, tmp_path: Path) -> None:
    made = course(NOTES)
    made.build(make_backed_project(tmp_path / "warm"))
    in_tree = make_tiny_project(tmp_path / "in-tree", "from tests_notes import runner\n" + NOTES)
    (in_tree / "backend" / "tests_notes.py").write_text(RUNNER)
    table = 'requires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\nbackend-path = ["backend"]\n'
    (in_tree / "pyproject.toml").write_text(f"[build-system]\n{table}")
    made.build(in_tree)
    assert notes(in_tree) == FRESH


def test_elsewhere_than_on_linux_every_hook_has_a_python_of_its_own(
    course: Courses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    made = course(NOTES)
    monkeypatch.undo()
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == FRESH


UNFIT = {
    "prints": "print('imported')",
    "prints much": "print('x' * (1 << 20))",
    "starts a thread": "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "starts a program": "import subprocess; program = subprocess.Popen(['sleep', '0.2'])",
    "asks where it is": "WHERE = os.path.abspath('setup.py')",
    "asks where temporary files go": "import tempfile; PLACE = tempfile.gettempdir()",
    "goes elsewhere": "if not os.environ.get('_PYPROJECT_HOOKS_BUILD_BACKEND'): os.chdir('/usr')",
    "sets the umask": "os.umask(0o27)",
    "sets a variable": "os.environ['SET_BY_IMPORT'] = '1'",
    "handles a signal": "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "opens a file": "open_file = open('/etc/passwd')",
    "replaces stdout": "import io, sys; sys.stdout = io.TextIOWrapper(open(1, 'wb', closefd=False))",
    "ends": "if not os.environ.get('_PYPROJECT_HOOKS_BUILD_BACKEND'): raise SystemExit(1)",
    "ends at once": "if not os.environ.get('_PYPROJECT_HOOKS_BUILD_BACKEND'): os._exit(1)",
    "fails": "if not os.environ.get('_PYPROJECT_HOOKS_BUILD_BACKEND'): raise ValueError",
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_backend_whose_import_leaves_traces_is_imported_anew_for_every_hook(
    course: Courses, tmp_path: Path, kind: str
) -> None:
    made = course(f"{NOTES}\n{UNFIT[kind]}\n")
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == FRESH


def test_warnings_and_filters_of_an_import_are_no_such_trace(course: Courses, tmp_path: Path) -> None:
    code = "import warnings\nwarnings.warn('old')\nwarnings.filterwarnings('error', message='new')\n"
    check = "def check():\n    print('new' in str(warnings.filters), file=open('f', 'w'))\n"
    made = course(NOTES.replace("    note()\n    return []", "    note()\n    check()\n    return []") + code + check)
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == WARM
    assert (tmp_path / "project" / "f").read_text() == "True\n"


def test_a_project_with_a_module_that_is_there_already_gets_a_python_of_its_own(
    course: Courses, tmp_path: Path
) -> None:
    made = course(NOTES.replace("def note():", "def note():\n    import calendar\n"))
    made.build(make_backed_project(tmp_path / "teaches"))
    made.build(make_backed_project(tmp_path / "shadows", **{"tools/calendar.py": "x = 1\n"}))
    assert notes(tmp_path / "teaches") == WARM
    assert notes(tmp_path / "shadows") == FRESH


LEARNING = """
import sys

def get_requires_for_build_wheel(config_settings=None):
    with open("notes", "a") as file:
        print("calendar" in sys.modules, "tiny_part" in sys.modules, "other_part" in sys.modules, file=file)
    import calendar, tiny_part
    if "other" in __import__("os").listdir("."):
        import other_part
    return []
"""


def test_what_one_hook_has_imported_is_there_for_the_next_but_nothing_of_strangers(
    course: Courses, tmp_path: Path
) -> None:
    made = course(LEARNING, tiny_part="")
    make_wheel(tmp_path / "backend-wheels", "other-part", "1.0")
    table = '[build-system]\nrequires = ["tiny-backend", "other-part"]\nbuild-backend = "tiny_backend"\n'
    found = []
    for name in ("one", "two"):
        folder = make_backed_project(tmp_path / name, other="")
        (folder / "pyproject.toml").write_text(table)
        made.prepare(folder)
        found += notes(folder)
    assert found == ["False False False", "True True False"]
    again = course(LEARNING, tiny_part="")  # another run, which finds it in the cache
    folder = make_backed_project(tmp_path / "three", other="")
    (folder / "pyproject.toml").write_text(table)
    again.prepare(folder)
    assert notes(folder) == ["True True False"]


COMPILING = """
import os, re, warnings

def get_requires_for_build_wheel(config_settings=None):
    found = {key[1] for key in re._cache}
    name = os.path.basename(os.getcwd())
    open("notes", "w").write(" ".join(sorted(found & {"tiny+", name, "[[warned]"})))
    warnings.simplefilter("ignore")
    for pattern in ("tiny+", name, "[[warned]"):
        re.compile(pattern)
    return []
"""


def test_expressions_that_many_projects_need_are_compiled_beforehand(course: Courses, tmp_path: Path) -> None:
    made = course(COMPILING)
    folders = [make_backed_project(tmp_path / name) for name in ("one", "two", "three")]
    for folder in (*folders, folders[-1]):
        made.prepare(folder)
    assert [notes(folder) for folder in folders] == [[], [], ["tiny+"]]


TOGETHER = """
import os, time

def get_requires_for_build_wheel(config_settings=None):
    open("here", "w").close()
    patience = time.monotonic() + 30
    while len([name for name in os.listdir("..") if os.path.exists(f"../{name}/here")]) < 2:
        assert time.monotonic() < patience, "the other one never came"
        time.sleep(0.01)
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            pass
    print(runner(), *sorted(link.partition(":")[0] for link in links), file=open("notes", "w"))
    return []
"""


def test_two_hooks_at_once_have_no_descriptor_but_their_own_streams(course: Courses, tmp_path: Path) -> None:
    made = course(TOGETHER)
    folders = [make_backed_project(tmp_path / "projects" / name) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(made.prepare, folders))
    assert [notes(folder) for folder in folders] == [["warm /dev/null pipe pipe"]] * 2


KILL = """
def get_requires_for_build_wheel(config_settings=None):
    import os, signal, time
    def parent(pid):
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    print(runner(), file=open("notes", "a"))
    if runner() == "warm":
        print("half of it", flush=True)
        open(os.path.join(os.environ["TMPDIR"], "left"), "w").close()
        os.kill(PID, signal.SIGKILL)
        time.sleep(AFTERWARDS)
    print(os.listdir(os.environ["TMPDIR"]), file=open("notes", "a"))
    return []
"""


def test_a_hook_whose_keeper_is_killed_runs_once_more_in_a_python_of_its_own(course: Courses, tmp_path: Path) -> None:
    made = course(KILL.replace("PID", "os.getppid()").replace("AFTERWARDS", "60"))
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == ["warm", "plain", "[]"]


def test_a_hook_whose_runner_is_killed_goes_on_and_the_next_one_has_a_python_of_its_own(
    course: Courses, tmp_path: Path
) -> None:
    made = course(KILL.replace("PID", "parent(os.getppid())").replace("AFTERWARDS", "0.2"))
    folders = [make_backed_project(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        made.build(folder)
    assert [notes(folder) for folder in folders] == [["warm", "['left']"], ["plain", "[]"]]


def test_a_program_left_by_a_killed_keeper_is_gone_before_the_hook_runs_again(course: Courses, tmp_path: Path) -> None:
    writer = """
        if os.fork() == 0:
            os.setsid()
            while True:
                open("written", "a").write("x")
                time.sleep(0.002)
        while not os.path.exists("written"):
            time.sleep(0.002)
    """
    code = KILL.replace('        print("half of it", flush=True)\n', writer.lstrip("\n").rstrip(" "))
    code = code.replace(
        '    print(os.listdir(os.environ["TMPDIR"])',
        "    before = os.path.getsize('written')\n    time.sleep(0.1)\n    print(before == os.path.getsize('written')",
    )
    made = course(code.replace("PID", "os.getppid()").replace("AFTERWARDS", "60"))
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == ["warm", "plain", "True"]


DAEMON = """
def get_requires_for_build_wheel(config_settings=None):
    import subprocess
    daemon = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)
    print(daemon.pid, runner(), file=open("notes", "w"))
    return []
"""


def test_a_daemon_that_a_hook_leaves_behind_lives_on_without_a_lock(
    course: Courses, tmp_path: Path, store: Store
) -> None:
    folder = make_backed_project(tmp_path / "project")
    made = course(DAEMON)
    made.prepare(folder)
    ((pid, runner),) = [line.split() for line in notes(folder)]
    try:
        made.builder.__exit__(None, None, None)
        assert runner == "warm"
        assert is_running(int(pid))
        held = store.locks.try_acquire([LockKey.source_tree(folder)], step="next")
        assert held is not None
        held.release()
    finally:
        os.kill(int(pid), signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


WRITERS = """
def get_requires_for_build_wheel(config_settings=None):
    import os, signal, time
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
    with open(f"{os.getpid()}.part", "w") as file:
        file.write(runner())
    os.rename(f"{os.getpid()}.part", f"{os.getpid()}.pid")
    while True:
        time.sleep(0.002)
        with open("tree", "a") as file:
            file.write("x")
"""
"""A hook and a daemon of its own, in a session of its own, that write into the project for ever."""

HOLDER = """
import os
from pathlib import Path
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter
from tests.backend.test_warm_runner import Course
from tests.support.backends import FolderProvisioner
base = Path(sys.argv[1])
store = Store.open(base / "cache", reporter=Reporter(), runtime=base / "runtime")
jobs = JobRunner(locks=store.locks, reporter=Reporter(), limits={"build": 2}, lock_wait=None)
interpreters = Interpreters(runner=SubprocessRunner(), environ=os.environ, store=None, reporter=Reporter())
provisioner = FolderProvisioner(base / "backend-wheels", base / "backend-unpacked")
say("ready")
Course(store, jobs, interpreters.describe(Path(sys.executable)), provisioner).prepare(base / "project")
"""


def test_when_we_are_killed_the_lock_of_the_source_tree_outlives_every_writer(tmp_path: Path) -> None:
    make_installed_backend(tmp_path, WRITERS)
    folder = make_backed_project(tmp_path / "project")
    with OtherProcess(HOLDER, tmp_path) as process:
        process.expect("ready")
        written = until(lambda: found if len(found := sorted(folder.glob("*.pid"))) == 2 else None)
        assert {path.read_text() for path in written} <= {"warm", "plain"}
        assert "warm" in {path.read_text() for path in written}
        descendants = below(process.pid)
        locks = LockManager(tmp_path / "locks", runtime=tmp_path / "runtime", reporter=Reporter())
        key = LockKey.source_tree(folder)
        assert locks.try_acquire([key], step="next") is None
        os.kill(process.pid, signal.SIGKILL)
        with until(lambda: locks.try_acquire([key], step="next")):
            size = (folder / "tree").stat().st_size
            assert [path.stem for path in written if is_running(int(path.stem))] == []
            assert (folder / "tree").stat().st_size == size
        until(lambda: not any(map(is_running, descendants)))


def below(pid: int) -> set[int]:
    children = {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children |= {int(word) for word in (thread / "children").read_text().split()}
    return children.union(*map(below, children))


def test_an_interrupted_hook_has_ended_with_all_its_programs(course: Courses, tmp_path: Path) -> None:
    made = course(WRITERS)
    folder = make_backed_project(tmp_path / "project")
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(made.prepare, folder)
        written = until(lambda: found if len(found := sorted(folder.glob("*.pid"))) == 2 else None)
        made.runner.end_all()
        with pytest.raises((Interrupted, MiniuvError)):
            building.result(30)
    assert [path.stem for path in written if is_running(int(path.stem))] == []


def test_a_runner_that_hangs_in_an_import_ends_with_us(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'importing')!r}, 'w').write(str(__import__('os').getpid()))\nwhile True: pass\n"
    make_installed_backend(tmp_path, code)
    make_backed_project(tmp_path / "project")
    with OtherProcess(HOLDER, tmp_path) as process:
        process.expect("ready")
        text = until(lambda: (tmp_path / "importing").exists() and (tmp_path / "importing").read_text())
        process.kill()
        until(lambda: not is_running(int(str(text))))


def test_a_closed_builder_leaves_no_runner_behind(course: Courses, tmp_path: Path) -> None:
    made = course(NOTES)
    before = below(os.getpid())
    made.build(make_backed_project(tmp_path / "project"))
    (runner,) = below(os.getpid()) - before
    assert b"_warm_runner.py" in Path(f"/proc/{runner}/cmdline").read_bytes()
    made.builder.__exit__(None, None, None)
    assert not is_running(runner)


@pytest.mark.parametrize("executable", OTHER_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_every_supported_python_can_be_warm(course: Courses, executable: Path, tmp_path: Path) -> None:
    interpreters = Interpreters(runner=SubprocessRunner(), environ=os.environ, store=None, reporter=Reporter())
    made = course(NOTES, python=interpreters.describe(executable))
    made.build(make_backed_project(tmp_path / "project"))
    assert notes(tmp_path / "project") == WARM
