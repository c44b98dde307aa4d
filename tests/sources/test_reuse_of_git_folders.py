"""A folder whose backend asks git is built again when its repository tells something else, or cannot be seen whole."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from miniuv.backend.trace import TraceReport
from miniuv.process import Runner
from miniuv.sources import git_evidence, reuse
from miniuv.sources.evidence import Further
from miniuv.sources.git_evidence import holds_today, looked_at_by_git
from miniuv.stamps import holds
from tests.support.commands import World
from tests.support.mutations import git
from tests.support.projects import write_files
from tests.support.recipes import make_backend, write_recipe
from tests.support.reuse import FolderBuilds

DESCRIBE = """import subprocess
told = subprocess.run(["git", "describe", "--tags"], capture_output=True, text=True).stdout.strip()
VERSION = told.replace("-", "+", 1).replace("-", ".") or "0"
"""
DYNAMIC = '[project]\nname = "one"\ndynamic = ["version"]\n'


def asking(*words: str, where: str = "") -> str:
    return f"import subprocess\nsubprocess.run({['git', *words]!r}, capture_output=True{where})\n"


class Repository:
    """A project of one commit and one tag."""

    def __init__(self, builds: FolderBuilds, path: Path, recipe: str = DESCRIBE) -> None:
        self.path = write_recipe(path, recipe, tables=DYNAMIC)
        write_files(path, {"src/one.py": "x = 1\n", ".gitignore": "*.ignored\nignored/\n"})
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], ["tag", "1.2"]):
            git(path, *words)
        self.builds = builds

    def git(self, *words: str) -> None:
        git(self.path, *words)

    def write(self, name: str, text: str) -> None:
        write_files(self.path, {name: text})

    def reason(self, **variables: str) -> str | None:
        """Why the project was built again; ``None`` where it was not."""
        _, told = self.builds.build(self.path, variables=variables)
        return told[0].removeprefix("one: ") if told else None


@pytest.fixture
def one(builds: FolderBuilds, tmp_path: Path) -> Repository:
    return Repository(builds, tmp_path / "one")


def test_a_repository_that_tells_the_same_is_not_asked(one: Repository) -> None:
    assert one.reason() is None
    assert one.builds.find(one.path) is not None
    for path in one.path.glob("src/*"):
        os.utime(path)
    one.git("status")
    assert one.reason() is None


def test_the_fast_exit_has_the_same_proof(one: Repository) -> None:
    one.builds.build(one.path)
    lines = one.builds.evidence(one.path)
    assert lines is not None
    assert all(holds(line) for line in lines)
    one.git("tag", "1.3")
    assert not all(holds(line) for line in lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tag", "1.3"], "the repository's tags changed"),
        (["tag", "-d", "1.2"], "the repository's tags changed"),
        (["commit", "-q", "--allow-empty", "-m", "second"], "HEAD or a branch moved"),
        (["checkout", "-q", "--detach"], "HEAD or a branch moved"),
        (["config", "core.abbrev", "12"], "the repository's settings changed"),
        (["rm", "-q", "--cached", "src/one.py"], "what is staged changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_it_is_said_what_has_changed_in_the_repository(one: Repository, words: list[str], told: str) -> None:
    one.builds.build(one.path)
    one.git(*words)
    assert one.reason() == told


def test_only_tracked_files_count_where_git_was_asked_for_no_others(one: Repository) -> None:
    one.builds.build(one.path)
    one.write("src/new.py", "n = 1\n")
    assert one.reason() is None
    one.write("src/one.py", "x = 2\n")
    assert one.reason() == "src/one.py changed"


def test_all_files_but_ignored_ones_count_where_git_was_asked_for_them(builds: FolderBuilds, tmp_path: Path) -> None:
    one = Repository(builds, tmp_path / "one", asking("status", "--porcelain"))
    one.write("ignored/text", "a")
    one.write("environment/.gitignore", "*\n")
    one.builds.build(one.path)
    one.write("ignored/more", "a")
    one.write("environment/more", "a")
    assert one.reason() is None
    one.write("src/new.py", "n = 1\n")
    assert one.reason() == "src changed"


def test_ignored_files_count_where_git_was_asked_for_them(builds: FolderBuilds, tmp_path: Path) -> None:
    one = Repository(builds, tmp_path / "one", asking("ls-files", "-o", "-i", "--exclude-standard"))
    one.write("ignored/text", "a")
    one.builds.build(one.path)
    assert one.reason() is None
    one.write("ignored/more", "a")
    assert one.reason() == "ignored changed"


def test_a_file_with_other_times_counts_where_git_does_not_compare(builds: FolderBuilds, tmp_path: Path) -> None:
    one = Repository(builds, tmp_path / "one", asking("diff-index", "--quiet", "HEAD"))
    one.builds.build(one.path)
    assert one.reason() is None
    os.utime(one.path / "src" / "one.py")
    assert one.reason() == "src/one.py changed"


def test_a_file_that_is_too_large_to_be_read_counts_by_its_times(
    one: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_evidence, "_MOST_BYTES", 3)
    one.builds.build(one.path)
    assert one.reason() is None
    os.utime(one.path / "src" / "one.py")
    assert one.reason() == "src/one.py changed"


def test_settings_of_the_user_count_with_all_that_they_include(one: Repository) -> None:
    home = Path(one.builds.environ["HOME"])
    try:
        write_files(home, {".gitconfig": '[includeIf "onbranch:other"]\n\tpath = more\n'})
        one.builds.build(one.path)
        assert one.reason() is None
        write_files(home, {"more": "[core]\n\tabbrev = 12\n"})
        assert one.reason() == f"{home}/more changed"
        write_files(home, {".config/git/attributes": "*.py text\n"})
        assert one.reason() == f"{home}/.config/git/attributes changed"
    finally:
        shutil.rmtree(home)
        home.mkdir()


def test_a_working_tree_of_its_own_knows_its_repository(one: Repository, tmp_path: Path) -> None:
    one.git("worktree", "add", "-q", str(tmp_path / "other"))
    other = Repository.__new__(Repository)
    other.path, other.builds = tmp_path / "other", one.builds
    other.builds.build(other.path)
    assert other.reason() is None
    one.git("tag", "1.3")
    assert other.reason() == "the repository's tags changed"
    other.git("checkout", "-q", "--detach")
    assert other.reason() == "HEAD or a branch moved"


def test_a_project_that_is_a_submodule_knows_its_own_repository(one: Repository) -> None:
    _submodule(one)
    inner = Repository.__new__(Repository)
    inner.path, inner.builds = one.path / "sub", one.builds
    inner.builds.build(inner.path)
    assert inner.reason() is None
    inner.git("tag", "1.3")
    assert inner.reason() == "the repository's tags changed"
    one.write("src/one.py", "x = 2\n")
    assert inner.reason() is None


def test_another_working_tree_counts_too(builds: FolderBuilds, tmp_path: Path) -> None:
    one = Repository(builds, tmp_path / "one", asking("log", "--all"))
    one.git("commit", "-q", "--allow-empty", "-m", "second")
    one.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    one.builds.build(one.path)
    assert one.reason() is None
    git(tmp_path / "other", "checkout", "-q", "--detach", "HEAD~1")
    assert one.reason() == "HEAD or a branch moved"


def test_a_project_in_a_folder_of_its_repository(builds: FolderBuilds, tmp_path: Path) -> None:
    outer = Repository(builds, tmp_path / "outer")
    inner = Repository.__new__(Repository)
    inner.path, inner.builds = write_recipe(outer.path / "inner", DESCRIBE, tables=DYNAMIC), builds
    outer.git("add", ".")
    outer.git("commit", "-qm", "inner")
    builds.build(inner.path)
    assert inner.reason() is None
    outer.write("src/one.py", "x = 2\n")
    assert inner.reason() == f"{outer.path}/src/one.py changed"
    outer.git("commit", "-qam", "third")
    inner.reason()
    assert inner.reason() is None
    inner.git("init", "-q")
    assert inner.reason() == ".git changed"


def test_a_folder_in_no_repository_is_used_again_until_it_is_in_one(builds: FolderBuilds, tmp_path: Path) -> None:
    folder = write_recipe(tmp_path / "outer" / "one", DESCRIBE, tables=DYNAMIC)
    builds.build(folder)
    assert builds.build(folder)[1] == []
    git(folder.parent, "init", "-q")
    assert builds.build(folder)[1] == [f"one: {folder.parent}/.git changed"]


def test_setuptools_goes_through_folders_without_asking_for_their_times(builds: FolderBuilds, tmp_path: Path) -> None:
    recipe = """import os
exec(compile("def __call__(base): os.stat(base)", "/x/setuptools/_distutils/filelist.py", "exec"))
__call__("src")
"""
    one = Repository(builds, tmp_path / "one", recipe)
    one.builds.build(one.path)
    one.write("src/new.py", "")
    assert one.reason() is None
    (one.path / "src").rename(one.path / "other")
    (one.path / "src").symlink_to("other")
    assert one.reason() == "src changed"


def _submodule(one: Repository) -> None:
    other = Repository(one.builds, one.path.parent / "other")
    one.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "sub")
    one.git("commit", "-qm", "sub")


def _hook(one: Repository) -> None:
    one.write(".git/hooks/post-index-change", "#!/bin/sh\n")


def _borrow(one: Repository) -> None:
    one.path.rename(one.path.parent / "origin")
    git(one.path.parent, "clone", "-q", "--shared", "origin", "one")


def _filter(one: Repository) -> None:
    one.git("config", "filter.x.clean", "cat")
    one.write(".git/info/attributes", "*.txt filter=x\n")


def _no_commit(one: Repository) -> None:
    shutil.rmtree(one.path / ".git")
    one.git("init", "-q")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_submodule, "its repository has submodules"),
        (_hook, "its repository has a hook that git runs when it reads"),
        (_borrow, "its repository borrows from another one"),
        (_filter, "its repository has git run the program of `filter.x.clean`"),
        (_no_commit, "its repository has no commit yet"),
        (
            lambda one: one.write("src/one.py", "x = 2\n"),
            "it has changes that are not committed, so its version may hold the date",
        ),
        (lambda one: one.git("config", "core.fsmonitor", "true"), "its repository has the setting `core.fsmonitor`"),
        (lambda one: one.git("config", "log.date", "relative"), "its repository has the setting `log.date`"),
        (
            lambda one: one.git("config", "core.attributesFile", "%(prefix)/x"),
            "git's settings name the place `%(prefix)/x`",
        ),
        (lambda one: one.write(".git/HEAD", "nonsense\n"), "git does not read its repository"),
        (lambda one: one.write(".git/packed-refs.lock", ""), "git is at work in its repository"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_repository_that_reaches_further_is_asked_every_time(one: Repository, change, told: str) -> None:  # type: ignore[no-untyped-def]
    change(one)
    one.builds.build(one.path)
    assert one.reason() == told
    assert one.builds.find(one.path) is None


def test_a_repository_of_too_many_files_is_asked_every_time(one: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_evidence, "_MOST_FILES", 3)
    one.builds.build(one.path)
    assert one.reason() == "its repository has more than 3 files to look at"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (asking("fetch"), "it runs `git fetch`"),
        (asking("describe", where=", cwd='/'"), None),
        (asking("describe", where=", env={'PATH': '/usr/bin:/bin'}"), "it runs git without a HOME"),
        (asking("describe", where=", env={'GIT_DIR': '.git', 'PATH': '/usr/bin:/bin'}"), "variable GIT_DIR"),
        (asking("--git-dir", "../other/.git", "describe"), "it runs git in another folder than its repository's"),
        (asking("--git-dir", "../.git", "describe", where=", cwd='src'"), "another folder than its repository's"),
        (asking("--work-tree", "../other", "status"), "it runs git in another folder than its repository's"),
        (asking("describe", where=", preexec_fn=int"), "it runs other programs (git)"),
        ("import subprocess\nsubprocess.run('git describe', shell=True)", "it runs other programs (sh)"),
        ("import os\nos.system('git describe')", "it runs other programs (git)"),
        ("import os\nos.spawnvp(os.P_WAIT, 'git', ['git', 'describe'])", "it runs other programs"),
        ("import os\nos.waitpid(os.posix_spawn('/usr/bin/git', ['git', 'describe'], os.environ), 0)", None),
        (asking("describe") + "subprocess.run(['true'])", "it runs other programs (true)"),
    ],
)
def test_only_gits_that_read_the_projects_repository_are_believed(
    builds: FolderBuilds, tmp_path: Path, recipe: str, told: str | None
) -> None:
    Repository(builds, tmp_path / "other")
    one = Repository(builds, tmp_path / "one", recipe)
    one.builds.build(one.path)
    reason = one.reason()
    assert reason is None if told is None else reason is not None and told in reason


def test_a_script_that_is_called_git_is_run_every_time(one: Repository, tmp_path: Path) -> None:
    script = write_files(tmp_path / "bin", {"git": '#!/bin/sh\nexec /usr/bin/git "$@"\n'}) / "git"
    script.chmod(0o755)
    path = f"{script.parent}:{os.environ['PATH']}"
    one.reason(PATH=path)
    assert one.reason(PATH=path) == "it runs a git that is a script"


def test_another_git_on_the_way_counts(one: Repository, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    one.reason(PATH=path)
    assert one.reason(PATH=path) is None
    shutil.copy(sys.executable, tmp_path / "bin" / "git")
    assert one.reason(PATH=path) == f"{tmp_path}/bin/git changed"


@pytest.mark.parametrize(
    "words",
    [
        ["rm", "-q", "--cached", "src/one.py"],
        ["tag", "1.4"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["config", "core.abbrev", "12"],
    ],
    ids=lambda words: words[0],
)
def test_what_somebody_does_to_the_repository_meanwhile_is_no_proof(
    one: Repository, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def looked_at(reports: Sequence[TraceReport], runner: Runner) -> Further:
        one.git(*words)
        return looked_at_by_git(reports, runner)

    with monkeypatch.context() as patched:
        patched.setattr(reuse, "looked_at_by_git", looked_at)
        one.builds.build(one.path)
    told = one.reason()
    assert told is not None
    assert told.endswith("changed while it was built")


def test_a_file_that_somebody_edits_meanwhile_is_no_proof(one: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at(reports: Sequence[TraceReport], runner: Runner) -> Further:
        one.write("src/one.py", "x = 1\n")  # the same, so that the repository is clean; it was another one before
        return looked_at_by_git(reports, runner)

    with monkeypatch.context() as patched:
        patched.setattr(reuse, "looked_at_by_git", looked_at)
        one.builds.build(one.path)
    assert one.reason() == "src/one.py changed while it was built"


def test_the_command_has_nothing_to_do_until_a_tag_is_made(builds: FolderBuilds, tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.environ["MINIUV_FIND_LINKS"] = str(make_backend(tmp_path / "links").parent)
    one = Repository(builds, world.folder / "one")
    assert "Built" in world.install("-v", "-e", "one").err
    assert "Built" not in world.install("-v", "-e", "one").err
    one.git("status")
    assert "Built" not in world.install("-v", "-e", "one").err
    one.git("tag", "-d", "1.2")
    one.git("tag", "1.3")
    assert "rebuilt one: the repository's tags changed" in world.install("-v", "-e", "one").err


def test_a_version_of_today_is_told_from_others() -> None:
    today = time.strftime("%Y%m%d", time.gmtime())
    assert holds_today(f"one-1.2.dev0+d{today}-py3-none-any.whl")
    assert holds_today(f"one-{time.strftime('%Y.%m.%d', time.gmtime())}-py3-none-any.whl")
    assert not holds_today("one-1.2.0-py3-none-any.whl")
