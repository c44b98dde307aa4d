import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.environment.installed import fingerprint, installed_distributions
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from tests.support.pythons import Listener, fake_python, here, interpreters, make_environment


@pytest.fixture
def python(tmp_path: Path) -> Interpreter:
    found = interpreters().describe(fake_python(tmp_path / "env" / "bin" / "python"))
    found.scheme.purelib.mkdir(parents=True)
    return found


def put(site: Path, folder: str, **files: str) -> Path:
    info = site / folder
    info.mkdir(parents=True)
    for name, text in files.items():
        (info / name.replace("_json", ".json")).write_text(text)
    return info


def metadata(name: str, version: str, *more: str) -> str:
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more, "", "The body."])


def read(python: Interpreter, listener: Listener | None = None) -> tuple[InstalledDistribution, ...]:
    return installed_distributions(python, reporter=listener or Listener())


def test_a_distribution_is_read_whole(python: Interpreter) -> None:
    site = python.scheme.purelib
    url = {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}, "subdirectory": "sub"}
    info = put(
        site,
        "My_Project-1.0.dist-info",
        METADATA=metadata(
            "My.Project", "1.0", "Requires-Dist: six >=1", "Requires-Python: >=3.9", "Provides-Extra: Dev"
        ),
        INSTALLER="miniuv\n",
        REQUESTED="",
        direct_url_json=json.dumps(url),
    )
    (one,) = read(python)
    assert (one.name, str(one.metadata.version), one.installer, one.requested) == ("my-project", "1.0", "miniuv", True)
    assert (one.info, one.location) == (info, site)
    assert one.metadata.requires_dist == ("six >=1",)
    assert one.metadata.provides_extra == {"dev"}
    assert one.direct_url is not None
    assert one.direct_url.to_dict() == url


def test_an_editable_knows_its_folder(python: Interpreter) -> None:
    url = json.dumps({"url": "file:///some/my%20project", "dir_info": {"editable": True}})
    put(python.scheme.purelib, "a-1.dist-info", METADATA=metadata("a", "1"), direct_url_json=url)
    assert read(python)[0].editable_location == Path("/some/my project")


def test_distributions_come_sorted_by_name_and_twice_where_they_are_twice(python: Interpreter) -> None:
    for folder, version in [("b-1", "1"), ("a-10", "10"), ("a-9", "9")]:
        put(python.scheme.purelib, f"{folder}.dist-info", METADATA=metadata(folder[0], version))
    assert [str(one) for one in read(python)] == ["a 9", "a 10", "b 1"]


def test_one_folder_under_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib64").symlink_to("lib")
    paths = {name: str(tmp_path / "x") for name in ("scripts", "data", "include", "stdlib")}
    paths |= {"purelib": str(tmp_path / "lib"), "platlib": str(tmp_path / "lib64")}
    python = interpreters().describe(fake_python(tmp_path / "bin" / "python", paths=paths))
    put(tmp_path / "lib", "a-1.dist-info", METADATA=metadata("a", "1"))
    assert [one.location for one in read(python)] == [tmp_path / "lib"]


def test_an_environment_without_site_packages_has_nothing(python: Interpreter) -> None:
    python.scheme.purelib.rmdir()
    assert read(python) == ()


@pytest.mark.parametrize(
    ("folder", "files", "reason"),
    [
        pytest.param("a.dist-info", {}, "it has no `METADATA`", id="no version"),
        pytest.param("a-junk.dist-info", {"METADATA": metadata("a", "junk")}, "not valid", id="version"),
        pytest.param("..a-1.dist-info", {"METADATA": metadata("../a", "1")}, "no valid project name", id="name"),
        pytest.param("a.egg-info", {}, "it has no `PKG-INFO`", id="egg-info"),
        pytest.param("~-1.dist-info", {"METADATA": metadata("a", "1")}, "what pip left", id="left by pip"),
    ],
)
def test_a_broken_one_is_left_out_with_a_warning(
    python: Interpreter, folder: str, files: dict[str, str], reason: str
) -> None:
    put(python.scheme.purelib, folder, **files)
    put(python.scheme.purelib, "good-1.dist-info", METADATA=metadata("good", "1"))
    listener = Listener()
    assert [one.name for one in read(python, listener)] == ["good"]
    (warning,) = listener.warnings
    assert folder in warning
    assert reason in warning


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({}, "it has no `METADATA`", id="empty"),
        pytest.param({"METADATA": ""}, "has no `Name`", id="empty metadata"),
        pytest.param({"METADATA": "\0\1\2"}, "binary", id="binary"),
    ],
)
def test_a_broken_dist_info_is_there_with_its_problem(python: Interpreter, files: dict[str, str], problem: str) -> None:
    put(python.scheme.purelib, "My_A-1.0.dist-info", **files)
    listener = Listener()
    (one,) = read(python, listener)
    assert (one.name, str(one.metadata.version)) == ("my-a", "1.0")
    assert problem in (one.problem or "")
    assert "--reinstall my-a" in listener.warnings[0]


def test_one_whose_requirements_cannot_be_read_is_still_there(python: Interpreter) -> None:
    put(python.scheme.purelib, "a-1.dist-info", METADATA=metadata("A", "1", "Requires-Dist: ((("))
    listener = Listener()
    (one,) = read(python, listener)
    assert (str(one), one.metadata.requires_dist) == ("A 1", ())
    assert "the requirements of A cannot be read" in listener.warnings[0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_and_versions_alone_are_those_of_the_whole(python: Interpreter, end: str) -> None:
    text = metadata("One.Two", "1.0", "Requires-Dist: six", "Description: Name: no", "        Version: no")
    info = put(python.scheme.purelib, "one_two-1.0.dist-info", INSTALLER="pip\n")
    (info / "METADATA").write_bytes(f"{text}{end}{end}Name: body{end}".replace("\n", end).encode())
    (whole,) = read(python)

    (named,) = installed_distributions(python, reporter=Listener(), requirements=False)

    assert whole.metadata.requires_dist == ("six",)
    assert named.metadata == dataclasses.replace(whole.metadata, requires_dist=())
    assert dataclasses.replace(named, metadata=whole.metadata) == whole


def test_requirements_that_nobody_asks_for_are_not_read(python: Interpreter) -> None:
    put(python.scheme.purelib, "one-1.0.dist-info", METADATA=metadata("one", "1.0", "Requires-Dist: !!"))
    listener = Listener()

    (named,) = installed_distributions(python, reporter=listener, requirements=False)

    assert (named.name, listener.warnings) == ("one", [])


@pytest.mark.parametrize(
    "text",
    ["", "junk", "[]", "{}", '{"url": "x"}', '{"url": 1, "dir_info": {}}', "\udcff", '{"url": "x", "dir_info": []}'],
)
def test_a_broken_direct_url_is_a_warning_and_means_an_index(python: Interpreter, text: str) -> None:
    info = put(python.scheme.purelib, "a-1.dist-info", METADATA=metadata("a", "1"))
    (info / "direct_url.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    listener = Listener()
    assert read(python, listener)[0].direct_url is None
    assert "direct_url.json` cannot be read" in listener.warnings[0]


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_in_metadata_end_in_a_traceback(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        put(site, "a-1.dist-info")
        (site / "a-1.dist-info" / "METADATA").write_bytes(b"Name: a\nVersion: 1\n" + data)
        (site / "b.egg-link").write_bytes(data)
        read(_with_site(site))


def _with_site(site: Path) -> Interpreter:
    return dataclasses.replace(here(), scheme=dataclasses.replace(here().scheme, purelib=site, platlib=site))


def test_a_single_egg_info_file_of_distutils_is_understood(python: Interpreter) -> None:
    (python.scheme.purelib / "old-2.0-py3.9.egg-info").write_text(metadata("old", "2.0"))
    assert [str(one) for one in read(python)] == ["old 2.0"]


def test_the_requirements_of_an_egg_info_folder_are_understood(python: Interpreter) -> None:
    requires = "six>=1\n\n[dev]\npytest\n\n[:python_version < '3.0']\nenum34\n"
    info = put(python.scheme.purelib, "old-2.0.egg-info", **{"PKG-INFO": metadata("old", "2.0")})
    (info / "requires.txt").write_text(requires)
    (one,) = read(python)
    assert [text.partition(";")[0].strip() for text in one.metadata.requires_dist] == ["six>=1", "pytest", "enum34"]
    assert "extra" in one.metadata.requires_dist[1]


def test_a_develop_install_is_an_editable(python: Interpreter, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    put(project / "src", "My_Old.egg-info", **{"PKG-INFO": metadata("My-Old", "3.0")})
    link = python.scheme.purelib / "My-Old.egg-link"
    link.write_text(f"{project / 'src'}\n../")
    (one,) = read(python)
    assert (one.name, str(one.metadata.version), one.info) == ("my-old", "3.0", link)
    assert one.editable_location == project


def test_a_develop_install_whose_project_is_gone_is_left_out(python: Interpreter) -> None:
    (python.scheme.purelib / "old.egg-link").write_text("/nonexistent/project\n.")
    listener = Listener()
    assert read(python, listener) == ()
    assert "old.egg-link" in listener.warnings[0]


def test_pip_sees_the_same_distributions(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    site = environment.scheme.purelib
    put(site, "Modern_One-1.0.post1.dist-info", METADATA=metadata("Modern.One", "1.0.post1"))
    put(site, "legacy-2.0-py3.9.egg-info", **{"PKG-INFO": metadata("legacy", "2.0")})
    (site / "single-3.0.egg-info").write_text(metadata("single", "3.0"))
    put(site, "empty-1.dist-info")
    command = [sys.executable, "-m", "pip", "--python", str(environment.prefix), "list", "--format=json"]
    told = subprocess.run(command, capture_output=True, check=True)
    expected = {(entry["name"], entry["version"]) for entry in json.loads(told.stdout)}
    assert {(one.metadata.display_name, str(one.metadata.version)) for one in read(environment)} == expected


def test_the_fingerprint_stays_while_nothing_changes(python: Interpreter) -> None:
    put(python.scheme.purelib, "a-1.dist-info", METADATA=metadata("a", "1"), RECORD="a")
    (python.scheme.purelib / "a.py").write_text("")
    assert fingerprint(python) == fingerprint(python)


def test_the_fingerprint_differs_after_any_installation(python: Interpreter) -> None:
    site = python.scheme.purelib
    seen = {fingerprint(python)}
    info = put(site, "a-1.dist-info", METADATA=metadata("a", "1"), RECORD="a")
    seen.add(fingerprint(python))
    (info / "RECORD").rename(info / "old")
    (info / "RECORD").write_text("b")  # the same size, as when the same version is installed again
    seen.add(fingerprint(python))
    put(site, "b-1.dist-info", RECORD="b")
    seen.add(fingerprint(python))
    (info / "RECORD").unlink()
    seen.add(fingerprint(python))
    assert len(seen) == 5
