"""The places where settings stand, highest first."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from miniuv.errors import SettingsError
from miniuv.settings.files import config_home, read_toml
from miniuv.settings.options import OTHERS_OPTIONS, SETTINGS, Layer, flag
from miniuv.settings.others import pip_layers, uv_layers


def layers(cli: Mapping[str, object], environ: Mapping[str, str], directory: Path) -> Iterator[Layer]:
    """Read one place after the other."""
    names = {setting.name: option for option, setting in SETTINGS.items()}
    given = {names.get(key, key.replace("_", "-")): value for key, value in cli.items() if value is not None}
    no_config = given.pop("no-config", False)
    yield _own_layer("the command line", directory, given)
    own = {
        option: environ[variable]
        for option in SETTINGS
        if environ.get(variable := f"MINIUV_{option.upper().replace('-', '_')}")
    }
    yield _own_layer("the environment", directory, own)
    if no_config or flag(environ, "MINIUV_NO_CONFIG"):
        return
    file = directory / "pyproject.toml"
    project = read_toml(file).get("tool", {})
    project = project if isinstance(project, dict) else {}
    yield _own_layer("pyproject.toml, [tool.miniuv]", directory, project.get("miniuv", {}), file)
    user = environ.get("MINIUV_CONFIG_FILE") or config_home(environ) / "miniuv" / "miniuv.toml"
    yield _own_layer(str(user), Path(user).parent, read_toml(directory / user), directory / user)
    yield from uv_layers(environ, directory, project.get("uv", {}))
    yield from pip_layers(environ, directory)
    if not environ.get("SSL_CERT_FILE") and not environ.get("SSL_CERT_DIR"):
        bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
        yield Layer(where="the environment", base=directory, values={"cert": bundle} if bundle else {})


def _own_layer(where: str, base: Path, values: object, *files: Path) -> Layer:
    if not isinstance(values, dict):
        raise SettingsError("the settings of miniuv are no table", where=where)
    for option in sorted(values):
        if option not in SETTINGS and option not in OTHERS_OPTIONS:
            from difflib import get_close_matches

            near = get_close_matches(option, SETTINGS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(SETTINGS))}"
            raise SettingsError(f"unknown setting `{option}`", where=where, hint=hint)
    return Layer(where=where, base=base, values=values, files=files)
