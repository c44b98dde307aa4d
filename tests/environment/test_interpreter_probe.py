import json
import os
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from miniuv.cache.store import Store
from miniuv.environment import probe
from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.reporter import Reporter
from tests.support.pythons import fake_python, interpreters, make_environment, own_answer, program


def describe(executable: Path) -> Interpreter:
    return interpreters().describe(executable)


def test_tags_and_markers_are_those_that_packaging_finds_inside() -> None:
    here = describe(Path(sys.executable))
    assert here.tags == tuple(str(tag) for tag in sys_tags())
    assert here.markers == dict(default_environment())
    assert here.cache_tag == sys.implementation.cache_tag


def test_the_scheme_is_that_of_sysconfig() -> None:
    scheme = describe(Path(sys.executable)).scheme
    paths = sysconfig.get_paths()
    assert (str(scheme.purelib), str(scheme.platlib)) == (paths["purelib"], paths["platlib"])
    assert (str(scheme.scripts), str(scheme.data)) == (paths["scripts"], paths["data"])


def test_an_environment_has_headers_of_its_own(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    assert environment.is_environment
    assert environment.scheme.headers == tmp_path / "env" / "include" / "site" / f"python{environment.python}"


def test_an_environment_is_called_by_its_own_path_and_known_by_the_file_behind(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    assert environment.executable == tmp_path / "env" / "bin" / "python"
    assert environment.prefix == tmp_path / "env"
    assert environment.real_executable == Path(os.path.realpath(sys.executable))


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13", "3.14"])
def test_other_pythons_of_this_machine_describe_themselves(version: str) -> None:
    try:
        found = interpreters(os.environ).find(version, directory=Path("/"))
    except TargetError:
        pytest.skip(f"no Python {version} that starts")
    assert found.python == version
    assert found.markers["python_version"] == version
    assert found.tags[0].startswith(f"cp{version.replace('.', '')}-")


def test_a_package_named_packaging_in_the_environment_is_not_asked(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    hostile = environment.scheme.purelib / "packaging" / "__init__.py"
    hostile.parent.mkdir()
    hostile.write_text("raise SystemExit('the wrong one')")
    (environment.scheme.purelib / "early.pth").write_text("import sys; sys.modules['packaging'] = 1\n")
    assert describe(environment.executable).tags == environment.tags


def test_what_an_environment_prints_when_it_starts_does_not_matter(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    (environment.scheme.purelib / "loud.pth").write_text(
        "import sys, atexit; sys.stdout.write('hello {'); atexit.register(print, 'bye')\n"
    )
    assert describe(environment.executable) == environment


def test_variables_of_python_reach_no_interpreter(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    environ = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent"}
    assert interpreters(environ).describe(Path(sys.executable)).cache_tag == sys.implementation.cache_tag


def test_the_probe_leaves_no_bytecode_in_our_own_packaging(tmp_path: Path) -> None:
    import packaging

    cached = Path(packaging.__file__).parent / "__pycache__"
    before = sorted(os.listdir(cached)) if cached.exists() else []
    describe(make_environment(tmp_path / "env").executable)
    assert (sorted(os.listdir(cached)) if cached.exists() else []) == before


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("echo 'shim: python3.12: command not found' >&2; exit 127", "command not found", id="shim"),
        pytest.param("exit 3", "does not start: exit status 3", id="silent"),
        pytest.param("echo Traceback >&2; echo '  deep' >&2; echo 'OSError: gone' >&2; exit 1", "gone", id="traceback"),
        pytest.param("echo hello", "is no Python", id="another program"),
        pytest.param("echo '{}'", "does not describe itself", id="empty answer"),
        pytest.param("""echo '{"version": "3.6.15"}'""", "is Python 3.6.15: too old", id="old"),
    ],
)
def test_one_that_is_no_use_is_refused_with_the_reason(tmp_path: Path, body: str, reason: str) -> None:
    with pytest.raises(TargetError, match=reason):
        describe(program(tmp_path / "python", body))


def test_a_link_to_a_python_that_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("/nonexistent/python3")
    with pytest.raises(TargetError, match="does not start") as caught:
        describe(tmp_path / "python")
    assert "/nonexistent/python3`, which is gone" in str(caught.value.hint)


def test_a_path_through_dots_is_called_plainly(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    (tmp_path / "here").mkdir()
    assert describe(tmp_path / "here" / ".." / "env" / "bin" / "python") == environment


def test_an_answer_is_remembered_by_the_cache(tmp_path: Path) -> None:
    executable = fake_python(tmp_path / "bin" / "python")
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        first = interpreters(store=store).describe(executable)
        status = executable.stat()
        executable.write_text("x" * status.st_size)
        os.utime(executable, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert interpreters(store=store).describe(executable) == first


def test_a_changed_interpreter_is_asked_anew(tmp_path: Path) -> None:
    executable = fake_python(tmp_path / "bin" / "python", version="3.11.1")
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        interpreters(store=store).describe(executable)
        fake_python(executable, version="3.12.0")
        assert interpreters(store=store).describe(executable).python == "3.12"


def test_an_environment_made_anew_is_asked_anew(tmp_path: Path) -> None:
    executable = fake_python(tmp_path / "bin" / "python")
    (tmp_path / "pyvenv.cfg").write_text("one")
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        interpreters(store=store).describe(executable)
        (tmp_path / "pyvenv.cfg").write_text("another")
        executable.write_text("#!/bin/sh\nexit 9\n")
        with pytest.raises(TargetError, match="exit status 9"):
            interpreters(store=store).describe(executable)


def test_a_shim_is_never_remembered(tmp_path: Path) -> None:
    real = fake_python(tmp_path / "bin" / "python", version="3.11.1")
    shim = program(tmp_path / "shims" / "python", f'exec "{real}" "$@"')
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        assert interpreters(store=store).describe(shim).executable == real
        fake_python(real, version="3.12.0")
        assert interpreters(store=store).describe(shim).python == "3.12"


def test_junk_in_the_cache_is_asked_again(tmp_path: Path) -> None:
    executable = fake_python(tmp_path / "bin" / "python")
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        first = interpreters(store=store).describe(executable)
        (record,) = (path for path in (tmp_path / "cache").rglob("*.json") if str(executable) in path.read_text())
        record.write_text(record.read_text().replace("cache_tag", "cache_lag"))
        assert interpreters(store=store).describe(executable) == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[externally-managed]\nError=Use apt.\n  Or a venv.\n", "Use apt.\nOr a venv.", id="message"),
        pytest.param("[externally-managed]\nError=100% no\n", "100% no", id="percent"),
        pytest.param("[externally-managed]\n", "EXTERNALLY-MANAGED` gives no reason", id="none"),
        pytest.param("", "EXTERNALLY-MANAGED` gives no reason", id="empty"),
        pytest.param("\0[[ junk", "EXTERNALLY-MANAGED` gives no reason", id="junk"),
    ],
)
def test_the_distributors_message_is_read(tmp_path: Path, text: str, message: str) -> None:
    executable = fake_python(tmp_path / "bin" / "python")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "EXTERNALLY-MANAGED").write_text(text)
    assert message in (describe(executable).externally_managed or "")


def test_an_environment_of_a_managed_python_is_not_managed(tmp_path: Path) -> None:
    executable = fake_python(tmp_path / "bin" / "python", base_prefix="/usr")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=no\n")
    assert describe(executable).externally_managed is None


def test_an_answer_is_plain_text_whatever_bytes_its_paths_have(tmp_path: Path) -> None:
    facts = json.loads(own_answer())
    facts["prefix"] = facts["base_prefix"] = os.fsdecode(b"/caf\xe9")
    answer = probe.Answer(json.dumps(facts))
    assert answer.isascii()
    assert os.fsencode(probe.read(answer, executable=tmp_path).prefix) == b"/caf\xe9"
