"""The real pip looks at what was installed, and has nothing to complain about."""

import json
import subprocess
import sys
from pathlib import Path

from packaging.direct_url import DirectUrl, DirInfo, VcsInfo

from miniuv.models.request import InstallOptions
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


def pip(env: Environment, *arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--python", str(env.interpreter.executable), *arguments]
    return subprocess.run(
        [*command, "--disable-pip-version-check"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_pip_lists_checks_shows_freezes_and_uninstalls_it(tmp_path: Path) -> None:
    env = Environment.make(tmp_path)
    before = env.tree()
    project = tmp_path / "project"
    project.mkdir()
    wheels = [
        make_wheel(
            tmp_path,
            "foo",
            "1.0",
            {"foo/__init__.py": "def f(): pass\n", "foo-1.0.data/data/share/foo.txt": ""},
            requires=["bar>=2", "proj"],
            entry_points={"console_scripts": {"foo": "foo:f"}},
        ),
        make_wheel(tmp_path, "bar", "2.0"),
        make_wheel(tmp_path, "proj", "3.0", {"proj.pth": f"{project}\n"}),
    ]
    git = DirectUrl(url="https://host/bar.git", vcs_info=VcsInfo(vcs="git", commit_id="a" * 40))
    editable = DirectUrl(url=project.as_uri(), dir_info=DirInfo(editable=True))
    urls = [None, git, editable]

    env.apply(
        [env.prepare(wheel, direct_url=url) for wheel, url in zip(wheels, urls, strict=True)],
        options=InstallOptions(compile_bytecode=True),
    )

    listed = {one["name"]: one for one in json.loads(pip(env, "list", "--format", "json"))}
    assert {name: one["version"] for name, one in listed.items()} == {"foo": "1.0", "bar": "2.0", "proj": "3.0"}
    assert listed["proj"]["editable_project_location"] == str(project)
    assert pip(env, "check") == "No broken requirements found."
    assert f"bar @ git+https://host/bar.git@{'a' * 40}" in pip(env, "freeze")
    shown = pip(env, "show", "-v", "-f", "foo")
    assert "Installer: miniuv" in shown
    assert "../../../bin/foo" in shown
    assert f"foo/__pycache__/__init__.{env.interpreter.cache_tag}.pyc" in shown
    pip(env, "uninstall", "-y", "foo", "bar", "proj")
    left = env.tree()
    assert left.keys() - before.keys() <= {"share"}
    assert not env.site.exists()  # pip removes a site-packages that it emptied

    env.install(wheels[1])
    assert pip(env, "list", "--format", "freeze") == "bar==2.0"


def test_what_pip_installed_is_upgraded_and_removed(tmp_path: Path) -> None:
    env = Environment.make(tmp_path)
    before = env.tree()
    old = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        {"foo/__init__.py": "", "foo/old.py": ""},
        entry_points={"console_scripts": {"foo": "foo:f"}},
    )
    pip(env, "install", "--no-index", str(old))

    env.install(make_wheel(tmp_path, "foo", "2.0", {"foo/__init__.py": "x = 2\n"}))
    assert env.run("-c", "import foo; print(foo.x)") == "2"
    assert not (env.bin / "foo").exists()
    assert pip(env, "list", "--format", "freeze") == "foo==2.0"

    env.apply(remove=["foo"])
    assert env.tree() == before
