import contextlib
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.errors import RequirementError
from miniuv.project.requirement_file import RequirementFile, read_requirement_file
from miniuv.project.requirement_lines import decode, parse_lines

DIGEST = "ab" * 32


def read(folder: Path, name: str = "requirements.txt", *, constraint: bool = False, **environ: str) -> RequirementFile:
    return read_requirement_file(name, directory=folder, environ=environ, constraint=constraint)


def texts(file: RequirementFile) -> list[str]:
    return [line.text for line in file.requirements]


def write(folder: Path, text: str | bytes, name: str = "requirements.txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def refusal(folder: Path, *, constraint: bool = False) -> RequirementError:
    with pytest.raises(RequirementError) as caught:
        read(folder, constraint=constraint)
    return caught.value


def test_requirements_keep_their_order_and_place(tmp_path: Path) -> None:
    write(tmp_path, "# a comment\nb>=1  # why\n\n  a @ https://host/a-1.zip#sha256=x\n\t# c\nc ; os_name == 'posix'\n")
    file = read(tmp_path)
    assert texts(file) == ["b>=1", "a @ https://host/a-1.zip#sha256=x", "c ; os_name == 'posix'"]
    assert [line.origin.place for line in file.requirements] == [f"requirements.txt:{line}" for line in (2, 4, 6)]


def test_a_backslash_joins_lines_and_the_first_one_is_the_place(tmp_path: Path) -> None:
    write(tmp_path, f"x\na==1 \\\n    --hash=sha256:{DIGEST} \\\n    --hash sha512:{'0' * 128}\nb\\\n# comment\nc")
    file = read(tmp_path)
    assert texts(file) == ["x", "a==1", "b", "c"]
    assert file.requirements[1].hashes == {f"sha256:{DIGEST}", f"sha512:{'0' * 128}"}
    assert [line.origin.place[-1] for line in file.requirements] == ["1", "2", "5", "7"]


def test_a_backslash_at_the_very_end_does_no_harm(tmp_path: Path) -> None:
    assert texts(read(write(tmp_path, "a\\"))) == ["a"]


@pytest.mark.parametrize(
    "line",
    ["-e ./a[x]", "--editable ./a[x]", "--editable=./a[x]", "-e./a[x]", "-e './a[x]'", '--editable "./a[x]"  # why'],
)
def test_editables(tmp_path: Path, line: str) -> None:
    (found,) = read(write(tmp_path, line)).requirements
    assert found.text == "./a[x]"
    assert found.editable


def test_an_editable_keeps_its_name_and_marker(tmp_path: Path) -> None:
    (found,) = read(write(tmp_path, "-e name[x] @ file:///a ; python_version > '3'")).requirements
    assert found.text == "name[x] @ file:///a ; python_version > '3'"


def test_nested_files_start_from_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, "a\n-r sub/more.txt\n-c limits.txt\nz\n")
    write(tmp_path, "b\n-r deeper/most.txt\n-c ../limits.txt\n", "sub/more.txt")
    write(tmp_path, "c\n", "sub/deeper/most.txt")
    write(tmp_path, "d<2\n-r others.txt\n", "limits.txt")
    write(tmp_path, "e<2\n", "others.txt")
    file = read(tmp_path)
    assert texts(file) == ["a", "b", "c", "z"]
    assert [line.text for line in file.constraints] == ["d<2", "e<2"]
    assert file.requirements[2].origin.place == "sub/deeper/most.txt:1"


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, "a\n-r b.txt\n-r requirements.txt\n")
    write(tmp_path, "b\n-r requirements.txt\n", "b.txt")
    assert texts(read(tmp_path)) == ["a", "b"]


def test_a_file_may_be_requirements_and_constraints(tmp_path: Path) -> None:
    file = read(write(tmp_path, "a<2\n-c requirements.txt\n"))
    assert texts(file) == ["a<2"]
    assert [line.text for line in file.constraints] == ["a<2"]


def test_a_constraint_file_gives_constraints_only(tmp_path: Path) -> None:
    file = read(write(tmp_path, "a<2\n"), constraint=True)
    assert (texts(file), [line.text for line in file.constraints]) == ([], ["a<2"])
    write(tmp_path, "\n-e ./x\n")
    assert str(refusal(tmp_path, constraint=True)) == "requirements.txt:2: a constraint cannot be editable"


def test_index_options(tmp_path: Path) -> None:
    write(
        tmp_path,
        "-i https://one/simple\n--index-url=https://two/simple\n--extra-index-url https://three/simple\n"
        "--extra-index-url=https://four/simple\n-f links\n--find-links https://five/\n--no-index\n--pre\n"
        "--require-hashes\n--trusted-host five\n",
    )
    file = read(tmp_path)
    assert file.index_url == "https://two/simple"
    assert file.extra_index_urls == ("https://three/simple", "https://four/simple")
    assert file.find_links == (str(tmp_path / "links"), "https://five/")
    assert (file.no_index, file.prereleases, file.require_hashes) == (True, True, True)
    assert file.trusted_hosts == ("five",)


def test_options_without_effect_are_told(tmp_path: Path) -> None:
    file = read(write(tmp_path, "\n--prefer-binary\n--use-feature fast-deps\na --global-option=x\n"))
    assert texts(file) == ["a"]
    assert file.warnings == (
        "requirements.txt:2: `--prefer-binary` has no effect",
        "requirements.txt:3: `--use-feature` has no effect",
        "requirements.txt:4: `--global-option` has no effect",
    )


def test_variables_are_replaced_where_they_are_set(tmp_path: Path) -> None:
    write(tmp_path, "a @ https://${USER_1}:${TOKEN}@host/${lower}/${UNSET}/$TOKEN.zip")
    assert texts(read(tmp_path, USER_1="me", TOKEN="s", lower="no")) == [
        "a @ https://me:s@host/${lower}/${UNSET}/$TOKEN.zip"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--wat", "is no option that a requirement file may hold"),
        ("-x", "is no option"),
        ("-r", "needs a value"),
        ("--index-url", "needs a value"),
        ("-r a.txt b.txt", "takes one value"),
        ("-r 'a.txt", "cannot be read"),
        ("--no-index=yes", "takes no value"),
        ("a --hash=md5:00", "no sha256"),
        (f"a --hash=sha256:{DIGEST[1:]}", "no sha256"),
        ("a --index-url=x", "cannot follow a requirement"),
        ("-r absent.txt", "`absent.txt` does not exist"),
        ("-r https://host/r.txt", "is a URL"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    error = refusal(write(tmp_path, f"ok\n\n{line}\n"))
    assert error.where == "requirements.txt:3"
    assert message in error.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(refusal(tmp_path)) == "the command line: `requirements.txt` does not exist"
    (tmp_path / "requirements.txt").mkdir()
    assert "cannot be read" in str(refusal(tmp_path))


@pytest.mark.parametrize(
    "data",
    [
        "a # é\n".encode("utf-8-sig"),
        "a # é\n".encode("utf-16"),
        b"\xff\xfe\x00\x00" + "a # é\n".encode("utf-32-le"),
        b"# -*- coding: latin-1 -*-\na # \xe9\n",
        b"\n# vim: set fileencoding=cp1252 :\na # \x80\n",
        b"a\r\n",
    ],
)
def test_encodings_are_recognised(tmp_path: Path, data: bytes) -> None:
    assert texts(read(write(tmp_path, data))) == ["a"]


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, b"a\nb # \xe9\n")).where == "requirements.txt:2"
    assert "unknown encoding" in refusal(write(tmp_path, b"# coding: wat\na\n")).message


def test_standard_input_is_a_file_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "b\n", "more.txt")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n-r more.txt\n")))
    assert texts(read(tmp_path, "-")) == ["a", "b"]


def test_a_reader_may_bring_files_from_elsewhere(tmp_path: Path) -> None:
    files = {"https://u:TOKEN@host/d/r.txt": b"a\n-r more.txt\n", "https://u:TOKEN@host/d/more.txt": b"b\n"}
    file = read_requirement_file("https://u:TOKEN@host/d/r.txt", directory=tmp_path, environ={}, read=files.__getitem__)
    assert texts(file) == ["a", "b"]
    assert file.requirements[1].origin.place == "https://****@host/d/more.txt:1"


def test_the_setting_that_names_a_file_is_told_where_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RequirementError) as caught:
        read_requirement_file("no.txt", directory=tmp_path, environ={}, named_by="`PIP_CONSTRAINT`")
    assert str(caught.value) == "`PIP_CONSTRAINT`: `no.txt` does not exist"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("pyproject.toml", "write `.`"), ("a/setup.py", "`-e ./a`"), ("a-1-py3-none-any.whl", "without `-r`")],
)
def test_what_is_no_list_of_requirements_is_told_by_its_name(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(RequirementError) as caught:
        read(tmp_path, name)
    assert "not a list of requirements" in caught.value.message
    assert hint in (caught.value.hint or "")


@given(st.text(alphabet="a-=rce #\\\n'\"${}H_:;@", max_size=60))
def test_no_text_causes_anything_but_lines_or_a_requirement_error(text: str) -> None:
    with contextlib.suppress(RequirementError):
        list(parse_lines(decode(text.encode(), where="x"), where="x", environ={"H": "v"}))
