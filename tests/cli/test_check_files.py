"""``miniuv pip check --files``: every RECORD against the disk."""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.install.layout import Layout
from miniuv.install.verification import verify
from tests.support.commands import World
from tests.support.environments import Environment
from tests.support.processes import OtherProcess
from tests.support.pythons import interpreters
from tests.support.wheels import make_wheel


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """An environment with a package, a program and data."""
    folder = tmp_path_factory.mktemp("template")
    world = World.make(folder)
    world.install(
        make_wheel(
            folder,
            "foo",
            "1.0",
            {"foo/__init__.py": "def main(): pass\n", "foo/text.txt": "abc", "foo-1.0.data/data/share/foo": "d"},
            entry_points={"console_scripts": {"foo": "foo:main"}},
        ),
        make_wheel(folder, "bar", "2.0"),
        "--compile",
    )
    return world


@pytest.fixture
def filled(template: World, tmp_path: Path) -> World:
    """A copy of it that a test may break."""
    world = World(folder=tmp_path / "world", environ={**template.environ, "MINIUV_CACHE_DIR": str(tmp_path / "cache")})
    shutil.copytree(template.folder, world.folder, symlinks=True)
    return world


def check(world: World, code: int = 1) -> str:
    said = world.miniuv("pip", "check", "--files")
    assert said.code == code, said
    assert "Traceback" not in said.err
    return said.out


def test_an_environment_as_it_was_installed_is_well(filled: World) -> None:
    record = (filled.site / "foo-1.0.dist-info" / "RECORD").read_text()
    count = len(record.splitlines()) + len((filled.site / "bar-2.0.dist-info" / "RECORD").read_text().splitlines())

    assert check(filled, 0) == (
        f"No broken requirements found.\nAll {count} files of 2 packages are as they were installed.\n"
    )


def instead(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Let ``make`` put something else where a file was."""

    def change(file: Path) -> None:
        file.unlink()
        make(file)

    return change


def lose_folder(file: Path) -> None:
    """Put a file where the package was."""
    shutil.rmtree(file.parent)
    file.parent.write_text("")


def edit_program(file: Path) -> None:
    """Change a program that was written at the installation."""
    (file.parents[4] / "bin" / "foo").write_text("#!/bin/sh\n")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file with other bytes": (
        lambda file: file.write_text("xyz"),
        "`foo/text.txt` has other content than was recorded (sha256)",
    ),
    "a longer file": (lambda file: file.write_text("abcd"), "`foo/text.txt` has 4 bytes instead of 3"),
    "a missing file": (Path.unlink, "`foo/text.txt` is missing"),
    "a folder in its place": (instead(Path.mkdir), "`foo/text.txt` is no file"),
    "a fifo in its place": (instead(os.mkfifo), "`foo/text.txt` is no file"),
    "a link to nothing": (instead(lambda file: file.symlink_to("gone")), "`foo/text.txt` is missing"),
    "a link to itself": (instead(lambda file: file.symlink_to(file)), "`foo/text.txt` cannot be read"),
    "a package that is a file": (lose_folder, "`foo/__init__.py` is missing"),
    "a script that was edited": (edit_program, "`../../../bin/foo` has "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named_with_what_it_belongs_to(filled: World, change: str) -> None:
    edit, told = CHANGES[change]
    edit(filled.site / "foo" / "text.txt")

    out = check(filled)

    assert "foo 1.0:\n" in out
    assert told in out
    assert "bar 2.0" not in out
    assert out.endswith("1 of 2 packages differ from what was installed.\n")


def test_what_python_compiled_may_come_and_go(filled: World) -> None:
    shutil.rmtree(filled.site / "foo" / "__pycache__")
    other = filled.site / "__pycache__"
    other.mkdir(exist_ok=True)
    (other / "bar.cpython-399.pyc").write_bytes(b"x")

    check(filled, 0)


def test_what_the_hint_says_repairs_it(template: World, filled: World) -> None:
    shutil.rmtree(filled.site / "foo")
    assert "--reinstall NAME" in filled.miniuv("pip", "check", "--files").err

    filled.install("--reinstall", "--find-links", template.folder.parent, "foo")

    check(filled, 0)


def rerecord(world: World, *lines: str) -> None:
    record = world.site / "foo-1.0.dist-info" / "RECORD"
    data = record.read_bytes() + "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    record.write_bytes(data)


def digest(algorithm: str, data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/etc/passwd,,", "`/etc/passwd` is outside of the environment"),
        ("../../../../canary,,", "`../../../../canary` is outside of the environment"),
        ("../../../bin/python,,", "a part of the environment itself"),
        ("../../../pyvenv.cfg,,", "a part of the environment itself"),
        ("foo/text.txt,crc32=123,3", "is in RECORD twice"),
        ("bar.py,crc32=123,", "has a hash of an unknown kind, `crc32`"),
        ("bar.py,sha256=%%%,", "has other content than was recorded"),
        ("bar.py,sha256=,", "has other content than was recorded"),
        ("bar.py,,-7", "bytes instead of -7"),
        ("no\0path,,", "is no path"),
        (",sha256=x,3", "is no path"),
        ("gone.py", "`gone.py` is missing"),
        ("\udcff\udcfe.py,,", "is missing"),
        ("a\x1b[31mred.py,,", "is missing"),
    ],
)
def test_a_record_that_makes_no_sense_is_told_and_never_followed(filled: World, line: str, told: str) -> None:
    (filled.folder / "canary").write_text("x")
    rerecord(filled, line)

    out = check(filled)

    assert told in out
    assert "\x1b" not in out


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha384", "sha512"])
def test_every_hash_of_a_record_is_understood_also_in_hexadecimal(filled: World, algorithm: str) -> None:
    data = (filled.site / "bar.py").read_bytes()
    rerecord(filled, f"bar.py,{algorithm}={digest(algorithm, data)},{len(data)}")
    check(filled, 0)

    (filled.site / "more.py").write_text("m")
    rerecord(filled, f"more.py,{algorithm}={hashlib.new(algorithm, b'm').hexdigest()},")
    check(filled, 0)
    (filled.site / "more.py").write_text("n")
    assert f"`more.py` has other content than was recorded ({algorithm})" in check(filled)


@pytest.mark.parametrize("torn", ["gone", "folder"])
def test_without_a_record_nothing_can_be_verified(filled: World, torn: str) -> None:
    record = filled.site / "foo-1.0.dist-info" / "RECORD"
    record.unlink()
    if torn == "folder":
        record.mkdir()

    assert "nothing of it can be verified" in check(filled)


def test_an_editable_is_followed_to_its_project(world: World, tmp_path: Path) -> None:
    project = tmp_path / "project"
    info = world.site / "proj-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: proj\nVersion: 1.0\n")
    (info / "direct_url.json").write_text(json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}))
    (world.site / "proj.pth").write_text(f"# a comment\nimport sys\n{project / 'src'}\n")
    (world.site / "__editable___proj_finder.py").write_text(
        f"MAPPING: dict[str, str] = {{'p': '{project}/p', 'q': 1}}\n"
    )
    names = ["proj.pth", "__editable___proj_finder.py"]
    (info / "RECORD").write_text(
        "".join(
            f"{name},,\n"
            for name in [*names, *(f"proj-1.0.dist-info/{n}" for n in ("METADATA", "RECORD", "direct_url.json"))]
        )
    )

    out = check(world)
    assert f"`{project}` is the project that it was installed from, and is gone" in out
    assert f"`proj.pth` leads to `{project / 'src'}`, which is not there" in out
    assert f"leads `p` to `{project}/p`, which is not there" in out

    (project / "src").mkdir(parents=True)
    (project / "p.py").write_text("")
    (world.site / "__editable___proj_finder.py").write_text(f"MAPPING: dict[str, str] = {{'p': '{project}/p'}}\n")
    check(world, 0)


@pytest.mark.parametrize(
    "text", ["MAPPING: dict = (", "MAPPING: x = [1]", "MAPPING: x = 1 + f()", "\0", "(" * 5000, ""]
)
def test_a_finder_of_another_form_is_left_alone(filled: World, text: str) -> None:
    (filled.site / "__editable___z_finder.py").write_text(text)
    rerecord(filled, "__editable___z_finder.py,,")

    check(filled, 0)


def test_what_pip_installed_is_verified_like_everything_else(world: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n", "foo-1.0.data/scripts/f": "#!python\n"})
    assert world.pip("install", "--no-index", "--no-deps", str(wheel)).code == 0
    check(world, 0)

    (world.site / "foo.py").write_text("x = 2\n")
    assert "`foo.py` has other content" in check(world)


def test_an_old_egg_info_is_told_of_but_is_no_trouble(filled: World) -> None:
    info = filled.site / "old-1.0.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")

    said = filled.miniuv("pip", "check", "--files", "-v")

    assert said.code == 0
    assert "old 1.0 keeps no hashes of its files" in said.err


def test_many_differences_are_counted_and_listed_with_v(filled: World) -> None:
    rerecord(filled, *(f"gone{number}.py,," for number in range(30)))

    assert "and 20 more (`-v` lists them)" in check(filled)
    assert filled.miniuv("pip", "check", "--files", "-v").out.count("is missing") == 30


def test_it_looks_again_when_whoever_is_changing_the_environment_is_done(filled: World) -> None:
    """Another tool holds the lock, and has taken a file away that it is about to put back."""
    file = filled.site / "foo" / "text.txt"
    code = """
        import fcntl, os
        lock, file = sys.argv[1:]
        os.rename(file, file + ".aside")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        say("torn")
        hear()
        os.rename(file + ".aside", file)
    """
    with OtherProcess(code, filled.folder / ".venv" / ".lock", file) as other:
        other.expect("torn")
        checking = filled.start("pip", "check", "--files")
        assert checking.stderr is not None
        assert checking.stderr.readline().startswith("waiting for the environment")
        other.tell()
        out, err = checking.communicate(timeout=60)
    assert checking.returncode == 0, out + err


def test_nothing_is_changed_by_looking(filled: World) -> None:
    (filled.site / "foo" / "text.txt").write_text("xyz")
    before = Environment(interpreter=interpreters().describe(filled.python), cache=filled.folder).tree()

    check(filled)

    assert Environment(interpreter=interpreters().describe(filled.python), cache=filled.folder).tree() == before


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("verify")
    env = Environment.make(folder)
    env.install(make_wheel(folder, "foo", "1.0", {"foo.py": "1", "pkg/x.py": "1"}))
    return env


@settings(max_examples=150)
@given(data=st.data())
def test_no_mutation_of_a_record_is_taken_for_well_or_ends_in_an_error(
    environment: Environment, data: st.DataObject
) -> None:
    """Except where the mutation changes no promise, as that of a size that is left out."""
    record = environment.site / "foo-1.0.dist-info" / "RECORD"
    whole = record.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    mutated = bytearray(whole)
    mutated[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.sampled_from([bytes(mutated), whole[:position], whole[position:] + b"\n" + whole[:position]]))
    record.write_bytes(cut)
    try:
        (verified,) = verify(tuple(environment.installed().values()), layout=Layout.of(environment.interpreter))
    finally:
        record.write_bytes(whole)
    promised = set(_promises(whole))
    for line in _promises(cut):
        assert line in promised or verified.differences or _still_true(line, environment.site)


def _promises(record: bytes) -> list[str]:
    return [line for line in record.decode("utf-8", "replace").splitlines() if "sha256=" in line]


def _still_true(line: str, site: Path) -> bool:
    """Whether a changed line says the same all the same: a size that was lost, another way to write it."""
    name, promise, size = line.rsplit(",", 2) if line.count(",") > 1 else (*line.rsplit(",", 1), "")
    data = (site / name).read_bytes()
    return promise.rstrip("=") == f"sha256={digest('sha256', data)}" and size in ("", str(len(data)))
