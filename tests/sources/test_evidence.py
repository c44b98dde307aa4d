"""Proof is refused where somebody else may have changed what a build has looked at."""

import os
import time
from pathlib import Path

import pytest

from miniuv.backend.trace import Seen, TraceReport
from miniuv.sources.evidence import Fact, UnprovableError, first_change, gather, renewed
from miniuv.stamps import stamp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose files are older than any build."""
    for name in ("text", "other"):
        (tmp_path / name).write_text("a")
    time.sleep(0.05)  # a file system's clock is coarse: what is made now is newer
    return tmp_path


def names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(f"{'d' if path.is_dir() else 'f'}{path.name}" for path in folder.iterdir()))


def seen(path: Path, kinds: str) -> Seen:
    return Seen(kinds=kinds, line=stamp(str(path)), names=names(path) if "l" in kinds else None)


def report(*paths: Seen, started: int | None = None, refusals: tuple[str, ...] = ()) -> TraceReport:
    return TraceReport(started=started or time.time_ns(), seen=paths, refusals=refusals)


def paths(facts: tuple[Fact, ...]) -> list[str]:
    return sorted(os.path.basename(fact.path) for fact in facts)


def test_a_file_that_changes_during_the_build_is_no_proof(folder: Path) -> None:
    told = report(seen(folder / "text", "r"))
    (folder / "text").write_text("b")
    with pytest.raises(UnprovableError, match="changed while it was built"):
        gather([told])


def test_a_file_that_was_written_just_before_it_was_read_is_no_proof(folder: Path) -> None:
    (folder / "text").write_text("b")
    with pytest.raises(UnprovableError, match="changed while it was built"):
        gather([report(seen(folder / "text", "r"))])


def test_only_what_it_is_matters_of_a_file_that_was_looked_for(folder: Path) -> None:
    told = report(seen(folder / "text", "t"))
    (folder / "text").write_text("b")
    assert first_change(gather([told])) is None


def test_what_the_build_has_written_counts_as_it_is_after_it(folder: Path) -> None:
    told = report(seen(folder / "text", "rw"), seen(folder, "l"), seen(folder / "new", "tw"))
    (folder / "text").write_text("b")
    (folder / "new").write_text("b")
    facts = gather([told])
    assert first_change(facts) is None
    (folder / "text").write_text("a")
    assert first_change(facts) == str(folder / "text")


def test_a_file_that_somebody_adds_to_a_folder_that_the_build_writes_to_is_noticed(folder: Path) -> None:
    told = report(seen(folder, "l"), seen(folder / "new", "w"))
    (folder / "new").write_text("b")
    (folder / "foreign").write_text("b")
    with pytest.raises(UnprovableError, match="changed while it was built"):
        gather([told])


def test_what_came_with_a_renamed_folder_is_the_builds_own(folder: Path) -> None:
    told = report(seen(folder, "l"), seen(folder / "made", "m"), seen(folder / "made" / "file", "t"))
    (folder / "made").mkdir()
    (folder / "made" / "file").write_text("b")
    assert paths(gather([told])) == sorted([folder.name, "file", "made"])


def test_two_hooks_see_each_other_s_files(folder: Path) -> None:
    first = report(seen(folder, "l"), seen(folder / "new", "w"))
    (folder / "new").write_text("b")
    second = report(seen(folder, "l"), seen(folder / "new", "r"), started=first.started)
    assert paths(gather([first, second])) == sorted([folder.name, "new"])


def test_a_refusal_of_any_hook_is_one_of_the_build(folder: Path) -> None:
    with pytest.raises(UnprovableError, match="it uses the network"):
        gather([report(), report(refusals=("it uses the network",))])


def test_times_of_the_future_are_no_proof(folder: Path) -> None:
    os.utime(folder / "text", (time.time() + 5000,) * 2)
    with pytest.raises(UnprovableError, match="in the future"):
        gather([report(seen(folder / "text", "r"))])


def test_ignored_folders_are_not_looked_at(folder: Path) -> None:
    told = report(seen(folder / "text", "r"))
    (folder / "text").write_text("b")
    assert gather([told], ignored=[str(folder)]) == ()


def test_stamps_are_renewed_only_where_the_values_hold(folder: Path) -> None:
    facts = gather([report(seen(folder / "text", "r"), seen(folder / "other", "r"))])
    assert renewed(facts) is None
    os.utime(folder / "text", (1, 1))
    assert renewed(facts) is None  # one more change at this moment would leave no mark
    assert first_change(facts) is None
    (folder / "text").write_text("b")
    assert first_change(facts) == str(folder / "text")
