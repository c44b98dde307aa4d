"""What the bench of hostile wheels finds: the same wheels and the same look at all tools."""

import os
import sys
from pathlib import Path

import pytest

from bench.hostile import ACCEPTED, REFUSED, TOUCHED, TRACEBACK, score
from bench.tools import Tool
from tests.support.hostile_wheels import CORPUS

ROWS = ("W10", "W15", "W17", "W37d")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("miniuv", ({REFUSED},) * 4),
        ("pip", ({ACCEPTED}, {ACCEPTED}, {REFUSED, TOUCHED}, {REFUSED, TOUCHED, TRACEBACK})),
    ],
)
def test_pip_accepts_what_miniuv_refuses_and_refuses_late(
    tmp_path: Path, name: str, expected: tuple[set[str], ...]
) -> None:
    environment = {**os.environ, "MINIUV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}
    tool = Tool(name=name, version="", program=Path(sys.executable).with_name(name), environment=environment)

    found = score(tmp_path / "course", tool, [hostile for hostile in CORPUS if hostile.id in ROWS])

    assert found == dict(zip(ROWS, expected, strict=True))
