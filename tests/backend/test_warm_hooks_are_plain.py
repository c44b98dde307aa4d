"""What a hook sees, prints and leaves behind in a warm runner is what it would in a Python of its own."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.backend.builder import ReadyBuild
from miniuv.backend.warm import WarmRunners
from miniuv.errors import BuildError
from tests.support.backends import FolderProvisioner, make_backed_project, make_installed_backend

Prepare = Callable[..., ReadyBuild]


@pytest.fixture
def both(prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Path, Path]]:
    """Build a project twice, warm and plain: in two folders, each with what its hooks have left there."""

    def build(code: str) -> tuple[Path, Path]:
        provisioner = make_installed_backend(tmp_path, code)
        folders = []
        for name in ("warm", "plain"):
            folder = make_backed_project(tmp_path / name / "project")
            if name == "plain":
                monkeypatch.setattr(WarmRunners, "run", lambda *_: None)
            prepare(folder, provisioner=provisioner).build(tmp_path / name)
            folders.append(folder)
        return folders[0], folders[1]

    return build


SURROUNDINGS = """
def surroundings():
    import gc, locale, os, resource, signal, subprocess, sys, threading
    umask = os.umask(0)
    os.umask(umask)
    main = sys.modules["__main__"]
    names = [name for name in os.listdir("/proc/self/fd")]
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    with open("/proc/self/status") as file:
        status = dict(line.rstrip().split(":", 1) for line in file)
    return {
        "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", sys.argv), "path": sys.path,
        "executable": sys.executable, "prefix": sys.prefix, "flags": str(sys.flags), "warnoptions": sys.warnoptions,
        "environ": dict(os.environ), "cwd": os.getcwd(), "umask": umask,
        "c environ": sorted(os.fsdecode(subprocess.check_output("env")).splitlines()),
        "stdin": [sys.stdin.read(), sys.stdin.encoding, sys.stdin.errors, sys.stdin.isatty(), os.read(0, 1).decode()],
        "streams": [
            [each.encoding, each.errors, each.isatty(), each.line_buffering, each.write_through, each.seekable(),
             each.fileno(), each.closed]
            for each in (sys.stdout, sys.stderr)
        ],
        "descriptors": sorted(map(int, names)),
        "handlers": [str(signal.getsignal(number)) for number in range(1, 65)],
        "blocked": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
        "main": {name: str(value) for name, value in vars(main).items() if name.startswith("__") and name not in
                 ("__builtins__", "__loader__", "__warningregistry__", "__annotations__")},
        "main loader": [type(main.__loader__).__name__, main.__loader__.name, main.__loader__.path],
        "main names": sorted(name for name in vars(main)),
        "threads": threading.active_count(), "main thread": threading.current_thread() is threading.main_thread(),
        "leads its group": os.getpgrp() == os.getpid(), "session of its parent": os.getsid(0) == os.getppid(),
        "limits": limits, "niceness": os.nice(0), "gc": [gc.isenabled(), gc.get_threshold()],
        "locale": locale.setlocale(locale.LC_ALL), "recursion": sys.getrecursionlimit(),
        "excepthook": sys.excepthook is sys.__excepthook__, "finalizing": sys.is_finalizing(),
        "thread name": threading.current_thread().name, "death signal": status.get("Seccomp"),
    }

def get_requires_for_build_wheel(config_settings=None):
    import json
    found = surroundings()
    found["runner"] = runner()
    with open("seen", "w") as file:
        json.dump(found, file)
    return []
"""


def _comparable(folder: Path) -> dict[str, object]:
    """What was seen in ``folder``, without the names that are made anew for every hook."""
    text = (folder / "seen").read_text().replace(str(folder), "/project")
    return dict(json.loads(re.sub(r"/[\w/.-]*/(tmp|miniuv-)\w{8}\b", r"/\1", text)))


def test_a_hook_finds_what_it_would_find_in_a_python_of_its_own(both: Callable[[str], tuple[Path, Path]]) -> None:
    warm, plain = map(_comparable, both(SURROUNDINGS))
    assert (warm.pop("runner"), plain.pop("runner")) == ("warm", "plain")
    assert warm == plain


LEFT_BEHIND = """
import atexit, tempfile

def get_requires_for_build_wheel(config_settings=None):
    import concurrent.futures, os, threading, time, weakref, sys

    def note(text):
        with open("notes", "a") as file:
            file.write(text + "\\n")

    class Thing:
        pass

    def late():
        threading.main_thread().join(0.2)
        note("a thread was waited for")

    sys.open_file = open("unflushed", "w")
    sys.open_file.write("everything")
    sys.thing = Thing()
    sys.temporary = tempfile.NamedTemporaryFile(dir=".")
    sys.folder = tempfile.TemporaryDirectory(dir=".")
    weakref.finalize(sys.thing, note, "a finalizer")
    atexit.register(note, "first registered")
    atexit.register(note, "last registered")
    threading.Thread(target=late).start()
    sys.pool = concurrent.futures.ThreadPoolExecutor(1)
    sys.pool.submit(note, "a pool was waited for").result()
    note(runner())
    return []
"""


def test_threads_exit_handlers_and_open_files_come_to_their_end(both: Callable[[str], tuple[Path, Path]]) -> None:
    warm, plain = both(LEFT_BEHIND)
    notes = (warm / "notes").read_text().splitlines()
    expected = (plain / "notes").read_text().splitlines()
    assert (notes.pop(1), expected.pop(1)) == ("warm", "plain")
    assert notes == expected
    assert len(notes) == 5
    assert (warm / "unflushed").read_text() == (plain / "unflushed").read_text() == "everything"
    assert sorted(path.name for path in warm.iterdir()) == sorted(path.name for path in plain.iterdir())


def failure(prepare: Prepare, folder: Path, provisioner: FolderProvisioner) -> str:
    with pytest.raises(BuildError) as caught:
        prepare(folder, provisioner=provisioner)
    log = Path(re.findall(r"`([^`]*\.log)`", caught.value.hint or "")[0]).read_text()
    text = f"{caught.value}\n{log}".replace(str(folder), "/project")
    return re.sub(r"/[\w/.-]*/(tmp|miniuv-)\w{8}\b", r"/\1", text)


FAILURES = {
    "an exception": "raise ValueError('no') from OSError('because')",
    "an exception in a module that is only imported now": "import tests_broken",
    "an exit status": "raise SystemExit(3)",
    "an exit with words": "raise SystemExit('it is no good')",
    "an exit without a failure": "raise SystemExit",
    "a signal": "import os; os.kill(os.getpid(), 9)",
    "a signal that dumps": "import ctypes; ctypes.string_at(0)",
    "an interrupt": "raise KeyboardInterrupt",
    "a thread that fails": "import threading; threading.Thread(target=lambda: 1 / 0).start(); raise SystemExit(4)",
    "what others print": (
        "import os, subprocess, sys; print('one'); os.write(1, b'two\\n'); os.system('echo three')\n"
        "    print('four', file=sys.stderr); subprocess.run([sys.executable, '-c', 'print(5)']); raise SystemExit(6)"
    ),
    "standard streams that are closed": "import sys; sys.stdout.close(); raise SystemExit(7)",
    "a hook for exceptions": "import sys; sys.excepthook = lambda *_: print('hooked'); raise ValueError",
    "exit at once": "import os; os._exit(8)",
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failing_hook_is_told_in_the_same_words(
    prepare: Prepare, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"def get_requires_for_build_wheel(config_settings=None):\n    {FAILURES[kind]}\n"
    note = "def get_requires_for_build_wheel(config_settings=None):\n    open('ran', 'w').write(runner())\n"
    provisioner = make_installed_backend(tmp_path, code.replace(note.splitlines()[0], note), tests_broken="1 / 0")
    folder = make_backed_project(tmp_path / "project")
    warm = failure(prepare, folder, provisioner)
    assert (folder / "ran").read_text() == "warm"
    monkeypatch.setattr(WarmRunners, "run", lambda *_: None)
    plain = failure(prepare, folder, provisioner)
    assert (folder / "ran").read_text() == "plain"
    assert warm == plain
    assert "_warm" not in warm


RANDOM = """
import random, tempfile, uuid

def get_requires_for_build_wheel(config_settings=None):
    name = tempfile.mkdtemp(dir="..")
    print(random.random(), uuid.uuid4(), name.rpartition("/")[2], file=open("drawn", "w"))
    return []
"""


def test_chance_is_another_in_every_hook(prepare: Prepare, tmp_path: Path) -> None:
    provisioner = make_installed_backend(tmp_path, RANDOM)
    drawn = []
    for name in ("one", "two"):
        folder = make_backed_project(tmp_path / name)
        prepare(folder, provisioner=provisioner)
        drawn.append((folder / "drawn").read_text().split())
    assert not set(drawn[0]) & set(drawn[1])


POOL = """
def work(number):
    return number * 2

def get_requires_for_build_wheel(config_settings=None):
    import multiprocessing
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(runner(), method, pool.map(work, range(3)), file=open("pool", "a"))
    return []
"""


def test_a_hook_may_have_processes_of_its_own(both: Callable[[str], tuple[Path, Path]]) -> None:
    warm, plain = both(POOL)
    assert (warm / "pool").read_text() == "warm fork [0, 2, 4]\nwarm spawn [0, 2, 4]\n"
    assert (plain / "pool").read_text() == "plain fork [0, 2, 4]\nplain spawn [0, 2, 4]\n"


def test_variables_of_the_user_reach_the_hook(prepare: Prepare, tmp_path: Path) -> None:
    provisioner = make_installed_backend(tmp_path, SURROUNDINGS)
    folder = make_backed_project(tmp_path / "project")
    prepare(folder, provisioner=provisioner, environ={"TOLD": "a \udcff b", "EMPTY": "", "PYTHONPATH": "/nowhere"})
    seen = json.loads((folder / "seen").read_text())
    assert (seen["runner"], seen["environ"]["TOLD"], seen["environ"]["EMPTY"]) == ("warm", "a \udcff b", "")
    assert "PYTHONPATH" not in seen["environ"]


ENTRY_POINTS = """
import importlib.metadata as metadata

def get_requires_for_build_wheel(config_settings=None):
    import os, sys
    for step in ("before", "after"):
        found = metadata.entry_points()
        groups = found if isinstance(found, dict) else {group: found.select(group=group) for group in found.groups}
        with open("entries", "a") as file:
            for group in sorted(groups):
                for each in groups[group]:
                    dist = getattr(each, "dist", None)
                    print(step, group, each.name, each.value, dist and dist.metadata["Name"], file=file)
            if sys.version_info >= (3, 10):
                for wanted in ({"group": "tiny.group"}, {"group": "tiny.group", "name": "own"}, {"name": "tiny"}):
                    some = metadata.entry_points(**wanted)
                    print(step, wanted, type(some).__name__, list(some), file=file)
            for each in sorted(metadata.distributions(), key=lambda each: each.metadata["Name"]):
                print(step, type(each.entry_points).__name__, list(each.entry_points), file=file)
            print(each.entry_points is each.entry_points, file=file)
        os.mkdir("own-1.0.dist-info")  if step == "before" else None
        open("own-1.0.dist-info/METADATA", "w").write("Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n")
        open("own-1.0.dist-info/entry_points.txt", "w").write("[tiny.group]\\nown = os:getcwd\\n")
        sys.path.insert(0, os.getcwd())
    print(runner(), file=open("ran", "w"))
    return []
"""


def test_entry_points_are_those_of_the_environment_and_of_the_project_as_it_is_now(
    both: Callable[[str], tuple[Path, Path]],
) -> None:
    warm, plain = both(ENTRY_POINTS)
    assert (warm / "ran").read_text() == "warm\n"
    entries = (warm / "entries").read_text()
    assert entries == (plain / "entries").read_text()
    assert "before tiny.group tiny tiny_backend:build_wheel tiny-backend" in entries
    assert "before tiny.group own" not in entries
    assert "after tiny.group own os:getcwd own" in entries


CHAINS = """
def get_requires_for_build_wheel(config_settings=None):
    from collections import ChainMap, UserDict
    from collections.abc import ItemsView

    class Upper(ChainMap):
        def __getitem__(self, key):
            return super().__getitem__(key).upper()

    inner = {"b": "2", "c": "3"}
    chain = ChainMap({"c": "first", "a": "1"}, inner, {"c": "last", "d": "4"})
    others = [Upper({"a": "x"}, {"b": "y"}), ChainMap(UserDict(a="1"), {"a": "2", "b": "3"}), ChainMap()]
    view = chain.items()
    with open("chains", "w") as file:
        for each in (chain, *others, chain.new_child({"a": "0"})):
            print(list(each.items()), dict(each.items()), len(each.items()), ("a", "1") in each.items(), file=file)
        inner["e"] = "5"
        print(list(view), view, isinstance(view, ItemsView), view & {("e", "5")}, file=file)
    print("items" in vars(ChainMap), runner(), file=open("ran", "w"))
    return []
"""


def test_chains_of_dicts_have_the_items_that_they_have_elsewhere(both: Callable[[str], tuple[Path, Path]]) -> None:
    warm, plain = both(CHAINS)
    assert [(folder / "ran").read_text() for folder in (warm, plain)] == ["True warm\n", "False plain\n"]
    chains = (warm / "chains").read_text()
    assert chains == (plain / "chains").read_text()
    assert chains.startswith("[('c', 'first'), ('d', '4'), ('b', '2'), ('a', '1')]")
