"""What is done to tens of thousands of files at once: in halves, by prefixes and by tables, with the same outcome."""

import csv
import errno
import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.link import Linker
from miniuv.install.record import record_hash, write_record
from miniuv.install.staging import Staging, open_staging

_MANY = 1200


def _layout(root: Path) -> Layout:
    site, scripts = f"{root}/lib", f"{root}/bin"
    return Layout(
        purelib=site,
        platlib=site,
        scripts=scripts,
        data=str(root),
        headers=f"{root}/h",
        roots=(site, scripts, str(root)),
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("content")
    return path


def _files(root: Path, source: Path) -> list[NewFile]:
    paths = [f"{root}/lib/p{number % 7}/q{number % 31}/m{number}.py" for number in range(_MANY)]
    return [NewFile(target=path, source=str(source), sha256="", size=7) for path in sorted(paths)]


def _staged(staging: Staging) -> set[str]:
    return {os.path.join(parent, name) for parent, _, names in os.walk(staging.folder / "new") for name in names}


@pytest.mark.parametrize("cores", [1, 2])
def test_all_of_many_files_are_staged(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr("miniuv.install.staging.available_cores", lambda: cores)
    (tmp_path / "env" / "lib").mkdir(parents=True)
    files = _files(tmp_path / "env", source)
    threads = set()
    place = Linker.place

    def watched(self: Linker, origin: str, target: str) -> None:
        threads.add(threading.get_ident())
        place(self, origin, target)

    monkeypatch.setattr(Linker, "place", watched)

    with open_staging(_layout(tmp_path / "env"), "hardlink") as staging:
        staging.fill(files)
        assert _staged(staging) == {staging.staged(file.target) for file in files}

    assert len(threads) == cores


@pytest.mark.parametrize("position", [3, _MANY - 3])
def test_what_fails_in_either_half_is_raised_and_leaves_nothing(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    monkeypatch.setattr("miniuv.install.staging.available_cores", lambda: 2)
    (tmp_path / "env" / "lib").mkdir(parents=True)
    files = _files(tmp_path / "env", source)
    place = Linker.place

    def full(self: Linker, origin: str, target: str) -> None:
        if target.endswith(os.path.basename(files[position].target)):
            raise OSError(errno.ENOSPC, "No space left on device", target)
        place(self, origin, target)

    monkeypatch.setattr(Linker, "place", full)

    with pytest.raises(OSError, match="No space left"), open_staging(_layout(tmp_path / "env"), "hardlink") as staging:
        staging.fill(files)

    assert list((tmp_path / "env").iterdir()) == [tmp_path / "env" / "lib"]


_PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.dictionaries(_PATHS, st.binary(min_size=32, max_size=32), max_size=8))
def test_a_record_is_the_csv_that_the_standard_library_writes_and_reads(digests: dict[str, bytes]) -> None:
    rows = [(path, record_hash(digest.hex()), str(len(path))) for path, digest in digests.items()]
    expected = io.StringIO()
    csv.writer(expected, lineterminator="\n").writerows(sorted(rows))

    data = write_record(rows)

    assert data == expected.getvalue().encode()
    assert list(map(tuple, csv.reader(io.StringIO(data.decode(), newline="")))) == sorted(rows)


@pytest.mark.parametrize(
    ("folder", "safe"),
    [
        ("/env/lib/site-packages", True),
        ("/env/lib", True),
        ("/env/binary", True),
        ("/env", False),
        ("/env/bin", False),
        ("/env/.miniuv", False),
        ("/env/.miniuv/inner", False),
    ],
)
def test_only_a_folder_that_holds_nothing_of_the_environment_itself_is_trusted_unseen(folder: str, safe: bool) -> None:
    layout = Layout(
        purelib="/env/lib", platlib="/env/lib", scripts="/env/bin", data="/env", headers="/env/h", roots=("/env",)
    )

    assert layout.is_unprotected(folder) == safe
    for protected in ("/env/bin/python3", "/env/pyvenv.cfg", "/env/.lock", "/env/.miniuv/txn", "/env/.miniuv/inner/x"):
        assert layout.is_protected(protected)
        assert not (safe and protected.startswith(f"{folder}/"))
