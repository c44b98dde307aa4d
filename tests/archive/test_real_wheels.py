"""The rules meet reality: no published wheel is refused. And: one changed byte is never accepted as another content."""

import contextlib
import csv
import hashlib
import random
import shutil
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from miniuv.archive.wheel import unpack_wheel
from miniuv.errors import ArchiveError, MetadataError
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.sources.wheels import wheel_metadata
from tests.support.real_wheels import RealWheel, fetch_wheels

pytestmark = pytest.mark.index

PROJECTS = (
    "anyio", "argon2-cffi", "arrow", "asttokens", "attrs", "beautifulsoup4", "bleach", "build", "certifi", "comm",
    "decorator", "defusedxml", "distlib", "filelock", "flit-core", "h11", "hatchling", "httpcore", "httpx", "idna",
    "iniconfig", "jinja2", "jsonschema", "jupyter-client", "markupsafe", "mistune", "msgspec", "nbformat", "packaging",
    "pdm-backend", "platformdirs", "pluggy", "poetry-core", "prompt-toolkit", "pyproject-hooks", "requests",
    "resolvelib", "rich", "setuptools-scm", "six", "soupsieve", "tinycss2", "tomli", "tornado", "traitlets",
    "typing-extensions", "urllib3", "wheel",
)  # fmt: skip
"""What miniuv, its tests and its benches install: many hands and tools, over more than ten years."""

MUTATED = ("iniconfig", "pluggy", "six", "tomli", "wheel")


def unpack(path: Path, filename: str, entry: Path, digest: Sha256) -> UnpackedWheel:
    """Unpack as it is done for the cache."""
    entry.mkdir()
    unpacked = unpack_wheel(path, filename=filename, digest=digest, entry=entry)
    wheel_metadata(unpacked)
    return unpacked


def differences(root: Path) -> list[str]:
    """The files below ``root`` that are not what the one RECORD there says, or of which it says nothing."""
    (info,) = root.glob("*.dist-info")
    promised = {path: (promise, size) for path, promise, size in csv.reader((info / "RECORD").read_text().splitlines())}
    present = {str(path.relative_to(root)): path for path in root.rglob("*") if not path.is_dir()}
    wrong = sorted(promised.keys() ^ present.keys())
    for name, path in present.items():
        promise, size = promised.get(name, ("", ""))
        data = path.read_bytes()
        digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if name != f"{info.name}/RECORD" and (promise, size) != (f"sha256={digest}", str(len(data))):
            wrong.append(name)
    return sorted(wrong)


def test_no_published_wheel_is_refused(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    wheels = fetch_wheels(tmp_path, PROJECTS, each=8, largest=150_000)
    refused = {}
    began = time.perf_counter()
    for number, wheel in enumerate(wheels):
        try:
            unpack(wheel.path, wheel.filename, tmp_path / str(number), wheel.digest)
        except (ArchiveError, MetadataError) as error:
            refused[wheel.filename] = str(error)
        shutil.rmtree(tmp_path / str(number))
    record_property("figure", f"{len(wheels)} published wheels tried in {time.perf_counter() - began:.1f} s")
    assert refused == {}
    assert len(wheels) >= 300


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[RealWheel, ...]:
    return fetch_wheels(tmp_path_factory.mktemp("originals"), MUTATED, each=1, largest=150_000)


def positions(path: Path, chance: random.Random) -> Iterator[int]:
    """Places in the file without end: every second one in a header, for most of a file is compressed content."""
    size = path.stat().st_size
    with ZipFile(path) as archive:
        headers = [
            range(info.header_offset, info.header_offset + 30 + len(info.filename)) for info in archive.infolist()
        ]
        headers.append(range(archive.start_dir, size))
    places = [place for header in headers for place in header]
    while True:
        yield chance.choice(places)
        yield chance.randrange(size)


def mutate(originals: tuple[RealWheel, ...], folder: Path, count: int) -> int:
    """Change one byte ``count`` times in each; returns how often nobody minded."""
    accepted = 0
    for original in originals:
        chance = random.Random(original.filename)
        data = original.path.read_bytes()
        mutated = folder / "mutated.whl"
        for place, _ in zip(positions(original.path, chance), range(count), strict=False):
            byte = bytes([data[place] ^ chance.randrange(1, 256)])
            mutated.write_bytes(data[:place] + byte + data[place + 1 :])
            entry = folder / "entry"
            with contextlib.suppress(ArchiveError, MetadataError):
                unpacked = unpack(mutated, original.filename, entry, original.digest)
                accepted += 1
                assert differences(unpacked.root) == [], (original.filename, place, byte)
            shutil.rmtree(entry)
    return accepted


def test_the_oracle_notices_a_byte_that_is_not_what_the_record_says(
    originals: tuple[RealWheel, ...], tmp_path: Path
) -> None:
    unpacked = unpack(originals[0].path, originals[0].filename, tmp_path / "entry", originals[0].digest)
    assert differences(unpacked.root) == []
    module = next(unpacked.root.rglob("*.py"))
    module.write_bytes(module.read_bytes() + b"#")
    (unpacked.root / "more").write_bytes(b"")
    assert differences(unpacked.root) == [str(module.relative_to(unpacked.root)), "more", "more"]


def test_no_changed_byte_is_accepted_as_another_content(
    originals: tuple[RealWheel, ...], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    accepted = mutate(originals, tmp_path, 200)
    record_property(
        "figure", f"1,000 wheels with one changed byte: {accepted} accepted, all with the content of RECORD"
    )


@pytest.mark.stress
def test_no_changed_byte_of_twenty_thousand_is_accepted_as_another_content(
    originals: tuple[RealWheel, ...], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    accepted = mutate(originals, tmp_path, 4000)
    record_property(
        "figure", f"20,000 wheels with one changed byte: {accepted} accepted, all with the content of RECORD"
    )
