"""What one wheel leaves in an environment."""

import json
import stat
from pathlib import Path

import pytest
from packaging.direct_url import DirectUrl, VcsInfo

from miniuv.errors import InstallError, MiniuvError
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path)


def test_every_part_goes_to_its_scheme_and_the_program_runs(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "Foo-Bar",
        "1.0",
        {
            "foo/__init__.py": "def main(): print('main')\n",
            "foo/deep/er/data.txt": "text",
            "Foo_Bar-1.0.data/purelib/pure.py": "",
            "Foo_Bar-1.0.data/platlib/plat.py": "",
            "Foo_Bar-1.0.data/scripts/hello": "#!python\nimport foo\nfoo.main()\n",
            "Foo_Bar-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
            "Foo_Bar-1.0.data/data/share/doc/foo.txt": "doc",
            "Foo_Bar-1.0.data/headers/foo.h": "header",
        },
        entry_points={"console_scripts": {"foo": "foo:main"}},
    )

    env.install(wheel)

    for path in ("foo/deep/er/data.txt", "pure.py", "plat.py"):
        assert (env.site / path).is_file()
    assert (env.prefix / "share/doc/foo.txt").read_text() == "doc"
    assert (env.interpreter.scheme.headers / "Foo_Bar/foo.h").read_text() == "header"
    assert env.run(env.bin / "foo") == "main"
    assert env.run(env.bin / "hello") == "main"
    assert env.run(env.bin / "shell") == "shell"
    assert not (env.prefix / ".miniuv").exists()


def test_record_lists_every_file_with_its_hash(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "foo", "1.0", {"foo.py": "", 'odd,"name.txt': "x"}, entry_points={"console_scripts": {"foo": "foo:x"}}
    )
    before = set(env.tree())

    env.install(wheel)

    from importlib.metadata import PathDistribution

    info = env.site / "foo-1.0.dist-info"
    files = {file: Path(str(file.locate())).resolve() for file in PathDistribution(info).files or []}
    new = {path for path in set(env.tree()) - before if (env.prefix / path).is_file()}
    assert {str(path.relative_to(env.prefix.resolve())) for path in files.values()} == new
    assert [str(file) for file in files] == sorted(str(file) for file in files)
    for file, path in files.items():
        if file.name != "RECORD":
            assert file.size == path.stat().st_size
            assert file.hash is not None


def test_the_installer_and_the_request_are_noted(env: Environment, tmp_path: Path) -> None:
    asked = make_wheel(tmp_path, "asked", "1.0")
    needed = make_wheel(tmp_path, "needed", "1.0")

    env.apply([env.prepare(asked), env.prepare(needed, requested=False)])

    installed = env.installed()
    assert {name: one.requested for name, one in installed.items()} == {"asked": True, "needed": False}
    assert {one.installer for one in installed.values()} == {"miniuv"}


def test_the_direct_url_is_written_without_credentials(env: Environment, tmp_path: Path) -> None:
    url = DirectUrl(
        url="https://me:secret@host/x.git", vcs_info=VcsInfo(vcs="git", commit_id="c" * 40, requested_revision="main")
    )

    env.apply([env.prepare(make_wheel(tmp_path, "foo", "1.0"), direct_url=url)])

    assert json.loads((env.site / "foo-1.0.dist-info/direct_url.json").read_text()) == {
        "url": "https://host/x.git",
        "vcs_info": {"vcs": "git", "commit_id": "c" * 40, "requested_revision": "main"},
    }


def test_what_only_an_installer_writes_is_not_taken_from_the_wheel(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        info_files={"INSTALLER": "evil", "REQUESTED": "", "direct_url.json": '{"url": "https://evil"}'},
    )

    env.apply([env.prepare(wheel, requested=False)])

    installed = env.installed()["foo"]
    assert (installed.installer, installed.requested, installed.direct_url) == ("miniuv", False, None)


def test_modes_are_those_of_the_wheel_and_programs_can_run(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        {"foo/tool": "#!/bin/sh\n", "foo/text": "", "foo-1.0.data/scripts/plain": "#!/bin/sh\n"},
        executable=["foo/tool"],
    )

    env.install(wheel)

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (env.site / "foo/tool", env.site / "foo/text", env.bin / "plain")
    }
    assert modes == {"tool": 0o755, "text": 0o644, "plain": 0o755}


def test_an_entry_point_is_preferred_to_a_script_of_its_name(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        {"foo.py": "def f(): print('entry point')\n", "foo-1.0.data/scripts/foo": "#!python\nprint('script')\n"},
        entry_points={"console_scripts": {"foo": "foo:f"}},
    )

    env.install(wheel)

    assert env.run(env.bin / "foo") == "entry point"


@pytest.mark.parametrize(
    "path",
    [
        "foo-1.0.data/data/bin/python",
        "foo-1.0.data/data/bin/python3",
        "foo-1.0.data/data/pyvenv.cfg",
        "foo-1.0.data/data/.lock",
        "foo-1.0.data/data/.miniuv/journal",
        "foo-1.0.data/data/.miniuv-state/key",
    ],
)
def test_a_wheel_cannot_bring_parts_of_the_environment_itself(env: Environment, tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "", path: "#!python\n"})
    before = env.tree()

    with pytest.raises(MiniuvError, match="belongs to the environment"):
        env.install(wheel)

    assert env.tree() == before


def test_a_data_folder_cannot_bring_another_distribution(env: Environment, tmp_path: Path) -> None:
    library = env.site.relative_to(env.prefix)
    wheel = make_wheel(
        tmp_path, "foo", "1.0", {f"foo-1.0.data/data/{library}/bar-1.0.dist-info/METADATA": "Name: bar\n"}
    )
    before = env.tree()

    with pytest.raises(InstallError, match="of another distribution"):
        env.install(wheel)

    assert env.tree() == before


def test_a_data_folder_cannot_bring_another_content_for_a_module(env: Environment, tmp_path: Path) -> None:
    library = env.site.relative_to(env.prefix)
    path = f"foo-1.0.data/data/{library}/foo.py"
    env.install(make_wheel(tmp_path / "same", "foo", "1.0", {"foo.py": "x = 1\n", path: "x = 1\n"}))

    with pytest.raises(InstallError, match="twice, with different content"):
        env.install(make_wheel(tmp_path / "other", "foo", "1.0", {"foo.py": "x = 1\n", path: "x = 2\n"}))

    assert (env.site / "foo.py").read_text() == "x = 1\n"


def test_a_wheel_cannot_write_through_a_link_out_of_the_environment(env: Environment, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (env.prefix / "share").symlink_to(outside)
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo-1.0.data/data/share/x": ""})

    with pytest.raises(InstallError, match="outside of the environment"):
        env.install(wheel)

    assert not list(outside.iterdir())


def test_data_goes_through_a_link_inside_the_environment(env: Environment, tmp_path: Path) -> None:
    (env.prefix / "share/man").mkdir(parents=True)
    (env.prefix / "man").symlink_to("share/man")
    before = env.tree()

    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo-1.0.data/data/man/man1/foo.1": "page"}))

    assert (env.prefix / "share/man/man1/foo.1").read_text() == "page"
    env.apply(remove=["foo"])
    assert env.tree().keys() >= before.keys() - {"share/man", "share"}


def test_an_environment_in_a_folder_with_a_blank_has_working_programs(tmp_path: Path) -> None:
    env = Environment.make(tmp_path / "my projects")
    wheel = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        {"foo.py": "def f(): print('ran')\n"},
        entry_points={"console_scripts": {"foo": "foo:f"}},
    )

    env.install(wheel)

    assert env.run(env.bin / "foo") == "ran"


def test_an_environment_that_cannot_be_written_is_told_and_left(env: Environment, tmp_path: Path) -> None:
    (env.prefix / ".miniuv").write_text("in the way")
    before = env.tree()

    with pytest.raises(InstallError, match="the environment is unchanged") as caught:
        env.install(make_wheel(tmp_path, "foo", "1.0"))

    assert caught.value.where is not None
    assert env.tree() == before
