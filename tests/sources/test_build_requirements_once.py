"""What a backend needs besides its ``requires`` is asked once of each source, and remembered."""

from pathlib import Path

from tests.support.commands import World
from tests.support.git_repositories import GitRepository

_BACKEND = """
import os
from real_backend import *

def get_requires_for_build_wheel(config_settings=None):
    with open(os.environ["TINY_BUILD_LOG"], "a") as log:
        log.write("asked\\n")
    return []

def build_wheel(folder, config_settings=None, metadata_directory=None):
    import real_backend
    if os.path.exists(os.environ["TINY_BUILD_LOG"] + ".broken"):
        raise MemoryError
    return real_backend.build_wheel(folder, config_settings, metadata_directory)
"""


def test_a_private_copy_s_backend_is_asked_once_by_all_runs_with_one_cache(tmp_path: Path) -> None:
    from tests.support.projects import BACKEND, project_files

    world = World.make(tmp_path)
    log, broken = tmp_path / "log", tmp_path / "log.broken"
    world.environ["TINY_BUILD_LOG"] = str(log)
    files = project_files("pebble", dynamic=True)
    (name,) = [name for name, text in files.items() if text == BACKEND]
    files[name], files[str(Path(name).with_name("real_backend.py"))] = _BACKEND, BACKEND
    repository = GitRepository.create(tmp_path / "pebble.git")
    commit = repository.commit(files)
    requirement = f"pebble @ git+{repository.url}@{commit}"
    broken.touch()
    for _ in range(2):
        said = world.miniuv("pip", "install", requirement)
        assert said.code == 1, said.err
    broken.unlink()
    world.install(requirement)
    assert log.read_text().splitlines() == ["asked", "wheel pebble"]
    repository.commit({**files, "change": "1"})
    world.install("--upgrade", f"pebble @ git+{repository.url}@main")
    assert log.read_text().splitlines()[2:] == ["asked", "wheel pebble"], "another commit is another source"
