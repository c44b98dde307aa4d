"""Little projects with a build backend of their own: real builds, no index, a few milliseconds."""

import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.archives import tar_member

BACKEND = '''"""Builds what project.json says; writes a line for each build to $TINY_BUILD_LOG."""
import json, os, zipfile

with open("project.json") as file:
    P = json.load(file)
STEM = P["name"].replace("-", "_")
INFO = f"{STEM}-{P['version']}.dist-info"


def _metadata():
    lines = ["Metadata-Version: 2.1", f"Name: {P['name']}", f"Version: {P['version']}"]
    lines += [f"Requires-Dist: {text}" for text in P["dependencies"]]
    for extra, texts in P["extras"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {text} ; extra == "{extra}"' for text in texts]
    return "\\n".join(lines) + "\\n"


def _build(folder, files, kind):
    if P["fails"]:
        print("first line of the backend")
        raise SystemExit(P["fails"])
    log = os.environ.get("TINY_BUILD_LOG")
    if log:
        with open(log, "a") as file:
            file.write(f"{kind} {P['name']}\\n")
    name = f"{STEM}-{P['version']}-py3-none-any.whl"
    files = dict(files)
    files[f"{INFO}/METADATA"] = _metadata()
    files[f"{INFO}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    if P["scripts"]:
        text = "".join(f"{script} = {where}\\n" for script, where in P["scripts"].items())
        files[f"{INFO}/entry_points.txt"] = "[console_scripts]\\n" + text
    import base64, hashlib
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    files[f"{INFO}/RECORD"] = "\\n".join([*rows, f"{INFO}/RECORD,,"]) + "\\n"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(f"{STEM}/__init__.py") as file:
        return _build(wheel_directory, {f"{STEM}/__init__.py": file.read()}, "wheel")


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _build(wheel_directory, {f"_{STEM}.pth": os.getcwd() + "\\n"}, "editable")
'''


def project_files(
    name: str,
    version: str = "1.0",
    *,
    dependencies: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    dynamic: bool = False,
    scripts: Mapping[str, str] | None = None,
    fails: str | None = None,
    source: str | None = None,
) -> dict[str, str]:
    """The files of a project that imports as its own name; ``dynamic``: only the backend knows the metadata."""
    module = name.replace("-", "_")
    facts = {
        "name": name,
        "version": version,
        "dependencies": list(dependencies),
        "extras": {extra: list(texts) for extra, texts in (extras or {}).items()},
        "scripts": dict(scripts or {}),
        "fails": fails,
    }
    lines = ["[build-system]", "requires = []", 'build-backend = "tiny"', 'backend-path = ["backend"]']
    if not dynamic:
        lines += [
            "[project]",
            f'name = "{name}"',
            f'version = "{version}"',
            f"dependencies = {json.dumps([*dependencies])}",
        ]
        if requires_python:
            lines.append(f'requires-python = "{requires_python}"')
        if extras:
            lines += ["[project.optional-dependencies]"]
            lines += [f"{extra} = {json.dumps([*texts])}" for extra, texts in extras.items()]
        if scripts:
            lines += ["[project.scripts]", *(f'{script} = "{where}"' for script, where in scripts.items())]
    return {
        "pyproject.toml": "\n".join(lines) + "\n",
        "project.json": json.dumps(facts, indent=1),
        "backend/tiny.py": BACKEND,
        f"{module}/__init__.py": source if source is not None else f"__version__ = {version!r}\n",
    }


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` below ``folder``, and return it."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def write_project(folder: Path, name: str, version: str = "1.0", **facts: object) -> Path:
    """``project_files`` on disk, below ``folder/name``."""
    return write_files(folder / name, project_files(name, version, **facts))  # type: ignore[arg-type]


def sdist_members(
    name: str, version: str = "1.0", *, top: str | None = None, pkg_info: str = "", **facts: object
) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members of an honest sdist of ``project_files``; ``top`` is its folder where it is named otherwise."""
    files = project_files(name, version, **facts)  # type: ignore[arg-type]
    files |= {"PKG-INFO": pkg_info} if pkg_info else {}
    return [tar_member(f"{top or f'{name}-{version}'}/{path}", text.encode()) for path, text in files.items()]
