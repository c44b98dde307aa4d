"""S: hostile source archives, end to end: refused with what, where and what to do, and nothing is touched.

The rows are named as in the list of attacks that they are taken from.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import tar_link, tar_member, write_tar, write_zip
from tests.support.commands import World
from tests.support.projects import project_files, sdist_members
from tests.support.refusals import refused

Members = list[tuple[tarfile.TarInfo, bytes]]


def members_of(*, top: str | None = None, pkg_info: str = "") -> Members:
    """An honest sdist."""
    return sdist_members("thing", top=top, pkg_info=pkg_info)


def write_sdist(world: World, members: Members, filename: str = "thing-1.0.tar.gz") -> Path:
    folder = world.folder / "archives"
    folder.mkdir(exist_ok=True)
    return write_tar(folder / filename, members)


def raw(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT)


T = "thing-1.0"
MEMBERS: dict[str, tuple[Members, str]] = {
    "S2 a link out, and a member below it": (
        [tar_link(f"{T}/up", ".."), tar_member(f"{T}/up/canary", b"x")],
        f"`{T}/up` is a file and a folder",
    ),
    "S2 a chain of links": (
        [tar_link(f"{T}/d/l", ".."), tar_link(f"{T}/m", "d/l/..")],
        f"symbolic link `{T}/m` leads through another place",
    ),
    "S2 an absolute link": ([tar_link(f"{T}/etc", "/etc")], "leads out of the archive, to `/etc`"),
    "S3 a hard link to a file of the system": (
        [tar_link(f"{T}/h", "/etc/passwd", tarfile.LNKTYPE)],
        f"hard link `{T}/h` is to `/etc/passwd`",
    ),
    "S3 a hard link to a later member": (
        [tar_link(f"{T}/h", f"{T}/later", tarfile.LNKTYPE), tar_member(f"{T}/later")],
        "is no earlier file",
    ),
    "S3 a hard link to itself": ([tar_link(f"{T}/h", f"{T}/h", tarfile.LNKTYPE)], "is no earlier file"),
    "S4 a path upwards": ([tar_member("../x")], "member `../x` leaves its folder"),
    "S4 an absolute path": ([tar_member("/x")], "member `/x` is an absolute path"),
    "S4 a path upwards inside": ([tar_member(f"{T}/a/../../x")], "leaves its folder"),
    "S4 a device": ([tar_member(f"{T}/null", type=tarfile.CHRTYPE)], f"`{T}/null` is no regular file"),
    "S4 a fifo": ([tar_member(f"{T}/fifo", type=tarfile.FIFOTYPE)], f"`{T}/fifo` is no regular file"),
    "S6 two top folders": ([tar_member("other/a")], "has 2 folders at its top"),
    "S6 a file at the top": ([tar_member("setup.py")], "has `setup.py` outside of its project folder"),
    "S9 a newline": ([tar_member(f"{T}/a\nb")], "contains a control character"),
    "S9 no text": ([tar_member(f"{T}/\udcff")], "is not valid text"),
    "S9 5000 characters": ([tar_member(f"{T}/" + "x" * 5000)], "is longer than 1024 bytes"),
    "S9 a part of 300 characters": ([tar_member(f"{T}/" + "x" * 300)], "longer than 255 bytes"),
    "S9 a duplicate": ([tar_member(f"{T}/a", b"1"), tar_member(f"{T}/a", b"2")], f"`{T}/a` is there twice"),
}


@pytest.mark.parametrize("row", MEMBERS)
def test_an_sdist_with_a_member_that_breaks_a_rule(builds: World, row: str) -> None:
    members, rule = MEMBERS[row]
    path = write_sdist(builds, [*members_of(), *members])
    refused(builds, "pip", "install", path, says=("thing-1.0.tar.gz: ", rule))


def test_s1_a_chain_of_links_longer_than_any_path_and_a_write_through_it(world: World) -> None:
    members, folder = members_of(), T
    for letter in "abcdefghijklmnop":
        members += [
            tar_member(f"{folder}/{'d' * 100}", type=tarfile.DIRTYPE),
            tar_link(f"{folder}/{letter}", "d" * 100),
        ]
        folder += f"/{letter}"
    members += [tar_link(f"{folder}/escape", "../" * 16 + "canary"), tar_member(f"{folder}/escape/written", b"x")]
    refused(world, "pip", "install", write_sdist(world, members), says=("thing-1.0.tar.gz: ", "is a file and a folder"))


def test_s5_links_inside_of_the_tree_are_fine(world: World) -> None:
    members = [*members_of(), tar_link(f"{T}/docs", "doc"), tar_member(f"{T}/doc/index.md", b"hello")]
    world.install(write_sdist(world, members))
    assert world.installed() == {"thing": "1.0"}


def _zip_of(members: Members) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for info, content in members:
            archive.writestr(info.name, content)
    return held.getvalue()


def _tar_of(members: Members) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return held.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "S7 a negative size": (
        "thing-1.0.tar.gz",
        lambda: gzip.compress(b"".join([raw(tarfile.TarInfo(f"{T}/a")), _negative(), bytes(1024)])),
        f"`{T}/b` has a negative size",
    ),
    "S8 tar and zip at once": (
        "thing-1.0.tar.gz",
        lambda: gzip.compress(_tar_of(members_of()) + _zip_of(members_of())),
        "goes on after its end",
    ),
    "S8 a gzip file and a zip at once": (
        "thing-1.0.tar.gz",
        lambda: gzip.compress(_tar_of(members_of())) + _zip_of(members_of()),
        "is no intact archive",
    ),
    "S8 a zip with a tar before it": (
        "thing-1.0.zip",
        lambda: _tar_of(members_of()) + _zip_of(members_of()),
        "is named like zip and is tar inside",
    ),
    "S8 a zip that is a tar": ("thing-1.0.zip", lambda: _tar_of(members_of()), "is named like zip and is tar inside"),
    "S8 gzip twice": ("thing-1.0.tar.gz", lambda: gzip.compress(gzip.compress(_tar_of(members_of()))), "intact"),
    "S8 truncated": ("thing-1.0.tar.gz", lambda: gzip.compress(_tar_of(members_of()))[:-200], "is no intact archive"),
    "S8 a truncated tar": ("thing-1.0.tar.gz", lambda: gzip.compress(_tar_of(members_of())[:1024]), "truncated"),
    "S8 empty": ("thing-1.0.tar.gz", lambda: b"", "it is empty"),
    "S8 a web page": ("thing-1.0.tar.gz", lambda: b"<!DOCTYPE html><p>gone", "it is a web page"),
}


def _negative() -> bytes:
    block = bytearray(raw(tarfile.TarInfo(f"{T}/b")))
    block[124:136] = (256**12 - 512).to_bytes(12, "big")
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize("row", FILES)
def test_a_file_that_is_no_source_archive(builds: World, row: str) -> None:
    name, content, rule = FILES[row]
    path = builds.folder / name
    path.write_bytes(content())
    refused(builds, "pip", "install", path, says=(f"{name}: ", rule))


def test_s6_a_folder_of_another_name_is_told_and_built(world: World) -> None:
    info = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"
    write_sdist(world, members_of(top="somewhere", pkg_info=info))
    said = world.install("--find-links", "archives", "thing")
    assert "`thing-1.0.tar.gz` holds the folder `somewhere`, which is not named like it" in said.err
    assert world.installed() == {"thing": "1.0"}


def _info(name: str, version: str, metadata_version: str = "2.1") -> str:
    return f"Metadata-Version: {metadata_version}\nName: {name}\nVersion: {version}\n"


@pytest.mark.parametrize(
    ("filename", "pkg_info", "says"),
    [
        pytest.param("other-1.0.tar.gz", "", "its name, `other-1.0.tar.gz`, says `other 1.0`", id="S10 file name"),
        pytest.param("thing-2.0.tar.gz", "", "its name, `thing-2.0.tar.gz`, says `thing 2.0`", id="S10 file version"),
        pytest.param("thing-1.0.tar.gz", _info("other", "1.0"), "its PKG-INFO says `other 1.0`", id="S10 name"),
        pytest.param("thing-1.0.tar.gz", _info("thing", "2.0"), "its PKG-INFO says `thing 2.0`", id="S10 version"),
        pytest.param("thing-1.0.tar.gz", _info("other", "1.0", "2.2"), "`other 1.0`", id="S10 promised name"),
        pytest.param("thing-1.0.tar.gz", _info("thing", "2.0", "2.2"), "`thing 2.0`", id="S10 promised version"),
    ],
)
def test_an_sdist_that_is_built_to_something_else_is_refused_and_not_kept(
    builds: World, filename: str, pkg_info: str, says: str
) -> None:
    write_sdist(builds, members_of(pkg_info=pkg_info), filename)
    command = ("pip", "install", "--find-links", "archives", filename.partition("-")[0])
    for _ in range(2):  # the second time as well: nothing was remembered that could be taken for the wheel
        refused(builds, *command, says=(filename, says))


def test_s10_the_same_holds_for_a_file_by_its_path(builds: World) -> None:
    path = write_sdist(builds, members_of(pkg_info=_info("other", "1.0", "2.2")))
    refused(builds, "pip", "install", path, says=("thing-1.0.tar.gz: ", "made `thing 1.0`", "says `other 1.0`"))


def test_s11_a_backend_that_writes_around_its_tree_reaches_neither_environment_nor_project(builds: World) -> None:
    files = project_files("thing")
    files["backend/tiny.py"] += (
        "\nimport tempfile\n"
        "open('../stray', 'w').close(); open('../../stray', 'w').close()\n"
        "open(tempfile.gettempdir() + '/stray', 'w').close()\n"
        "def build_wheel(*_):\n    raise SystemExit('strayed')\n"
    )
    write_sdist(builds, [tar_member(f"{T}/{path}", text.encode()) for path, text in files.items()])
    refused(builds, "pip", "install", "--find-links", "archives", "thing", says=("strayed",))
    assert not list(builds.folder.parent.parent.rglob("stray"))


def test_zip_sdists_are_held_to_the_same_rules(builds: World) -> None:
    path = write_zip(builds.folder / "thing-1.0.zip", [("thing-1.0/a", b""), ("other/a", b"")])
    refused(builds, "pip", "install", path, says=("thing-1.0.zip: ", "has 2 folders at its top"))
