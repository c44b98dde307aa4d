"""What one wheel puts where: the new files of an environment, before any is made."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping

import msgspec

from miniuv.archive.dist_info import header
from miniuv.archive.scripts import read_entry_points, with_shebang
from miniuv.errors import InstallError
from miniuv.install.layout import Layout
from miniuv.install.record import record_hash, write_record
from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import PreparedWheel, UnpackedWheel, WheelFile
from miniuv.values import dataclass, field

INSTALLER = "miniuv"

# Ours to write, whatever the wheel ships under these names; signatures would be of another RECORD.
_REPLACED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"})


class NewFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One file that a distribution brings. A struct, for an environment has tens of thousands."""

    target: str
    """Absolute, final."""
    source: str | None
    """The file in the cache; ``None`` where ``data`` is the content."""
    data: bytes = b""
    sha256: str
    """Empty where it is not recorded: RECORD itself, compiled files."""
    size: int
    executable: bool = False
    """Of ``data`` and of copies; a linked file has its mode from the cache."""
    copied: bool = False
    """Never linked: a program may be edited in place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDistribution:
    """Everything that one distribution brings, except RECORD and compiled files."""

    prepared: PreparedWheel
    title: str
    """``gunicorn 22.0.0``."""
    library: str
    """``purelib`` or ``platlib``: where RECORD's paths start from."""
    info: str
    """The ``.dist-info`` folder to be."""
    files: tuple[NewFile, ...]

    def record(self, compiled: Mapping[str, NewFile]) -> NewFile:
        """Make RECORD over all ``files`` and the ``compiled`` form of modules among them, by the module's target.

        Python may compile a module again, so compiled files are listed without a hash.
        """
        start = f"{self.library}/"
        length = len(start)
        outside: dict[str, str] = {}

        def relative(path: str) -> str:
            if path.startswith(start):
                return path[length:]
            folder, _, name = path.rpartition("/")
            if folder not in outside:
                outside[folder] = os.path.relpath(folder, self.library)
            return f"{outside[folder]}/{name}"

        target = f"{self.info}/RECORD"
        rows = [(relative(file.target), record_hash(file.sha256), str(file.size)) for file in self.files]
        if compiled:
            rows += [(relative(compiled[file.target].target), "", "") for file in self.files if file.target in compiled]
        rows.append((relative(target), "", ""))
        data = write_record(rows)
        return NewFile(target=target, source=None, data=data, sha256="", size=len(data))


def wheel_contents(prepared: PreparedWheel, *, layout: Layout, interpreter: Interpreter) -> NewDistribution:
    """Say what ``prepared`` puts where; raises ``InstallError`` for what no wheel may bring."""
    wheel = prepared.wheel
    library = layout.purelib if _root_is_purelib(wheel) else layout.platlib
    info = f"{library}/{wheel.dist_info}"
    source, target = f"{wheel.root}/", f"{library}/"
    special = (f"{wheel.dist_info}/", f"{_data_folder(wheel)}/")
    files: dict[str, NewFile] = {}
    inside = _Inside(layout, wheel)
    for file in wheel.files:
        path = file.path
        if not path.startswith(special):
            new = NewFile(target=target + path, source=source + path, sha256=file.sha256, size=file.size)
            files[new.target] = new
        elif other := _payload(file, inside=inside, library=library, interpreter=interpreter):
            files[other.target] = other
    for new in _generated(prepared, layout=layout, info=info, interpreter=interpreter):
        files[new.target] = new  # an entry point is preferred to a script of the same name, as pip does
    safe = target if layout.is_unprotected(library) else None
    for path in files:
        if not (safe and path.startswith(safe)) and layout.is_protected(path):
            raise InstallError(f"the wheel brings `{path}`, which belongs to the environment", where=wheel.filename)
    return NewDistribution(
        prepared=prepared,
        title=str(prepared.planned.candidate),
        library=library,
        info=info,
        files=tuple(files[path] for path in sorted(files)),
    )


def _payload(file: WheelFile, *, inside: "_Inside", library: str, interpreter: Interpreter) -> NewFile | None:
    wheel, layout = inside.wheel, inside.layout
    source = f"{wheel.root}/{file.path}"
    first, _, rest = file.path.partition("/")
    if first == wheel.dist_info and rest in _REPLACED:
        return None
    if first != _data_folder(wheel):
        return _linked(file, source, f"{library}/{file.path}")
    scheme, _, rest = rest.partition("/")
    match scheme:
        case "purelib" | "platlib" if rest:
            folder = layout.purelib if scheme == "purelib" else layout.platlib
            return _linked(file, source, f"{folder}/{rest}")
        case "headers" if rest:
            name = wheel.dist_info.partition("-")[0]
            return _linked(file, source, inside(f"{layout.headers}/{name}/{rest}"))
        case "data" if rest:
            return _linked(file, source, inside(f"{layout.data}/{rest}"))
        case "scripts" if rest:
            return _script(file, source, f"{layout.scripts}/{rest}", interpreter)
        case _:
            raise InstallError(f"`{file.path}` is of no known installation scheme", where=wheel.filename)


def _linked(file: WheelFile, source: str, target: str) -> NewFile:
    return NewFile(target=target, source=source, sha256=file.sha256, size=file.size)


def _script(file: WheelFile, source: str, target: str, interpreter: Interpreter) -> NewFile:
    with open(source, "rb") as stream:
        if stream.read(8) != b"#!python":
            return NewFile(
                target=target, source=source, sha256=file.sha256, size=file.size, executable=True, copied=True
            )
        stream.seek(0)
        rewritten = with_shebang(stream.read(), interpreter.executable)
    assert rewritten is not None
    return _written(target, rewritten, executable=True)


def _generated(prepared: PreparedWheel, *, layout: Layout, info: str, interpreter: Interpreter) -> Iterator[NewFile]:
    wheel = prepared.wheel
    if any(file.path == f"{wheel.dist_info}/entry_points.txt" for file in wheel.files):
        data = (wheel.root / wheel.dist_info / "entry_points.txt").read_bytes()
        for entry in read_entry_points(data, where=wheel.filename):
            yield _written(f"{layout.scripts}/{entry.name}", entry.script(interpreter.executable), executable=True)
    yield _written(f"{info}/INSTALLER", f"{INSTALLER}\n".encode())
    if prepared.planned.requested:
        yield _written(f"{info}/REQUESTED", b"")
    if prepared.direct_url is not None:
        text = json.dumps(prepared.direct_url.to_dict(), sort_keys=True)
        yield _written(f"{info}/direct_url.json", text.encode())


def _written(target: str, data: bytes, *, executable: bool = False) -> NewFile:
    return NewFile(
        target=target,
        source=None,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        executable=executable,
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    """Resolves folders of the data scheme: one may be a link to another (`man` to `share/man`), never to outside."""

    layout: Layout
    wheel: UnpackedWheel
    _real: dict[str, str] = field(default_factory=dict)

    def __call__(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        real = self._real.get(folder)
        if real is None:
            real = self._real[folder] = os.path.realpath(folder)
        if self.layout.split(f"{real}/{name}") is None:
            raise InstallError(f"`{path}` would be written outside of the environment", where=self.wheel.filename)
        return f"{real}/{name}"


def _data_folder(wheel: UnpackedWheel) -> str:
    return f"{wheel.dist_info.removesuffix('.dist-info')}.data"


def _root_is_purelib(wheel: UnpackedWheel) -> bool:
    return header((wheel.root / wheel.dist_info / "WHEEL").read_bytes(), "root-is-purelib").lower() == "true"
