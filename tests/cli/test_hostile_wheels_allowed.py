"""Wheels that are unusual and accepted: as they are, with a word about it, or because the user allows it."""

import csv
import hashlib
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.archive import member as limits
from tests.support.commands import World
from tests.support.hostile_wheels import CORPUS, INFO, NAME, spoiled, wheel
from tests.support.raw_zip import Entry, Frame
from tests.support.refusals import refused
from tests.support.wheels import make_wheel


def write(folder: Path, data: bytes) -> Path:
    path = folder / NAME
    path.write_bytes(data)
    return path


def unverified(world: World) -> list[str]:
    """The files of which the installed RECORD is not true, and those in the folder ``thing`` that it does not list."""
    folder = world.site
    rows = list(csv.reader((folder / INFO / "RECORD").read_text("utf-8").splitlines()))
    wrong = []
    for path, promise, _ in rows:
        digest = urlsafe_b64encode(hashlib.sha256((folder / path).read_bytes()).digest()).rstrip(b"=").decode()
        if promise not in ("", f"sha256={digest}"):
            wrong.append(path)
    present = {str(path.relative_to(folder)) for path in (folder / "thing").rglob("*") if path.is_file()}
    return wrong + sorted(present - {path for path, *_ in rows})


def without_folders(record: bytes) -> bytes:
    return b"".join(line for line in record.splitlines(keepends=True) if b"/," not in line)


@pytest.mark.parametrize(
    "data",
    [
        wheel(frame=Frame(zip64={})),
        spoiled(
            both={"flags": 8},
            local={"crc": 0, "size": 0, "packed": 0},
            behind=struct.pack("<4sLLL", b"PK\x07\x08", 0xEC9B1C08, 6, 4),
        ),
        spoiled(local_extra=struct.pack("<HHQQ", 1, 16, 4, 6), local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}),
        spoiled(local_extra=struct.pack("<HHB4x", 0x5455, 5, 1)),
        wheel(extra=[Entry(name=b"thing/"), Entry(name=b"thing/a.py", content=b"")], record=without_folders),
    ],
    ids=["zip64", "data descriptor", "zip64 sizes", "times", "folders"],
)
def test_what_other_tools_write_into_zip_files_is_accepted(world: World, tmp_path: Path, data: bytes) -> None:
    world.install(write(tmp_path, data))
    assert unverified(world) == []


def test_bits_beyond_those_of_a_program_are_dropped(world: World, tmp_path: Path) -> None:
    world.install(write(tmp_path, spoiled(central={"mode": 0o106777 << 16})))
    assert (world.site / "thing" / "odd").stat().st_mode & 0o7777 == 0o755


def test_a_newer_minor_format_is_accepted_with_a_warning(world: World, tmp_path: Path) -> None:
    said = world.install(write(tmp_path, wheel(wheel=b"Wheel-Version: 1.9\nRoot-Is-Purelib: true\n")))
    assert "wheel format 1.9" in said.err
    assert world.installed() == {"thing": "1.0"}


def test_a_program_that_shells_take_for_the_environments_own_is_warned_of(world: World, tmp_path: Path) -> None:
    path = write(tmp_path, wheel({f"{INFO}/entry_points.txt": b"[console_scripts]\ndeactivate = thing:main\n"}))
    said = world.install(path)
    assert "brings a program `deactivate`" in said.err


def test_the_script_that_activates_the_environment_is_replaced_by_force_only(world: World, tmp_path: Path) -> None:
    path = write(tmp_path, wheel({f"{INFO}/entry_points.txt": b"[console_scripts]\nactivate = thing:main\n"}))
    (world.folder / ".venv" / "bin" / "activate").write_text("mine\n")
    refused(world, "pip", "install", path, says=("bin/activate", "belongs to no"), sound=True)
    assert "brings a program `activate`" in world.install("--force", path).err


def test_a_file_that_runs_code_at_every_start_is_told_where_more_is_asked_for(world: World, tmp_path: Path) -> None:
    path = write(tmp_path, wheel({"thing.pth": b"# x\nimport sys\n", "plain.pth": b"/nowhere\n"}))
    said = world.install("-v", path)
    assert "thing.pth`: every start of the interpreter runs what it says" in said.err
    assert "plain.pth" not in said.err


def test_what_a_wheel_says_of_its_own_installation_is_replaced(world: World, tmp_path: Path) -> None:
    files = {
        f"{INFO}/direct_url.json": b'{"url": "https://evil"}',
        f"{INFO}/INSTALLER": b"evil",
        f"{INFO}/REQUESTED": b"x",
    }
    world.install(write(tmp_path, wheel(files)))
    info = world.site / INFO
    assert "evil" not in (info / "direct_url.json").read_text() + (info / "INSTALLER").read_text()
    assert (info / "REQUESTED").read_bytes() == b""
    assert unverified(world) == []


def test_a_file_of_another_distribution_is_replaced_with_a_warning_or_refused_if_strict(
    world: World, tmp_path: Path
) -> None:
    one, two = (make_wheel(tmp_path, name, "1.0", {"shared.py": f"{name!r}\n"}) for name in ("one", "two"))
    world.install(one)
    refused(world, "pip", "install", "--strict", two, says=("one 1.0", "two 1.0", "shared.py"), sound=True)
    said = world.install(two)
    assert "one 1.0 and two 1.0 both bring" in said.err
    assert (world.site / "shared.py").read_text() == "'two'\n"


def test_a_file_that_nobody_owns_is_replaced_by_force_only(world: World, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "one", "1.0")
    (world.site / "one.py").write_text("mine\n")
    refused(world, "pip", "install", path, says=("one 1.0", "one.py"), sound=True)
    world.install("--force", path)
    assert (world.site / "one.py").read_text() != "mine\n"


def of(row: str) -> Callable[[], bytes]:
    return next(each.make for each in CORPUS if each.id == row)


ALLOWED = [
    ("record", of("W10")),
    ("record", of("W11")),
    ("record", of("W14")),
    ("record", of("W14c")),
    ("record", of("W14g")),
    ("case", of("W16")),
    ("size", lambda: wheel({"thing/zeros": bytes(2000)})),
    ("zip-comment", of("W34e")),
    ("zip-comment", of("W34f")),
    ("zip-prefix", of("W34")),
]


@pytest.mark.parametrize(("rule", "make"), ALLOWED)
def test_a_rule_of_form_can_be_waived_by_the_name_that_the_hint_gives(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, make: Callable[[], bytes]
) -> None:
    monkeypatch.setattr(limits, "SUSPICIOUS_BYTES", 1000)
    monkeypatch.setattr(limits, "SUSPICIOUS_RATIO", 3)
    path = write(tmp_path, make())
    assert f"`--allow-wheel {rule}`" in refused(world, "pip", "install", path).partition("\nhint: ")[2]
    others = [word for other in ("case", "record", "size", "zip-prefix") for word in ("--allow-wheel", other)]
    if rule == "zip-comment":
        refused(world, "pip", "install", *others, path)

    world.install("--allow-wheel", rule, path)

    assert world.installed() == {"thing": "1.0"}
    assert unverified(world) == []


def test_what_one_command_allowed_is_not_allowed_to_the_next(world: World, tmp_path: Path) -> None:
    path = write(tmp_path, of("W34e")())
    world.install("--allow-wheel", "zip-comment", path)
    assert world.miniuv("pip", "uninstall", "thing").code == 0

    refused(world, "pip", "install", path, says=("comment",))

    world.install(path, *("--allow-wheel", "zip-comment"))
    world.install("--reinstall", "--allow-wheel", "zip-comment", path)


def test_what_is_allowed_can_be_set_by_a_variable_or_in_the_project(world: World, tmp_path: Path) -> None:
    path = write(tmp_path, of("W34e")())
    (world.folder / "pyproject.toml").write_text('[tool.miniuv]\nallow-wheel = ["case", "zip-comment"]\n')
    refused(world, "pip", "install", path)
    said = world.miniuv("pip", "install", "--dry-run", path, environ={"MINIUV_ALLOW_WHEEL": "case zip-comment"})
    assert said.code == 0, said.err
    said = world.miniuv("pip", "install", path, environ={"MINIUV_NO_CONFIG": ""})
    assert said.code == 0, said.err


@pytest.mark.parametrize("rule", ["zip-gap", "", "record,case"])
def test_no_other_rule_can_be_waived(world: World, tmp_path: Path, rule: str) -> None:
    said = world.miniuv("pip", "install", "--allow-wheel", rule, write(tmp_path, wheel()))
    assert said.code == 2
    assert "`--allow-wheel` cannot be" in said.err
    assert "case, record, size, zip-comment, zip-prefix" in said.err


@pytest.mark.parametrize("row", ["W1", "W2", "W4", "W9", "W15", "W17", "W18", "W31", "W33", "W33j", "W34b", "W35i"])
def test_what_could_write_outside_or_hide_content_cannot_be_allowed(world: World, tmp_path: Path, row: str) -> None:
    everything = [word for rule in dict(ALLOWED) for word in ("--allow-wheel", rule)]
    assert "--allow-wheel" not in refused(world, "pip", "install", *everything, write(tmp_path, of(row)()))
