import os
import sys
from pathlib import Path

import pytest

from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import TargetRequest
from tests.support.pythons import Listener, fake_python, interpreters, make_environment


def target(
    directory: Path, environ: dict[str, str] | None = None, *, change: bool = True, **request: object
) -> Interpreter:
    base = {"HOME": str(directory), "PATH": f"{directory}/bin"}
    wanted = TargetRequest(**request)  # type: ignore[arg-type]
    return interpreters(base | (environ or {})).target(wanted, directory=directory, change=change)


def test_an_environment_folder_is_named_without_being_active(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / ".venv1")
    assert target(tmp_path, python=".venv1") == environment
    assert target(tmp_path, python=str(tmp_path / ".venv1")) == environment
    assert target(tmp_path, python=".venv1/bin/python") == environment


def test_without_a_name_the_variables_come_first_and_then_dot_venv_upwards(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    make_environment(tmp_path / "active")
    make_environment(tmp_path / "conda")
    (tmp_path / "conda" / "conda-meta").mkdir()
    inner = tmp_path / "deep" / "inner"
    inner.mkdir(parents=True)
    both = {"VIRTUAL_ENV": str(tmp_path / "active"), "CONDA_PREFIX": str(tmp_path / "conda")}
    assert target(inner, both).prefix == tmp_path / "active"
    assert target(inner, {"CONDA_PREFIX": both["CONDA_PREFIX"]}).prefix == tmp_path / "conda"
    assert target(inner).prefix == tmp_path / ".venv"


def test_a_folder_that_is_merely_called_dot_venv_is_passed_over(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    (tmp_path / "inner" / ".venv").mkdir(parents=True)
    assert target(tmp_path / "inner").prefix == tmp_path / ".venv"


def test_the_environment_that_was_found_is_told(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    listener = Listener()
    finder = interpreters({"HOME": str(tmp_path), "PATH": ""}, reporter=listener)
    finder.target(TargetRequest(), directory=tmp_path)
    assert listener.notes == [f"using the environment `{tmp_path / '.venv'}`, found by .venv"]


def test_without_any_environment_the_error_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="no environment") as caught:
        target(tmp_path)
    assert "miniuv venv" in str(caught.value.hint)


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_a_variable_that_names_no_environment_is_an_error_not_a_surprise(tmp_path: Path, variable: str) -> None:
    make_environment(tmp_path / ".venv")
    with pytest.raises(TargetError, match="is no environment") as caught:
        target(tmp_path, {variable: str(tmp_path / "gone")})
    assert caught.value.where == variable
    assert "unset" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("python", "message"),
    [("gone", "there is no `gone`"), ("plain", "`plain` is no environment"), ("./gone/x", "there is no `./gone/x`")],
)
def test_a_place_that_is_no_environment_is_refused_with_the_command_that_makes_it(
    tmp_path: Path, python: str, message: str
) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(TargetError, match=message) as caught:
        target(tmp_path, python=python)
    assert f"miniuv venv {python}" in str(caught.value.hint)


def test_a_version_means_the_active_environment_where_it_fits(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / ".venv")
    assert target(tmp_path, python=environment.python) == environment


def test_a_version_that_the_active_environment_is_not_means_an_installation(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    other = fake_python(tmp_path / "bin" / "python3.99", version="3.99.1")
    with pytest.raises(TargetError, match="belongs to no environment"):
        target(tmp_path, python="3.99")
    assert target(tmp_path, python="3.99", system=True).executable == other


def test_an_installation_is_refused_unless_system_is_meant(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python3")
    with pytest.raises(TargetError, match="belongs to no environment") as caught:
        target(tmp_path, python=str(python))
    assert "--system" in str(caught.value.hint)
    assert target(tmp_path, python=str(python), system=True).executable == python


def test_system_passes_the_active_environment_by(tmp_path: Path) -> None:
    make_environment(tmp_path / ".venv")
    python = fake_python(tmp_path / "bin" / "python3")
    found = target(tmp_path, {"VIRTUAL_ENV": str(tmp_path / ".venv")}, system=True)
    assert found.executable == python


def test_an_externally_managed_installation_is_refused_with_its_own_message(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python3")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=Use the package manager.\n")
    with pytest.raises(TargetError, match=r"Use the package manager\.") as caught:
        target(tmp_path, python=str(python), system=True)
    assert "--break-system-packages" in str(caught.value.hint)
    assert target(tmp_path, python=str(python), system=True, break_system_packages=True).executable == python


def test_reading_is_allowed_where_installing_is_not(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python3")
    assert target(tmp_path, python=str(python), change=False).executable == python


def test_a_read_only_environment_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = make_environment(tmp_path / ".venv")
    environment.scheme.purelib.chmod(0o555)
    if os.geteuid() == 0:  # root may write wherever the mode says no: answer for somebody else
        monkeypatch.setattr("os.access", lambda path, _: bool(Path(path).stat().st_mode & 0o222))
    with pytest.raises(TargetError, match="site-packages` cannot be written to"):
        target(tmp_path)


def test_an_environment_whose_python_is_gone_says_so(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / ".venv")
    environment.executable.unlink()
    environment.executable.symlink_to("/nonexistent/python3")
    with pytest.raises(TargetError, match="does not start") as caught:
        target(tmp_path)
    assert "gone" in str(caught.value.hint)


def test_an_environment_reached_through_a_link_keeps_the_users_path(tmp_path: Path) -> None:
    make_environment(tmp_path / "real")
    (tmp_path / ".venv").symlink_to("real")
    assert target(tmp_path).executable == tmp_path / ".venv" / "bin" / "python"
    assert target(tmp_path).real_executable == Path(os.path.realpath(sys.executable))
