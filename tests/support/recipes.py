"""Projects whose backend comes as a wheel and does what the project's ``recipe.py`` says: whatever a build may do."""

from pathlib import Path

from tests.support.projects import write_files
from tests.support.wheels import make_wheel

_BACKEND = '''"""Runs recipe.py, which sets FILES, and perhaps NAME, VERSION and REQUIRES."""
import base64, hashlib, os, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("recipe.py") as file:
        code = compile(file.read(), "recipe.py", "exec")
    names = {"__name__": "recipe", "NAME": "one", "VERSION": "1.0", "REQUIRES": [], "FILES": {}}
    exec(code, names)
    info = "{NAME}-{VERSION}.dist-info".format(**names)
    lines = ["Metadata-Version: 2.1", "Name: " + names["NAME"], "Version: " + names["VERSION"]]
    lines += ["Requires-Dist: " + text for text in names["REQUIRES"]]
    files = {
        **names["FILES"],
        info + "/METADATA": "\\n".join(lines) + "\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append("{},sha256={},{}".format(path, digest, len(text.encode())))
    files[info + "/RECORD"] = "\\n".join([*rows, info + "/RECORD,,"]) + "\\n"
    name = "{NAME}-{VERSION}-py3-none-any.whl".format(**names)
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name


build_editable = build_wheel
'''

STATIC = '[project]\nname = "one"\nversion = "1.0"\n'


def make_backend(folder: Path) -> Path:
    """The backend as a wheel in ``folder``."""
    return make_wheel(folder, "recipe-backend", "1.0", {"recipe_backend.py": _BACKEND})


def write_recipe(folder: Path, recipe: str = "", *, tables: str = STATIC, requires: str = "recipe-backend") -> Path:
    """A project in ``folder``."""
    system = f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "recipe_backend"\n'
    return write_files(folder, {"pyproject.toml": system + tables, "recipe.py": recipe})
