"""What one wheel puts where: the new files of an environment, before any is made."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from miniuv.archive.dist_info import header
from miniuv.archive.path_file import EXECUTED
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
_EXECUTED = tuple(begin.encode() for begin in EXECUTED)
_SHELLS = ("", ".bat", ".csh", ".fish", ".nu", ".ps1", ".xsh")
_ACTIVATORS = (*(f"{word}{shell}" for word in ("activate", "deactivate") for shell in _SHELLS), "activate_this.py")


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
    remarks: tuple[str, ...] = ()
    """What the user should know of the wheel."""
    startup: tuple[str, ...] = ()
    """The ``.pth`` files of which every start of the interpreter runs a line."""

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
    text = (wheel.root / wheel.dist_info / "WHEEL").read_bytes()
    library = layout.purelib if header(text, "root-is-purelib").lower() == "true" else layout.platlib
    info = f"{library}/{wheel.dist_info}"
    source, target = f"{wheel.root}/", f"{library}/"
    special = (f"{wheel.dist_info}/", f"{_data_folder(wheel)}/")
    files: dict[str, NewFile] = {}
    payload: list[NewFile] = []
    inside = _Inside(layout, wheel)
    for file in wheel.files:
        path = file.path
        if not path.startswith(special):
            new = NewFile(target=target + path, source=source + path, sha256=file.sha256, size=file.size)
            files[new.target] = new
        elif other := _payload(file, inside=inside, library=library, interpreter=interpreter):
            payload.append(other)
            files[other.target] = other
    _check_payload(payload, files, layout=layout, info=info, where=wheel.filename)
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
        remarks=tuple(_remarks(wheel, text, files, layout)),
        startup=tuple(path for path in files if path.endswith(".pth") and _runs_code(path, files[path], layout)),
    )


def _check_payload(
    payload: Sequence[NewFile], files: Mapping[str, NewFile], *, layout: Layout, info: str, where: str
) -> None:
    """Refuse a second file for one place, and a second distribution by way of a ``.data`` folder."""
    for new in payload:
        if files[new.target].sha256 != new.sha256:
            raise InstallError(f"the wheel brings `{new.target}` twice, with different content", where=where)
        folder = new.target.rpartition("/")[0]
        if folder.endswith(".dist-info") and folder != info and folder.rpartition("/")[0] in layout.libraries:
            raise InstallError(f"the wheel brings `{new.target}`, which is of another distribution", where=where)


def _remarks(wheel: UnpackedWheel, text: bytes, files: Mapping[str, NewFile], layout: Layout) -> Iterator[str]:
    # "A wheel installer should warn if Wheel-Version is greater than the version it supports"
    version = header(text, "wheel-version")
    if version.partition(".")[2].strip("0."):
        yield f"`{wheel.filename}` is of wheel format {version}; only what 1.0 has is understood"
    for name in _ACTIVATORS:
        if f"{layout.scripts}/{name}" in files:
            yield f"`{wheel.filename}` brings a program `{name}`, which shells take for that of the environment"


def _runs_code(path: str, new: NewFile, layout: Layout) -> bool:
    if path.rpartition("/")[0] not in layout.libraries or new.source is None:
        return False
    with open(new.source, "rb") as stream:
        return any(line.startswith(_EXECUTED) for line in stream)


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
