"""What an installed distribution claims may be anything: nothing outside of the environment is ever removed."""

import csv
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.cache.owner import Owner
from miniuv.cache.owner_form import RECORD_LIMIT
from miniuv.errors import MiniuvError
from miniuv.install.recovery import recover
from miniuv.values import replace
from tests.support.commands import World
from tests.support.environments import Environment

SITE = "../../.."
"""From site-packages to the environment."""


def content(folder: Path) -> dict[str, str]:
    """Every file below ``folder``, and what is in it."""
    found: dict[str, str] = {}
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(parent, name)
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            else:
                found[str(path)] = path.read_text() if path.is_file() else ""
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment.make(tmp_path_factory.mktemp("records"))


@pytest.fixture
def env(template: Environment, tmp_path: Path) -> Environment:
    """An environment between canaries."""
    for canary in ("canary", "above/canary"):
        (tmp_path / canary).parent.mkdir(exist_ok=True)
        (tmp_path / canary).write_text("sings")
    return template.copy(tmp_path / "env")


def put(env: Environment, record: bytes) -> None:
    """Install ``evil`` by hand, with this RECORD."""
    info = env.site / "evil-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "RECORD").write_bytes(record)
    (env.site / "evil.py").write_text("")


OUTSIDE = {
    "absolute": "{outside}/canary",
    "dots": f"{SITE}/../canary",
    "many dots": "../" * 60 + "{outside}/canary",
    "dots in between": f"evil/../{SITE}/../canary",
    "an absolute path with dots": "{env}/../canary",
    "slashes": f"evil//{SITE}//..//canary",
    "through a linked folder": "linked/canary",
    "through two linked folders": "twice/linked/canary",
    "through a link to the folder above": "up/canary",
    "the environment itself": f"{SITE}",
    "the folder around it": f"{SITE}/..",
    "a dot": ".",
    "a slash": "/",
    "two slashes": "//{outside}/canary",
    "the interpreter": f"{SITE}/bin/python",
    "the settings": f"{SITE}/pyvenv.cfg",
    "the lock": f"{SITE}/.lock",
    "a work folder": f"{SITE}/.miniuv/journal",
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_w12_what_is_not_a_distributions_own_is_left_alone_with_a_warning(
    env: Environment, tmp_path: Path, case: str
) -> None:
    (env.site / "linked").symlink_to(tmp_path)
    (env.site / "twice").symlink_to(".")
    (env.site / "up").symlink_to("../../../..")
    before = content(tmp_path)
    path = OUTSIDE[case].format(outside=tmp_path, env=env.prefix)
    put(env, f"evil.py,,\n{path},,\nlinked/canary,,\nevil-1.0.dist-info/RECORD,,\n".encode())

    env.apply(remove=["evil"])

    assert content(tmp_path) == before
    assert "which is not its to remove: left alone" in env.reporter.warnings[0]


RECORDS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)) * 10,
    "not UTF-8": b"\xff\xfe.py,,\nevil.py,,\n",
    "NUL": b"evil\0.py,,\n\0\nevil.py,,\n",
    "one column": b"evil.py\n",
    "ten columns": b"evil.py,,,,,,,,,\n",
    "an open quote": b'"evil.py,,\nevil.py,,\n',
    "quotes in quotes": b'"""",,\n"a\nb",,\n',
    "a long line": b"x" * 1_000_000 + b",,\n",
    "a long quoted line": b'"' + b"x" * 1_000_000 + b'",,\n',
    "carriage returns": b"evil.py,,\revil.py,,\r",
    "many lines": b"evil.py,,\n" * 100_000,
    "a file as a folder": b"evil.py/x.py,,\nevil.py,,\n",
    "a folder as a file": b"evil-1.0.dist-info,,\n",
    "names that are too long": b"/".join([b"x" * 300] * 20) + b",,\n",
    "a deep name": b"x/" * 5000 + b"y,,\n",
}


@pytest.mark.parametrize("case", RECORDS)
def test_w12_a_record_of_junk_can_be_uninstalled(env: Environment, tmp_path: Path, case: str) -> None:
    before = content(tmp_path)
    put(env, RECORDS[case])

    env.apply(remove=["evil"])

    assert {name for name in content(tmp_path) if not name.endswith("evil.py")} == before.keys()
    assert env.installed() == {}


@pytest.mark.parametrize("kind", ["a folder", "a fifo", "a link to itself", "a link to a canary"])
def test_w12_something_else_in_the_place_of_record_is_one_clear_error_or_goes(
    env: Environment, tmp_path: Path, kind: str
) -> None:
    put(env, b"")
    record = env.site / "evil-1.0.dist-info" / "RECORD"
    record.unlink()
    match kind:
        case "a folder":
            record.mkdir()
        case "a fifo":
            os.mkfifo(record)
        case "a link to itself":
            record.symlink_to("RECORD")
        case _:
            record.symlink_to(tmp_path / "canary")
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(env.prefix)

    said = world.miniuv("pip", "uninstall", "evil")

    assert "Traceback" not in said.err
    assert (tmp_path / "canary").read_text() == "sings"
    assert (said.code == 0) is (kind == "a link to a canary")
    assert said.code == 0 or (str(record) in said.err and "hint:" in said.err)


PARTS = st.sampled_from(
    ["evil.py", "evil", "..", ".", "", "linked", "up", "canary", "above", "bin", "python", "env", "lib", "pyvenv.cfg",
     ".lock", ".miniuv", "evil-1.0.dist-info", "RECORD", "~", "\xff", "'", '"', ",", "\r", "*", "\\..\\", "C:"]
)  # fmt: skip
LINKS = {"linked": "../../../..", "up": "../../.."}
"""In site-packages: to the folder of the canary, and to the environment."""
NAMES = st.lists(PARTS, min_size=1, max_size=8).map("/".join)
LINES = st.one_of(
    NAMES.map(lambda name: name.encode("utf-8", "surrogateescape")),
    NAMES.map(lambda name: name.encode("utf-8", "surrogateescape") + b",sha256=x,1"),
    NAMES.map(lambda name: quoted(name).encode()),
    st.binary(max_size=30),
)


def quoted(name: str) -> str:
    """A line of CSV."""
    text = io.StringIO()
    csv.writer(text).writerow([name, "", ""])
    return text.getvalue().strip("\r\n")


@settings(max_examples=80)
@given(lines=st.lists(LINES, max_size=6))
def test_w12_no_record_reaches_out_of_its_environment(shared: "Shared", lines: list[bytes]) -> None:
    env, folder = shared.env, shared.folder
    for name, target in LINKS.items():
        (env.site / name).unlink(missing_ok=True)
        (env.site / name).symlink_to(target)
    before = content(folder)
    put(env, b"\n".join(lines))

    env.apply(remove=["evil"])

    after = content(folder)
    its_own = {str(env.site / name) for name in ("evil.py", *LINKS)}
    assert {name: text for name, text in after.items() if name not in its_own} == {
        name: text for name, text in before.items() if name not in its_own
    }


class Shared:
    """An environment that examples use one after the other, with links that lead out of it; without a long ``repr``."""

    def __init__(self, env: Environment, folder: Path) -> None:
        self.env = env
        self.folder = folder


@pytest.fixture(scope="module")
def shared(template: Environment, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "canary").write_text("sings")
    env = template.copy(folder / "env")
    (env.prefix / ".lock").write_text("")
    return Shared(env, folder)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
MOVES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["leaves", "comes", "made", "emptied", "x"]),
        "place": st.one_of(NAMES, NAMES.map(lambda name: f"lib/{name}"), VALUES),
        "aside": st.one_of(
            st.just(""),
            NAMES.map(lambda name: f".miniuv/txn-1-x/old/{name}"),
            NAMES,
            NAMES.map(lambda name: f"/{name}"),
        ),
        "facts": st.one_of(st.just([0o40755, 0, 0, 0]), st.lists(st.integers(-5, 2**70), max_size=5), VALUES),
    },
    optional={"entries": st.one_of(st.integers(-3, 2**70), VALUES)},
)
JOURNALS = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {
            "titles": st.one_of(st.just(["foo 1.0"]), VALUES),
            "folders": st.one_of(st.just([".miniuv/txn-1-x"]), st.lists(NAMES, max_size=2), VALUES),
            "moves": st.one_of(st.lists(MOVES, max_size=4), VALUES),
        }
    ),
)


@settings(max_examples=120)
@given(value=JOURNALS, name=st.sampled_from(["journal", "journal.undo"]))
def test_a_journal_that_somebody_wrote_by_hand_reaches_nothing_outside(
    shared: "Shared", value: object, name: str
) -> None:
    """Its checksum is right, and what it says is anything."""
    env, folder = shared.env, shared.folder
    for link in LINKS:  # who can make one in the environment needs no journal to reach what it leads to
        (env.site / link).unlink(missing_ok=True)
    kept = folder.with_name("kept")
    shutil.copytree(env.prefix, kept, symlinks=True)
    work = env.prefix / ".miniuv"
    (work / "txn-1-x" / "old").mkdir(parents=True)
    text = json.dumps(value).encode()
    (work / name).write_bytes(b"miniuv journal 1 %s\n%s\n" % (hashlib.sha256(text).hexdigest().encode(), text))
    try:
        recover(env.interpreter, reporter=env.reporter)
    except MiniuvError:
        pass
    finally:
        assert (folder / "canary").read_text() == "sings"
        shutil.rmtree(env.prefix)
        kept.rename(env.prefix)


@settings(max_examples=300)
@given(data=st.data())
def test_no_owner_record_ends_in_an_error(data: st.DataObject) -> None:
    whole = replace(Owner.this_process(step="install"), since=1.5e9, ticks=1, pid=4711).encode()
    facts = json.loads(whole)
    name = data.draw(st.sampled_from([*facts, "more"]))
    position = data.draw(st.integers(0, len(whole) - 1))
    mutant = data.draw(
        st.one_of(
            st.binary(max_size=2 * RECORD_LIMIT),
            st.integers(1, 255).map(
                lambda bits: whole[:position] + bytes([whole[position] ^ bits]) + whole[position + 1 :]
            ),
            st.just(whole[:position]),
            VALUES.map(lambda value: json.dumps({**facts, name: value}).encode()),
            VALUES.map(lambda value: json.dumps(value).encode()),
        )
    )

    owner = Owner.decode(mutant)

    if owner is not None:
        assert owner.presence in ("alive", "gone", "unknown")
        assert "\n" not in owner.describe(quiet_for=1.0)
        assert owner.is_this_process in (True, False)
        assert owner.is_stopped in (True, False)
