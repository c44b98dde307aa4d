"""Old versions, removed distributions, and what must stay."""

import shutil
from pathlib import Path

import pytest

from miniuv.errors import InstallError
from miniuv.models.request import InstallOptions
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path)


def test_removal_leaves_the_environment_as_it_was_before_the_installation(env: Environment, tmp_path: Path) -> None:
    before = env.tree()
    wheel = make_wheel(
        tmp_path,
        "foo",
        "1.0",
        {"foo/__init__.py": "", "foo/sub/x.py": "", "single.py": "", "foo-1.0.data/data/etc/foo/foo.conf": ""},
        entry_points={"console_scripts": {"foo": "foo:f"}},
    )
    env.install(wheel)
    env.run("-c", "import foo.sub.x, single")  # leaves compiled files that RECORD does not list

    env.apply(remove=["foo"])

    assert env.tree() == before


def test_an_upgrade_leaves_nothing_of_the_old_version(env: Environment, tmp_path: Path) -> None:
    old = {"foo/__init__.py": "", "foo/gone.py": "", "gone/x.py": "", "foo-1.0.data/scripts/old": "#!python\n"}
    env.install(make_wheel(tmp_path, "foo", "1.0", old))
    env.run("-c", "import foo.gone, gone.x")

    env.install(make_wheel(tmp_path, "foo", "2.0", {"foo/__init__.py": "", "foo/new.py": ""}))

    assert not (env.site / "gone").exists()
    assert not (env.bin / "old").exists()
    assert sorted(path.name for path in (env.site / "foo").iterdir()) == ["__init__.py", "new.py"]
    assert {name: str(one.metadata.version) for name, one in env.installed().items()} == {"foo": "2.0"}


def test_files_of_the_user_in_a_package_stay(env: Environment, tmp_path: Path) -> None:
    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo/__init__.py": "", "foo/sub/a.py": ""}))
    (env.site / "foo/sub/settings.ini").write_text("mine")

    env.install(make_wheel(tmp_path, "foo", "2.0", {"foo/__init__.py": "", "foo/sub/b.py": ""}))
    assert (env.site / "foo/sub/settings.ini").read_text() == "mine"
    assert not (env.site / "foo/sub/a.py").exists()

    env.apply(remove=["foo"])
    assert [path.name for path in (env.site / "foo").rglob("*")] == ["sub", "settings.ini"]


def test_the_compiled_form_of_a_replaced_module_goes_also_where_its_folder_is_shared(
    env: Environment, tmp_path: Path
) -> None:
    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n"}), make_wheel(tmp_path, "other", "1.0"))
    env.run("-c", "import foo, other")

    env.install(make_wheel(tmp_path, "foo", "2.0", {"foo.py": "x = 2\n"}))

    assert [path.name.partition(".")[0] for path in (env.site / "__pycache__").iterdir()] == ["other"]
    assert env.run("-c", "import foo; print(foo.x)") == "2"


def test_the_same_wheel_can_be_installed_again_over_its_own_hard_links(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n", "pkg/a.py": "", "pkg/b.py": ""})
    env.apply([env.prepare(wheel)], link_mode="hardlink")
    (env.site / "pkg/mine").write_text("")  # so that single files are moved, not the folder
    first = env.tree()

    env.apply([env.prepare(wheel)], link_mode="hardlink")

    assert env.tree() == first


def test_a_module_becomes_a_package_and_back(env: Environment, tmp_path: Path) -> None:
    module = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n", "share": "file"})
    package = make_wheel(tmp_path, "foo", "2.0", {"foo/__init__.py": "x = 2\n", "share/inner": "file"})

    for wheel, x in ((module, "1"), (package, "2"), (module, "1")):
        env.install(wheel)
        assert env.run("-c", "import foo; print(foo.x)") == x


def test_a_namespace_is_shared_and_goes_with_its_last_user(env: Environment, tmp_path: Path) -> None:
    before = env.tree()
    env.install(
        make_wheel(tmp_path, "ns-a", "1.0", {"ns/a/__init__.py": ""}),
        make_wheel(tmp_path, "ns-b", "1.0", {"ns/b.py": ""}),
    )
    env.install(make_wheel(tmp_path, "ns-c", "1.0", {"ns/c/__init__.py": ""}))
    env.run("-c", "import ns.a, ns.b, ns.c")

    env.apply(remove=["ns-a"])
    env.run("-c", "import ns.b, ns.c")
    env.apply(remove=["ns-b", "ns-c"])

    assert env.tree() == before


def test_a_file_that_another_distribution_owns_too_stays(env: Environment, tmp_path: Path) -> None:
    for name in ("one", "two"):
        env.install(make_wheel(tmp_path, name, "1.0", {"shared/__init__.py": "same\n", f"shared/{name}.txt": ""}))

    env.apply(remove=["one"])

    assert sorted(path.name for path in (env.site / "shared").iterdir()) == ["__init__.py", "two.txt"]
    assert not env.reporter.warnings


def test_a_package_can_move_from_one_distribution_to_another_in_one_change(env: Environment, tmp_path: Path) -> None:
    env.install(make_wheel(tmp_path, "b-old", "1.0", {"pkg/__init__.py": "x = 1\n", "pkg/old.py": ""}))

    env.apply([env.prepare(make_wheel(tmp_path, "a-new", "1.0", {"pkg/__init__.py": "x = 2\n"}))], remove=["b-old"])

    assert env.run("-c", "import pkg; print(pkg.x)") == "2"
    assert list(env.installed()) == ["a-new"]
    assert not (env.site / "pkg/old.py").exists()
    assert not env.reporter.warnings


def test_recorded_paths_outside_of_the_environment_are_left_alone(env: Environment, tmp_path: Path) -> None:
    env.install(make_wheel(tmp_path, "foo", "1.0"))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "victim").write_text("precious")
    (env.site / "through").symlink_to(linked)
    with (env.site / "foo-1.0.dist-info/RECORD").open("a") as record:
        record.write(
            f"../../../../victim,,\n{victim},,\nthrough/victim,,\n../../../bin/python,,\n../../../pyvenv.cfg,,\n"
        )

    env.apply(remove=["foo"])

    assert victim.read_text() == (linked / "victim").read_text() == "precious"
    assert env.run("-c", "print('runs')") == "runs"
    assert not env.installed()
    assert "4 more" in env.reporter.warnings[0]


def test_without_record_it_can_be_replaced_but_not_removed(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n"})
    env.install(wheel)
    (env.site / "foo-1.0.dist-info/RECORD").unlink()

    with pytest.raises(InstallError, match="no RECORD") as caught:
        env.apply(remove=["foo"])
    assert "--reinstall foo" in (caught.value.hint or "")

    env.install(make_wheel(tmp_path, "foo", "2.0", {"foo.py": "x = 2\n"}))
    assert env.run("-c", "import foo; print(foo.x)") == "2"
    assert list(env.site.glob("foo-*")) == [env.site / "foo-2.0.dist-info"]


def test_the_remains_of_a_torn_installation_are_replaced(env: Environment, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n"})
    env.install(wheel)
    for name in ("METADATA", "RECORD"):
        (env.site / "foo-1.0.dist-info" / name).unlink()
    (env.site / "foo.py").write_text("torn")

    env.install(wheel)

    assert env.run("-c", "import foo; print(foo.x)") == "1"
    assert list(env.installed()) == ["foo"]


def test_two_versions_of_one_name_are_both_replaced(env: Environment, tmp_path: Path) -> None:
    env.install(make_wheel(tmp_path, "foo", "1.0"))
    copy = env.site / "foo-0.9.dist-info"
    shutil.copytree(env.site / "foo-1.0.dist-info", copy)
    (copy / "METADATA").write_text("Metadata-Version: 2.1\nName: foo\nVersion: 0.9\n")

    env.install(make_wheel(tmp_path, "foo", "2.0"))

    assert list(env.site.glob("foo-*")) == [env.site / "foo-2.0.dist-info"]


def test_nothing_to_do_does_nothing(env: Environment) -> None:
    before = env.tree()
    env.apply(options=InstallOptions(compile_bytecode=True))
    assert env.tree() == before


def test_an_environment_whose_site_packages_was_removed_gets_one(env: Environment, tmp_path: Path) -> None:
    before = env.tree()
    shutil.rmtree(env.site)
    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n", "foo-1.0.data/data/etc/x": ""}))
    env.install(make_wheel(tmp_path, "bar", "1.0", {"bar.py": "x = 2\n", "foo.py": "x = 2\n"}))

    assert env.run("-c", "import foo, bar; print(foo.x, bar.x)") == "2 2"
    assert "both bring" in env.reporter.warnings[0]

    env.apply(remove=["foo", "bar"])
    assert env.tree().keys() == before.keys()
