"""The corpus of hostile wheels: each row with its variants, and what a refusal has to say of each."""

import io
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.archives import record_hash, wheel_members
from tests.support.archives import record_text as record_of
from tests.support.raw_zip import Entry, Frame, Lies, raw_zip

INFO = "thing-1.0.dist-info"
NAME = "thing-1.0-py3-none-any.whl"
MODULE = b"x = 1\n"


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One file of the corpus."""

    id: str
    """The row, and a letter where it has several variants: ``W4b``."""
    make: Callable[[], bytes]
    says: tuple[str, ...]
    """What a refusal names: the member or line, and the rule."""
    filename: str = NAME

    def write(self, folder: Path) -> Path:
        """Write it into ``folder``, and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.filename
        path.write_bytes(self.make())
        return path


def wheel(
    files: Mapping[str, bytes] | None = None,
    *,
    extra: Sequence[Entry] = (),
    record: Callable[[bytes], bytes | None] = lambda text: text,
    without: str = "",
    frame: Frame = Frame(),  # noqa: B008  # frozen
    **texts: bytes,
) -> bytes:
    """A wheel with ``files`` and ``extra`` members besides its module, all of them listed in RECORD as they should be.

    ``record`` may spoil that; ``without`` leaves out a file of its ``.dist-info``; ``texts`` replace WHEEL or METADATA.
    """
    members = {**wheel_members(**texts), **(files or {})}  # type: ignore[arg-type]
    listed = members | {each.name.decode("utf-8", "replace"): each.content for each in extra}
    text = record(record_text(listed))
    if text is not None:
        members[f"{INFO}/RECORD"] = text
    members.pop(f"{INFO}/{without}", None)
    entries = [Entry(name=name.encode(), content=content) for name, content in members.items()]
    return raw_zip([*entries, *extra], frame)


def record_text(members: Mapping[str, bytes]) -> bytes:
    """The RECORD of ``members``."""
    return record_of({path.replace("\n", " "): content for path, content in members.items()}, INFO)


def spoiled(
    *, local: Lies | None = None, central: Lies | None = None, both: Lies | None = None, **more: object
) -> bytes:
    """A wheel with one member ``thing/odd`` about which the headers say what is given."""
    odd = Entry(name=b"thing/odd", content=b"odd\n", local=local or {}, central=central or {}, both=both or {})
    return wheel(extra=[replace(odd, **more)])  # type: ignore[arg-type]


def _named(name: str | bytes) -> Callable[[], bytes]:
    raw = name if isinstance(name, bytes) else name.encode()
    return lambda: wheel(extra=[Entry(name=raw, content=b"evil\n")])


def _pair(one: str, two: str) -> Callable[[], bytes]:
    names = [one.encode(), two.encode()]
    return lambda: wheel(extra=[Entry(name=name, content=name) for name in names])


def _lettered(row: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """``W24a``, ``W24b``, and so on, with one value each."""
    return [(f"{row}{chr(ord('a') + number)}", value) for number, value in enumerate(values)]


def _scripts(line: str, group: str = "console_scripts") -> Callable[[], bytes]:
    return lambda: wheel({f"{INFO}/entry_points.txt": f"[{group}]\n{line}\n".encode()})


def _metadata(more: str | bytes = b"", *, name: str = "thing", version: str = "1.0") -> Callable[[], bytes]:
    data = more if isinstance(more, bytes) else more.encode()
    return lambda: wheel(metadata=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode() + data)


def _record(spoil: Callable[[bytes], bytes | None]) -> Callable[[], bytes]:
    return lambda: wheel(record=spoil)


def _frame(**what: object) -> Callable[[], bytes]:
    return lambda: wheel(frame=Frame(**what))  # type: ignore[arg-type]


def _mode(mode: int, content: bytes = b"/etc/passwd") -> Callable[[], bytes]:
    return lambda: spoiled(central={"mode": mode << 16}, content=content)


def _packed(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _stream(size: int) -> bytes:
    """What unpacks to ``size`` zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def _twice_one_range() -> bytes:
    first = Entry(name=b"thing/one", content=b"same\n")
    whole = wheel(extra=[first])
    return wheel(extra=[first, replace(first, name=b"thing/two", central={"offset": whole.index(b"thing/one") - 30})])


def _nested() -> bytes:
    """A member whose packed bytes are themselves the next member: each byte counts twice, as in the better bombs."""
    inner = raw_zip([Entry(name=b"thing/inner", content=b"x" * 100)])
    inner = inner[: inner.index(b"PK\x01\x02")]
    content = inner
    outer = Entry(name=b"thing/outer", content=content, packed=content, both={"method": 0})
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"x" * 100) + packer.flush()
    place = len(wheel(extra=[outer])[: wheel(extra=[outer]).index(b"PK\x01\x02")]) - len(inner)
    ghost = Entry(name=b"thing/inner", content=b"x" * 100, packed=b"", both={"packed": len(packed), "offset": place})
    whole = wheel(extra=[outer, ghost])
    header = 30 + len(b"thing/inner")
    directory = whole.index(b"PK\x01\x02")
    cut = whole[: directory - header] + whole[directory:]
    at = cut.rindex(b"PK\x05\x06") + 16
    return cut[:at] + struct.pack("<L", directory - header) + cut[at + 4 :]


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("thing.py")
        info.size = len(MODULE)
        archive.addfile(info, io.BytesIO(MODULE))
    return stream.getvalue()


def _flipped() -> bytes:
    data = bytearray(wheel({"thing/data": random.Random(0).randbytes(4000)}))
    data[data.index(b"thing/data") + 2000] ^= 0x10
    return bytes(data)


_HASH = record_hash(MODULE).encode()
_ZIP64_EXTRA = struct.pack("<HHQQ", 1, 16, 4, 4)
_OTHER_PATH = struct.pack("<HHBL", 0x7075, 5 + 8, 1, zlib.crc32(b"thing/odd")) + b"evil.pth"
_DESCRIPTOR = struct.pack("<4sLLL", b"PK\x07\x08", zlib.crc32(b"odd\n"), len(_packed(b"odd\n")), 4)
_OTHER_WHEEL = raw_zip([Entry(name=b"evil.py", content=b"other\n")])


def _rows() -> list[tuple[str, Callable[[], bytes], tuple[str, ...]]]:
    return [
        ("W1", _named("../../../../X"), ("../../../../X", "leaves its folder")),
        ("W1b", _named("thing/../../X"), ("leaves its folder",)),
        ("W2", _named("/tmp/miniuv-hostile-X"), ("/tmp/miniuv-hostile-X", "absolute")),
        ("W2b", _named("//host/X"), ("absolute",)),
        ("W3", _named("thing-1.0.data/data/../../../X"), ("leaves its folder",)),
        ("W3b", _named("thing-1.0.data/scripts/../../X"), ("leaves its folder",)),
        ("W3c", _named("thing-1.0.data/data/bin/python"), ("belongs to the environment",)),
        ("W3d", _named("thing-1.0.data/data/pyvenv.cfg"), ("belongs to the environment",)),
        ("W4", _named("..\\..\\X"), ("backslash",)),
        ("W4b", _named("C:\\X"), ("backslash",)),
        ("W4c", _named("\\\\host\\share\\X"), ("backslash",)),
        ("W4d", _named("a:stream"), ("`a:stream`", "colon")),
        ("W5", _named("thing-1.0.data/bogus/f"), ("thing-1.0.data/bogus/f", "no known scheme")),
        ("W5b", _named("thing-1.0.data/f"), ("no known scheme",)),
        ("W6", _named("other-1.0.dist-info/METADATA"), ("2 `.dist-info`", "other-1.0.dist-info")),
        ("W6b", lambda: wheel().replace(b"thing-1.0.dist-info", b"thong-1.0.dist-info"), ("thong-1.0.dist-info",)),
        ("W6c", lambda: wheel().replace(b"thing-1.0.dist-info", b"thing-1.1.dist-info"), ("thing-1.1.dist-info",)),
        ("W6d", _named("other-1.0.data/data/f"), ("other-1.0.data", "not of `thing`")),
        ("W6e", _named("other-1.0.dist-info"), ("2 `.dist-info`",)),
        ("W6f", _named("other-1.0.DIST-INFO/METADATA"), ("2 `.dist-info`",)),
        ("W6g", _named("thing-1.0.data/purelib/other-1.0.dist-info/METADATA"), ("a second `.dist-info`",)),
        ("W6h", _named(f"thing-1.0.data/platlib/{INFO}/RECORD"), ("a second `.dist-info`",)),
        ("W7", _metadata(name="other"), ("METADATA is of `other`, not of `thing`",)),
        ("W8", _metadata(version="2.0"), ("version `2.0`, not of 1.0",)),
        ("W9", _record(lambda text: text.replace(_HASH, record_hash(b"y").encode())), ("`thing.py`", "hash")),
        ("W9b", _record(lambda text: text.replace(b",6\n", b",7\n")), ("`thing.py`", "size")),
        ("W10", _record(lambda text: text.split(b"\n", 1)[1]), ("does not list `thing.py`",)),
        ("W11", _record(lambda text: text + b"gone.py," + _HASH + b",6\n"), ("`gone.py`", "not in the wheel")),
        ("W12", _record(lambda text: text + b"../../../../victim," + _HASH + b",6\n"), ("victim", "not in the wheel")),
        ("W12b", _record(lambda text: text + b"/etc/victim," + _HASH + b",6\n"), ("/etc/victim", "not in the wheel")),
        ("W13", lambda: wheel(without="RECORD"), (f"no `{INFO}/RECORD`",)),
        ("W13b", lambda: wheel(without="WHEEL", record=lambda text: text), (f"no `{INFO}/WHEEL`",)),
        ("W13c", lambda: wheel(without="METADATA"), (f"no `{INFO}/METADATA`",)),
        ("W13d", lambda: wheel(wheel=b"\n"), (f"`{INFO}/WHEEL`", "empty")),
        ("W13e", lambda: wheel(wheel=b"Generator: x\n"), ("no `Wheel-Version`",)),
        ("W14", _record(lambda text: text.replace(_HASH, b"md5=rL0Y20zC-Fzt72VPzMSk2A")), ("`thing.py`", "`md5`")),
        ("W14b", _record(lambda text: text.replace(_HASH, b"sha1=C-7Hteo_D9vJXQ3UfzxbwnXaijM")), ("`sha1`",)),
        ("W14c", _record(lambda text: text.replace(b",6\n", b",6,7\n")), ("4 columns",)),
        ("W14d", _record(lambda text: text + b"nul\0.py," + _HASH + b",6\n"), ("RECORD", "nul")),
        ("W14e", _record(lambda text: text + b"a.py,,\n" * 2_500_000), ("RECORD", "larger than 16 MiB")),
        ("W14f", _record(lambda text: text + b"\xff\xfe,,\n"), ("RECORD cannot be read",)),
        ("W14g", _record(lambda text: text.replace(_HASH, b"")), ("`thing.py`", "without a hash")),
        ("W14h", _record(lambda text: text + b"thing.py," + record_hash(b"y").encode() + b",1\n"), ("twice",)),
        ("W15", _named("thing.py"), ("`thing.py` is there twice",)),
        ("W15b", _named("thing-1.0.data/purelib/thing.py"), ("`thing.py`", "for one place")),
        (
            "W15d",
            lambda: wheel({f"thing-1.0.data/{scheme}/odd.py": scheme.encode() for scheme in ("platlib", "purelib")}),
            ("odd.py", "for one place"),
        ),
        ("W15c", lambda: spoiled(listed=2), ("`thing/odd` is there twice",)),
        ("W16", _pair("thing/a.py", "thing/A.py"), ("only in case or accents",)),
        ("W16b", _pair("caf\u00e9.py", "cafe\u0301.py"), ("only in case or accents",)),
        ("W16c", _pair("stra\u00dfe.py", "STRASSE.py"), ("only in case or accents",)),
        ("W17", _pair("thing/x", "thing/x/y"), ("`thing/x`", "a file and a folder")),
        ("W17b", _pair("thing/x/y", "thing/x"), ("`thing/x`", "a file and a folder")),
        ("W17c", lambda: wheel(extra=[Entry(name=b"thing/x/", content=b"hidden")]), ("a folder with content",)),
        ("W18", _mode(0o120777), ("`thing/odd`", "a symbolic link")),
        ("W19", _mode(0o020666), ("neither a file nor a folder",)),
        ("W19b", _mode(0o060666), ("neither a file nor a folder",)),
        ("W19c", _mode(0o010644), ("neither a file nor a folder",)),
        ("W19d", _mode(0o140644), ("neither a file nor a folder",)),
        ("W20", _named(b"thing/a\0b.py"), ("cannot be a path",)),
        ("W20b", _named(b"thing/a\x07b.py"), ("control character",)),
        ("W20c", _named("thing/a\nb.py"), ("control character",)),
        ("W20d", _named("thing/\u202egpj.py"), ("control character",)),
        ("W20e", lambda: spoiled(name=b"thing/\xff.py", both={"flags": 0x800}), ("is no intact zip file",)),
        ("W20f", lambda: spoiled(name=b"thing/\xc3\xa9.py", both={"flags": 0}), ("not marked as UTF-8",)),
        ("W20g", lambda: spoiled(name=b""), ("empty part",)),
        ("W21", _named("thing/" + "x" * 256), ("longer than 255",)),
        ("W21b", _named("/".join(["d" * 200] * 21)), ("longer than 1024",)),
        ("W21c", _named("d/" * 201 + "x"), ("more than 200 parts",)),
        ("W22", lambda: wheel(wheel=b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"), ("format 2.0",)),
        *((row, _scripts(f"{name} = thing:main"), (_entry_points(name),)) for row, name in _lettered("W24", _NO_NAMES)),
        *((row, _scripts(f"{name} = thing:main"), ("interpreter",)) for row, name in _lettered("W25", _INTERPRETERS)),
        ("W25gui", _scripts("python = thing:main", "gui_scripts"), ("interpreter",)),
        *((row, _scripts(f"foo = {to}"), ("`foo`", "`module:function`")) for row, to in _lettered("W26", _NO_TARGETS)),
        ("W27", _named("thing-1.0.data/scripts/python"), ("`python`", "interpreter")),
        ("W27b", _named("thing-1.0.data/scripts/sub/x"), ("`sub/x`", "no plain file name")),
        ("W30", lambda: wheel({"thing/zeros": bytes(101 << 20)}), ("thing/zeros", "bomb")),
        ("W30b", lambda: wheel({f"thing/{n}": bytes(3 << 20) for n in range(34)}), ("bomb",)),
        ("W30c", lambda: wheel(extra=[_huge(n) for n in range(5)]), ("unpacks to more than",)),
        ("W31", _twice_one_range, ("overlaps",)),
        ("W31b", _nested, ("overlaps",)),
        ("W32", lambda: spoiled(packed=_stream(64 << 20), content=bytes(10)), ("thing/odd", "Bad size")),
        ("W32b", lambda: spoiled(packed=_stream(32 << 20), content=bytes(9 << 20)), ("thing/odd", "Bad size")),
        ("W33", lambda: spoiled(local={"name": b"evil.pth."}), ("`thing/odd`", "another name")),
        ("W33b", lambda: spoiled(local={"size": 5}), ("`thing/odd`", "other sizes")),
        ("W33c", lambda: spoiled(local={"packed": 5}), ("`thing/odd`", "other sizes")),
        ("W33d", lambda: spoiled(local={"crc": 5}), ("`thing/odd`", "checksum")),
        ("W33e", lambda: spoiled(local={"method": 0}), ("`thing/odd`", "another method")),
        ("W33f", lambda: spoiled(local={"flags": 1}), ("`thing/odd`", "flags")),
        ("W33g", lambda: spoiled(listed=0), ("bytes behind member",)),
        ("W33h", lambda: spoiled(both={"flags": 8}, behind=struct.pack("<4sLLL", b"PK\x07\x08", 1, 2, 3)), ("sizes",)),
        ("W33i", lambda: spoiled(both={"flags": 8}), ("thing/odd", "no data descriptor")),
        ("W33j", lambda: spoiled(behind=b"hidden"), ("6 bytes behind member `thing/odd`",)),
        ("W33k", lambda: spoiled(packed=_packed(b"odd\n") + b"hidden", content=b"odd\n"), ("thing/odd", "Bad size")),
        ("W33l", lambda: spoiled(both={"flags": 8}, local={"size": 5}, behind=_DESCRIPTOR), ("other sizes",)),
        ("W33m", lambda: spoiled(local={"signature": b"PK\x03\x05"}), ("`thing/odd`", "no header")),
        ("W33n", lambda: spoiled(central={"disk": 1}), ("`thing/odd`", "damaged directory")),
        ("W34", _frame(before=b"#!/bin/sh\n"), ("bytes before its first member",)),
        ("W34b", _frame(behind=b"more"), ("bytes behind its end",)),
        ("W34c", lambda: wheel() + wheel()[-22:], ("no intact zip file",)),
        ("W34d", _frame(comment=b"see: " + _OTHER_WHEEL), ("no",)),
        ("W34e", _frame(comment=b"a plain comment"), ("comment",)),
        ("W34f", lambda: spoiled(comment=b"a comment"), ("`thing/odd` has a comment",)),
        ("W34g", lambda: _OTHER_WHEEL + wheel(), ("bytes before its first member",)),
        ("W34h", _frame(between=b"hidden"), ("6 bytes behind member",)),
        ("W34i", _frame(end={"count": 3, "here": 3}), ("says that it has 3",)),
        ("W34j", _frame(end={"disk": 1}), ("several files",)),
        ("W35", _frame(zip64={}, locator={"place": 3}), ("zip64 locator",)),
        ("W35b", _frame(zip64={}, zip64_more=b"extensible data"), ("no intact zip file",)),
        ("W35c", _frame(zip64={"count": 3}), ("contradict",)),
        ("W35d", _frame(end={"offset": 0xFFFFFFFF}), ("zip",)),
        ("W35e", lambda: spoiled(local_extra=b"\x01\x00\x20\x00abc"), ("extra field that is cut short",)),
        ("W35f", lambda: spoiled(local_extra=b"abc"), ("extra field that is cut short",)),
        ("W35g", lambda: spoiled(central_extra=b"\x99\x00\x20\x00abc"), ("no intact zip file",)),
        ("W35h", lambda: spoiled(local_extra=_ZIP64_EXTRA * 2), ("two zip64 fields",)),
        ("W35i", lambda: spoiled(local_extra=_OTHER_PATH), ("another name in an extra field",)),
        ("W35j", lambda: spoiled(central_extra=_OTHER_PATH, local_extra=_OTHER_PATH), ("name",)),
        ("W35k", lambda: spoiled(central_extra=_ZIP64_EXTRA), ("zip64 field of a wrong length",)),
        ("W35l", lambda: spoiled(local_extra=_ZIP64_EXTRA[:-8].replace(b"\x10", b"\x08")), ("wrong length",)),
        ("W35m", lambda: spoiled(local_extra=_ZIP64_EXTRA, local={"size": 5}), ("`thing/odd`", "other sizes")),
        ("W36", lambda: spoiled(both={"flags": 1}), ("`thing/odd` is encrypted",)),
        ("W36b", lambda: spoiled(both={"flags": 0x41}), ("`thing/odd` is encrypted",)),
        ("W36c", lambda: spoiled(both={"method": 14}), ("compressed by method 14",)),
        ("W36d", lambda: spoiled(both={"method": 12}), ("compressed by method 12",)),
        ("W36e", lambda: spoiled(both={"method": 99}), ("compressed by method 99",)),
        ("W37", lambda: wheel()[:-40], ("no intact zip file",)),
        ("W37b", lambda: wheel()[: len(wheel()) // 2], ("no intact zip file",)),
        ("W37c", _flipped, ("no intact zip file",)),
        ("W37d", lambda: spoiled(both={"crc": 5}), ("thing/odd", "CRC")),
        ("W37e", lambda: b"", ("no intact zip file",)),
        ("W37f", lambda: b"<!doctype html><title>Sign in</title>", ("no intact zip file",)),
        ("W37g", _tar, ("no intact zip file",)),
        ("W37h", lambda: _tar() + wheel(), ("bytes before its first member",)),
        ("W38", lambda: wheel(metadata=bytes(range(256)) * 40), ("METADATA",)),
        ("W38b", _metadata(b"Summary: " + b"x" * (17 << 20)), ("METADATA", "larger than 16 MiB")),
        ("W38c", _metadata("Requires-Dist: a\n" * 1_000_000), ("METADATA",)),
        ("W38d", _metadata("Requires-Dist: a\n" * 100_000), ("METADATA", "Requires-Dist")),
        ("W38e", _metadata(version="junk"), ("`junk`",)),
        ("W38f", _metadata(b"Summary: fine\rRequires-Dist: evil\n"), ("METADATA", "carriage return")),
        ("W38g", _metadata(b"X: \0\n"), ("METADATA", "binary")),
        ("W39", _metadata("Requires-Dist: one =>= 2\n"), ("METADATA", "one =>= 2")),
        ("W39b", _metadata("Requires-Dist: one; nosuch_marker == '1'\n"), ("METADATA", "nosuch_marker")),
    ]


_NO_NAMES = ("../../x", ".", "..", "", "a/b", "/bin/x", "a\\b")
_INTERPRETERS = ("python", "python3", "python3.12", "Python", "pythonw", "pypy3", "python.exe")
_NO_TARGETS = (
    *("evil:x;import os", "evil:x'", 'evil:"x"', "evil", "evil:", ":x", "evil:x()", "evil:x\n  import os"),
    *("evil.:x", "evil:x y", "1evil:x"),
)


def _entry_points(name: str) -> str:
    return f"script `{name}`" if name and "\\" not in name else "entry_points.txt" if not name else "script"


def _huge(number: int) -> Entry:
    """A member that says it is 4 GiB; what it has is of no interest, for nobody shall look."""
    size = (4 << 30) - 2
    return Entry(name=f"thing/{number}".encode(), packed=bytes(100), both={"size": size, "packed": size // 100})


CORPUS: tuple[Hostile, ...] = (
    *(Hostile(id=row, make=make, says=says) for row, make, says in _rows()),
    *(
        Hostile(id=f"W23{letter}", make=wheel, says=("is for", "does not fit"), filename=f"thing-1.0-{tag}.whl")
        for letter, tag in (
            ("", "cp27-none-any"),
            ("b", "py1-none-any"),
            ("c", "py3-cp399-any"),
            ("d", "py3-none-amiga_68k"),
        )
    ),
)
