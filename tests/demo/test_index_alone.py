"""The demo reaches the index as the machine does, and leaves everything else of the machine's settings out."""

import os
from pathlib import Path

from demo.index_alone import index_alone_variables, load_index_alone
from miniuv.settings import Settings


def test_a_miniuv_that_is_started_with_the_variables_has_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\n"
        "index-url = https://user:secret@index.example/simple\n"
        "extra-index-url = https://extra.example/simple\n"
        "find-links = /somewhere\n"
        "trusted-host = index.example other.example\n"
        "constraint = /somewhere/constraints.txt\n"
        "timeout = 77\n"
    )
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "MINIUV_EXTRA_INDEX_URL": "https://more.example/simple",
        "MINIUV_OFFLINE": "1",
    }
    settings = load_index_alone(environ, cache=tmp_path / "cache", directory=tmp_path)

    variables = index_alone_variables(environ, settings)
    started = Settings.load(cli={}, environ=variables, directory=tmp_path)

    assert started == settings
    assert started.index_url.reveal() == "https://user:secret@index.example/simple"
    assert (started.extra_index_urls, started.find_links, started.constraint_files) == ((), (), ())
    assert (started.timeout, started.offline, started.cache_dir) == (77.0, False, tmp_path / "cache")
