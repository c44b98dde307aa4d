"""Two environments are equal where what was installed is, whoever did it and wherever they are."""

import json
from collections.abc import Mapping
from pathlib import Path

from bench.contents import differences, read_contents

_SITE = "lib/python3.12/site-packages"


def _environment(place: Path, changes: Mapping[str, str]) -> dict[str, str]:
    environment = place / "env"
    files = {
        f"{_SITE}/one.py": "ONE = 1\n",
        f"{_SITE}/one-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n\ntext\n",
        f"{_SITE}/one-1.0.dist-info/direct_url.json": json.dumps(
            {"url": "https://example.invalid/one.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
        ),
        f"{_SITE}/project.pth": f"{place}/project/src\n",
        "bin/one": f"#!{environment}/bin/python\n",
        **changes,
    }
    for name, text in files.items():
        path = environment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_contents(environment, place=place)


def _differ(tmp_path: Path, changes: Mapping[str, str]) -> list[str]:
    return differences(_environment(tmp_path / "a", {}), _environment(tmp_path / "other", changes))


def test_what_each_installer_says_of_itself_makes_no_difference(tmp_path: Path) -> None:
    own = {
        f"{_SITE}/one-1.0.dist-info/INSTALLER": "somebody\n",
        f"{_SITE}/one-1.0.dist-info/RECORD": "one.py,,\n",
        "bin/one": "#!/bin/sh\n",
        "bin/python3": "the interpreter",
        ".lock": "",
    }
    assert _differ(tmp_path, own) == []


def test_one_changed_file_is_seen(tmp_path: Path) -> None:
    assert _differ(tmp_path, {f"{_SITE}/one.py": "ONE = 2\n"}) == [f"{_SITE}/one.py"]


def test_another_commit_is_seen_where_the_files_are_the_same(tmp_path: Path) -> None:
    moved = json.dumps({"url": "https://example.invalid/one.git", "vcs_info": {"vcs": "git", "commit_id": "b" * 40}})

    assert _differ(tmp_path, {f"{_SITE}/one-1.0.dist-info/direct_url.json": moved}) == ["origin of one-1.0.dist-info"]


def test_another_version_is_seen_by_name(tmp_path: Path) -> None:
    newer = "Metadata-Version: 2.1\nName: one\nVersion: 1.1\n\ntext\n"

    assert "version of one" in _differ(tmp_path, {f"{_SITE}/one-1.0.dist-info/METADATA": newer})


def test_an_environment_whose_modules_are_all_compiled_is_told_from_one_that_imported_some(tmp_path: Path) -> None:
    one = {f"{_SITE}/__pycache__/one.cpython-312.pyc": "bytecode"}

    assert _environment(tmp_path / "a", one)["bytecode"] == "of all modules"
    assert _environment(tmp_path / "b", {**one, f"{_SITE}/two.py": ""})["bytecode"] == "not of all"
    assert _environment(tmp_path / "c", {})["bytecode"] == "not of all"


def test_a_missing_script_is_seen(tmp_path: Path) -> None:
    assert _differ(tmp_path, {"bin/two": "#!/bin/sh\n"}) == ["bin/two"]
