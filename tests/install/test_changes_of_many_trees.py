"""Any change of any tree: the steps give what a file-by-file account says, and can be taken back."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.install.changes import ChangeSet, Incoming, Outgoing
from miniuv.install.conflicts import Conflicts
from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.moves import disturbed, do_moves, undo_moves
from miniuv.install.reach import Reach
from miniuv.install.staging import open_staging
from miniuv.models.request import InstallOptions
from miniuv.reporter import Reporter

_PARTS = st.sampled_from(["a", "b", "c", "m.py"])
_PATHS = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)


def _consistent(paths: frozenset[str]) -> bool:
    return not any(f"{parent}/" == path[: len(parent) + 1] for parent in paths for path in paths)


_TREES = st.frozensets(_PATHS, max_size=8).filter(_consistent)


def _layout(root: Path) -> Layout:
    folder = str(root)
    site, scripts = f"{folder}/lib", f"{folder}/bin"
    return Layout(
        purelib=site, platlib=site, scripts=scripts, data=folder, headers=f"{folder}/h", roots=(site, scripts, folder)
    )


def _files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for parent, _, names in os.walk(root)
        for path in (Path(parent, name) for name in names)
    }


def _tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() if path.is_file() else "/" for path in root.rglob("*")}


def _emptied(root: Path, known: frozenset[str]) -> list[str]:
    """Folders below ``lib`` that hold nothing, though something was or comes there."""
    folders = [path for path in (root / "lib").rglob("*") if path.is_dir() and not any(path.iterdir())]
    return [str(path) for path in folders if known]


def _fill(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@settings(max_examples=150)
@given(there=_TREES, new=_TREES, data=st.data(), cuts=st.lists(st.integers(0, 12), max_size=3), back=st.booleans())
def test_a_change_gives_the_old_tree_or_the_new_one_wherever_it_is_cut_short(
    there: frozenset[str], new: frozenset[str], data: st.DataObject, cuts: list[int], back: bool
) -> None:
    """Files in ``leaving`` go, those of ``new`` come; what belongs to nobody stays, unless a path can be only one.

    It is begun again after each of ``cuts`` (a count of moves) and finished, or taken ``back`` with cuts of its own.
    Folders whose name is "c" cannot be renamed, as those of a lower layer.
    """
    leaving = frozenset(data.draw(st.lists(st.sampled_from(sorted(there)), unique=True) if there else st.just([])))
    staying = there - leaving
    if not _consistent(new | staying) or new & staying:
        return
    stuck = any(path.startswith(("c/", "a/c/", "b/c/", "m.py/c/")) for path in there)
    if stuck and any(f"{path}/" == old[: len(path) + 1] for path in new for old in there):
        return  # a file for a folder: refused where that folder cannot be moved
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        for name in ("lib", "bin"):
            (root / name).mkdir()
        _fill(root / "lib", dict.fromkeys(there, "old"))
        before = _tree(root)
        layout = _layout(root)
        conflicts = Conflicts((), options=InstallOptions(), reporter=Reporter(), owners=dict)
        changes = ChangeSet(layout, conflicts, is_movable=lambda folder: "/c" not in folder)
        files = [NewFile(target=f"{root}/lib/{path}", source=None, data=b"new", sha256="", size=3) for path in new]

        with open_staging(layout, "copy") as staging:
            staging.fill(files)
            for file in files:
                changes.bring(Incoming(file=file, order=0, title="new", adopts=False))
            for path in leaving:
                changes.remove(f"{root}/lib/{path}", Outgoing(order=0))
            moves = Reach(staging).moves(changes.steps())
            conflicts.conclude()
            for cut in cuts:
                do_moves(moves[:cut])
                assert disturbed(moves) == []
            if back:
                for cut in cuts:
                    undo_moves(moves[cut:])
                    assert disturbed(moves, is_undone=True) == []
                undo_moves(moves)
            else:
                do_moves(moves)
            assert disturbed(moves, is_undone=back) == []

        if back:
            assert _tree(root) == before
        expected = {f"lib/{path}": "old" for path in staying} | {f"lib/{path}": "new" for path in new}
        assert back or _files(root) == expected
        assert back or not _emptied(root, there | new)
        assert stuck or len(moves) <= 2 * len(new | leaving)
