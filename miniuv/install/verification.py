"""Whether what is installed is still what was installed: every RECORD, compared with the files that it speaks of.

https://packaging.python.org/specifications/recording-installed-packages/
"""

import ast
import binascii
import errno
import hashlib
import importlib.machinery
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miniuv.archive.path_file import EXECUTED, path_lines
from miniuv.install.layout import Layout, RealPlaces
from miniuv.install.moves import is_compiled
from miniuv.install.record import RecordedFile, read_record, record_hash, recorded_files, whole_path
from miniuv.models.installed import InstalledDistribution
from miniuv.settings.resolved import available_cores
from miniuv.values import dataclass

_BLOCK = 2**20
_DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
_LARGEST_FINDER = 2**20
_ELSEWHERE = "is outside of the environment, or a part of the environment itself"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that is not as it was installed."""

    path: str
    """As RECORD has it, or absolute; it may hold any character."""
    problem: str
    """``is missing``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What was found of one distribution."""

    distribution: InstalledDistribution
    files: int = 0
    """Lines of its RECORD that were looked at."""
    unhashed: int = 0
    """Of them without a hash: all that can be told is that they are there."""
    differences: tuple[Difference, ...] = ()
    has_record: bool = True
    """``False`` of an ``.egg-info``, which never has one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Account:
    """A distribution with what its RECORD says."""

    distribution: InstalledDistribution
    differences: tuple[Difference, ...] = ()
    files: tuple[tuple[RecordedFile, str], ...] = ()
    """With the real path of each."""
    has_record: bool = True


def verify(installed: Sequence[InstalledDistribution], *, layout: Layout) -> tuple[Verified, ...]:
    """Compare the RECORD of each distribution, whoever installed it, with the disk; nothing is changed.

    Compiled modules may be missing, and may be there without being recorded: Python makes them as it likes. Files
    outside of the environment are not opened. An editable is also followed to its project.
    """
    places = RealPlaces(layout)
    accounts = [_account(distribution, places) for distribution in installed]
    with ThreadPoolExecutor(min(4, available_cores())) as pool:
        # One that has much to read comes early, so that the last thread does not end long after the others.
        order = sorted(range(len(accounts)), key=lambda number: -len(accounts[number].files))
        found = dict(zip(order, pool.map(lambda number: _verify(accounts[number]), order), strict=True))
    return tuple(found[number] for number in range(len(accounts)))


def _account(distribution: InstalledDistribution, places: RealPlaces) -> _Account:
    info = os.path.realpath(distribution.info)
    if not info.endswith(".dist-info"):
        return _Account(distribution=distribution, differences=tuple(_of_project(distribution)), has_record=False)
    differences = [] if distribution.problem is None else [Difference(path=info, problem=distribution.problem)]
    try:
        record = read_record(Path(info, "RECORD"))
    except OSError as error:
        problem = "is missing" if error.errno == errno.ENOENT else f"cannot be read ({error.strerror})"
        lost = Difference(path="RECORD", problem=f"{problem}: nothing of it can be verified")
        return _Account(distribution=distribution, differences=(*differences, lost))
    files: dict[str, tuple[RecordedFile, str]] = {}
    location = os.path.dirname(info)
    for file in recorded_files(record):
        if not file.name or "\0" in file.name:
            differences.append(Difference(path=file.name, problem="is no path, though RECORD lists it"))
            continue
        place = places.real(whole_path(file.name, location))
        if not places.is_inside(place):
            differences.append(Difference(path=file.name, problem=_ELSEWHERE))
        elif files.setdefault(place, (file, place))[0] != file:
            differences.append(Difference(path=file.name, problem="is in RECORD twice, with different hashes"))
    differences += _of_project(distribution)
    return _Account(distribution=distribution, differences=tuple(differences), files=tuple(files.values()))


def _verify(account: _Account) -> Verified:
    differences = list(account.differences)
    unhashed = 0
    library = os.path.realpath(account.distribution.location)
    for file, place in account.files:
        problem = _problem(file, place)
        unhashed += not file.promise
        if problem is not None:
            differences.append(Difference(path=file.name, problem=problem))
        elif place.endswith(".pth") and os.path.dirname(place) == library:
            differences += _of_path_file(place)
        elif place.endswith("_finder.py") and os.path.basename(place).startswith("__editable__"):
            differences += _of_finder(place)
    return Verified(
        distribution=account.distribution,
        files=len(account.files),
        unhashed=unhashed,
        differences=tuple(differences),
        has_record=account.has_record,
    )


def _problem(file: RecordedFile, place: str) -> str | None:
    """Say how the file at ``place`` differs from what RECORD promises."""
    try:
        # Not to be kept waiting by a fifo that lies there.
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None if is_compiled(place) else "is missing"
        return f"cannot be read ({error.strerror})"
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return "is no file"
        if file.size and file.size != str(facts.st_size):
            return f"has {facts.st_size} bytes instead of {file.size[:30]}"
        return _difference(file.promise, descriptor, facts.st_size) if file.promise else None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    finally:
        os.close(descriptor)


def _difference(promise: str, descriptor: int, size: int) -> str | None:
    algorithm, _, encoded = promise.partition("=")
    if algorithm not in _DIGEST_BYTES:
        return f"has a hash of an unknown kind, `{algorithm[:30]}`"
    digest = hashlib.new(algorithm, usedforsecurity=False)
    while block := os.read(descriptor, min(size + 1, _BLOCK)):
        digest.update(block)
        if len(block) == size:
            break
    if algorithm == "sha256" and record_hash(digest.hexdigest()) == promise:
        return None
    if _decoded(encoded, _DIGEST_BYTES[algorithm]) == digest.digest():
        return None
    return f"has other content than was recorded ({algorithm})"


def _decoded(encoded: str, size: int) -> bytes:
    """The bytes of a hash, which some tools write in hexadecimal; none of what cannot be read."""
    try:
        if len(encoded) == 2 * size:
            return binascii.a2b_hex(encoded)
        return binascii.a2b_base64(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4))
    except ValueError:
        return b""


def _of_project(distribution: InstalledDistribution) -> Iterator[Difference]:
    project = distribution.editable_location
    if project is not None and not project.is_dir():
        yield Difference(path=str(project), problem="is the project that it was installed from, and is gone")


def _of_path_file(path: str) -> Iterator[Difference]:
    """Look where the lines of a ``.pth`` file lead; those that Python would execute are left alone."""
    try:
        lines = path_lines(Path(path).read_bytes())
    except OSError as error:
        yield Difference(path=path, problem=f"cannot be read ({error.strerror})")
        return
    for line in lines:
        if not line.startswith(EXECUTED):
            target = os.path.join(os.path.dirname(path), line)
            if "\0" in line or not os.path.exists(target):
                yield Difference(path=os.path.basename(path), problem=f"leads to `{line[:200]}`, which is not there")


def _of_finder(path: str) -> Iterator[Difference]:
    """Look where the ``MAPPING`` of a finder leads that setuptools wrote for an editable."""
    suffixes = ("", *importlib.machinery.all_suffixes())
    for name, target in _mapping(path).items():
        if "\0" in target or not any(os.path.exists(target + suffix) for suffix in suffixes):
            problem = f"leads `{name[:200]}` to `{target[:200]}`, which is not there"
            yield Difference(path=os.path.basename(path), problem=problem)


def _mapping(path: str) -> dict[str, str]:
    """The mapping from modules to paths in a finder; none where it has another form."""
    try:
        with open(path, "rb") as stream:
            tree = ast.parse(stream.read(_LARGEST_FINDER))
        for node in tree.body:
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if (
                isinstance(target, ast.Name)
                and target.id == "MAPPING"
                and isinstance(node, ast.AnnAssign)
                and node.value
            ):
                value = ast.literal_eval(node.value)
                return {str(key): str(value[key]) for key in value} if isinstance(value, dict) else {}
    except (OSError, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    return {}
