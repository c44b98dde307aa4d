from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from miniuv.errors import SettingsError
from miniuv.settings import Settings, available_cores, default_index_url

Load = Callable[..., Settings]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def load(home: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings of a machine that has nothing but what the test writes."""
    monkeypatch.setattr("miniuv.settings.others.MACHINE", tmp_path / "machine")

    def load(cli: Mapping[str, object] | None = None, **environ: str) -> Settings:
        clean = {
            "HOME": str(home),
            "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
            "VIRTUAL_ENV": str(tmp_path / "env"),
            "MINIUV_CACHE_DIR": str(tmp_path / "cache"),
        }
        return Settings.load(cli=cli or {}, environ={**clean, **environ}, directory=project)

    return load


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def addresses(settings: Settings) -> list[str]:
    return [str(url) for url in settings.extra_index_urls]


def test_the_default_index_is_read_without_an_import_as_the_import_would_tell_it() -> None:
    from distlib.index import DEFAULT_INDEX  # type: ignore[import-untyped]

    assert urlsplit(str(default_index_url())).netloc == urlsplit(DEFAULT_INDEX).netloc


def test_where_the_text_tells_nothing_the_default_index_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    known = default_index_url()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    default_index_url.cache_clear()

    assert default_index_url() == known


def test_the_default_index_is_a_simple_api_over_https() -> None:
    assert default_index_url().scheme == "https"
    assert default_index_url().path == "/simple/"


def test_each_place_wins_over_the_lower_ones(load: Load, home: Path, project: Path, tmp_path: Path) -> None:
    def asked(**environ: str) -> str:
        return str(load(**environ).configured_index_url)

    write(tmp_path / "etc/pip/pip.conf", "[global]\nindex-url = https://pip-xdg/simple")
    assert asked() == "https://pip-xdg/simple"
    write(tmp_path / "machine/pip.conf", "[global]\nindex-url = https://pip-global/simple")
    assert asked() == "https://pip-global/simple"
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://pip-user/simple")
    assert asked() == "https://pip-user/simple"
    write(tmp_path / "env/pip.conf", "[global]\nindex-url = https://pip-site/simple")
    assert asked() == "https://pip-site/simple"
    write(home / ".config/pip/pip.conf", "[install]\nindex-url = https://pip-user-install/simple")
    assert asked() == "https://pip-user-install/simple"
    variables = {"PIP_INDEX_URL": "https://pip-variable/simple"}
    assert asked(**variables) == "https://pip-variable/simple"
    write(home / ".config/uv/uv.toml", 'index-url = "https://uv-user/simple"')
    assert asked(**variables) == "https://uv-user/simple"
    write(project / "uv.toml", '[[index]]\nurl = "https://uv-project/simple"\ndefault = true')
    assert asked(**variables) == "https://uv-project/simple"
    variables |= {"UV_DEFAULT_INDEX": "named=https://uv-variable/simple", "UV_INDEX_URL": "https://uv-old/simple"}
    assert asked(**variables) == "https://uv-variable/simple"
    write(home / ".config/miniuv/miniuv.toml", 'index-url = "https://user/simple"')
    assert asked(**variables) == "https://user/simple"
    write(project / "pyproject.toml", '[tool.miniuv]\nindex-url = "https://project/simple"')
    assert asked(**variables) == "https://project/simple"
    variables |= {"MINIUV_INDEX_URL": "https://variable/simple"}
    assert asked(**variables) == "https://variable/simple"
    assert str(load({"index_url": "https://cli/simple"}, **variables).index_url) == "https://cli/simple"


def test_lists_add_up_highest_first_and_without_duplicates(load: Load, home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nextra-index-url =\n  https://c/simple\n  https://b/simple")
    settings = load(
        {"extra_index_urls": ["https://a/simple"]},
        UV_INDEX="name=https://b/simple",
        UV_EXTRA_INDEX_URL="https://u/simple",
    )
    assert addresses(settings) == ["https://a/simple", "https://b/simple", "https://u/simple", "https://c/simple"]


def test_find_links_become_addresses_relative_to_where_they_stand(load: Load, home: Path, project: Path) -> None:
    write(home / ".config/miniuv/miniuv.toml", 'find-links = ["wheels", "https://host/links.html"]')
    settings = load({"find_links": ["../other wheels"]}, UV_FIND_LINKS="/one,/two", PIP_FIND_LINKS="/three /four")
    assert [str(url) for url in settings.find_links] == [
        f"file://{project.parent}/other%20wheels",
        f"file://{home}/.config/miniuv/wheels",
        "https://host/links.html",
        "file:///one",
        "file:///two",
        "file:///three",
        "file:///four",
    ]


def test_everything_that_pip_and_uv_share_with_us_is_read(load: Load, home: Path) -> None:
    text = "[global]\ncert = /c.pem\ntrusted-host = h1 h2:8080\ntimeout = 7\nretries = 9\nno-index = yes\n"
    write(home / ".pip/pip.conf", text + "[freeze]\ntimeout = 1\n")
    settings = load(PIP_CONSTRAINT="a.txt https://host/b.txt", UV_INSECURE_HOST="h0", UV_LINK_MODE="copy")
    assert settings.cert == Path("/c.pem")
    assert settings.trusted_hosts == ("h0", "h1", "h2:8080")
    assert (settings.timeout, settings.retries, settings.no_index) == (7.0, 9, True)
    assert [Path(file).name for file in settings.constraint_files] == ["a.txt", "b.txt"]
    assert settings.link_mode == "copy"


def test_a_link_mode_that_only_uv_has_is_passed_over(load: Load) -> None:
    assert load(UV_LINK_MODE="symlink").link_mode == "auto"


def test_an_explicit_or_flat_index_of_uv_is_not_searched_for_everything(load: Load, project: Path) -> None:
    write(
        project / "pyproject.toml",
        '[[tool.uv.index]]\nurl = "https://torch/simple"\nexplicit = true\n'
        '[[tool.uv.index]]\nurl = "https://team/simple"\n',
    )
    assert addresses(load()) == ["https://team/simple"]


def test_pip_reads_nothing_but_variables_where_its_file_is_the_null_device(load: Load, home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\ntimeout = 7")
    assert load(PIP_CONFIG_FILE="/dev/null").timeout == 30.0


def test_the_chosen_file_of_pip_replaces_the_users(load: Load, home: Path, tmp_path: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\ntimeout = 7\nretries = 8")
    write(tmp_path / "chosen.conf", "[global]\nretries = 9")
    settings = load(PIP_CONFIG_FILE=str(tmp_path / "chosen.conf"))
    assert (settings.timeout, settings.retries) == (30.0, 9)


@pytest.mark.parametrize("variables", [{"MINIUV_NO_CONFIG": "1"}, {}], ids=["variable", "option"])
def test_without_configuration_only_ours_counts(load: Load, project: Path, variables: dict[str, str]) -> None:
    write(project / "pyproject.toml", "[tool.miniuv]\noffline = true")
    cli = {} if variables else {"no_config": True}
    settings = load(cli, PIP_INDEX_URL="https://pip/simple", MINIUV_RETRIES="1", **variables)
    assert settings.configured_index_url is None
    assert (settings.offline, settings.retries) == (False, 1)


def test_the_bundle_of_other_tools_serves_unless_openssl_has_its_own(load: Load) -> None:
    assert load(CURL_CA_BUNDLE="/curl.pem", REQUESTS_CA_BUNDLE="/requests.pem").cert == Path("/requests.pem")
    assert load(REQUESTS_CA_BUNDLE="/requests.pem", SSL_CERT_FILE="/own.pem").cert is None


def test_a_password_in_an_index_is_kept_and_never_shown(load: Load) -> None:
    settings = load(PIP_INDEX_URL="https://me:hunter2@host/simple")
    assert "hunter2" not in repr(settings)
    assert settings.index_url.reveal() == "https://me:hunter2@host/simple"


def test_an_unknown_setting_is_refused_with_the_nearest_one(load: Load, project: Path) -> None:
    write(project / "pyproject.toml", '[tool.miniuv]\nindex-ulr = "https://host/simple"')
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.hint == "did you mean `index-url`?"
    assert "pyproject.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("MINIUV_OFFLINE", "perhaps", "MINIUV_OFFLINE"),
        ("MINIUV_RETRIES", "-1", "MINIUV_RETRIES"),
        ("MINIUV_TIMEOUT", "0", "MINIUV_TIMEOUT"),
        ("MINIUV_LOCK_WAIT", "nan", "MINIUV_LOCK_WAIT"),
        ("MINIUV_CONCURRENT_BUILDS", "0", "MINIUV_CONCURRENT_BUILDS"),
        ("MINIUV_LINK_MODE", "symlink", "MINIUV_LINK_MODE"),
        ("MINIUV_INDEX_URL", "https://[", "MINIUV_INDEX_URL"),
        ("PIP_TIMEOUT", "soon", "timeout"),
        ("MINIUV_NO_CONFIG", "maybe", "MINIUV_NO_CONFIG"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(load: Load, variable: str, value: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{variable: value})
    assert named in str(caught.value)
    assert "environment" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("pyproject.toml", "[tool.miniuv]\nretries = \n", "pyproject.toml:2"),
        ("uv.toml", "=", "uv.toml:1"),
        ("pyproject.toml", "[tool]\nminiuv = 1", "pyproject.toml"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(load: Load, project: Path, name: str, text: str, where: str) -> None:
    write(project / name, text)
    with pytest.raises(SettingsError) as caught:
        load()
    assert where in str(caught.value)


def test_a_broken_pip_file_is_refused_with_its_place(load: Load, home: Path) -> None:
    write(home / ".config/pip/pip.conf", "timeout = 3")
    with pytest.raises(SettingsError, match=r"pip\.conf"):
        load()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ({"cpu.max": "nonsense"}, 8),
        ({}, 8),
    ],
)
def test_a_container_with_a_quota_has_so_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("miniuv.settings.resolved._CGROUPS", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == cores
