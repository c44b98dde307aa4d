"""Which ``setup.py`` is sure to ask for nothing."""

import pytest

from miniuv.backend.setup_script import is_plain

READING = """
import io
import os
import sys
from setuptools import find_packages, setup

here = os.path.abspath(os.path.dirname(__file__))
with io.open(os.path.join(here, "README.md"), encoding="utf-8") as file:
    readme = "\\n" + file.read()


def version(name):
    with open(os.path.join(here, name)) as file:
        return file.read().strip()


if "bdist_wheel" in sys.argv and os.environ.get("LOG"):
    with open(os.environ["LOG"], "a") as log:
        log.write("built\\n")

setup(name="sample", version=version("VERSION"), long_description=readme, packages=find_packages("src"))
"""


@pytest.mark.parametrize(
    "script",
    [
        "from setuptools import setup\nsetup()\n",
        "import setuptools\nif __name__ == '__main__':\n    setuptools.setup()\n",
        "from pathlib import Path\nfrom setuptools import setup\nsetup(version=Path('VERSION').read_text().strip())\n",
        READING,
    ],
)
def test_a_script_that_only_describes_its_project_is_plain(script: str) -> None:
    assert is_plain(script.encode())


@pytest.mark.parametrize(
    "script",
    [
        "setup(setup_requires=['numpy'])",
        "setup(**{'setup' + '_' + 'requires': ['numpy']})",
        "setup(**arguments)",
        "setup({})",
        "setup(use_scm_version=True)",
        "setup(pbr=True)",
        "setup(cmdclass={})",
        "setup(distclass=str)",
        "other = setup\nother()",
        "for setup in (): pass",
        "def setup(): pass",
        "def other(setup): pass",
        "@setup\ndef other(): pass",
    ],
)
def test_a_script_that_may_give_requirements_to_setup_is_not(script: str) -> None:
    assert not is_plain(f"from setuptools import setup\n{script}\n".encode())


@pytest.mark.parametrize(
    "script",
    [
        "from setuptools import setup as other\nother()",
        "from setuptools import *\nsetup()",
        "from setuptools import Distribution",
        "from distutils.core import setup\nsetup()",
        "import setuptools.dist",
        "import setuptools\nsetuptools.dist",
        "import setuptools\nother = setuptools",
        "import setuptools\nother = setuptools.setup",
        "import setuptools\nsetuptools.setup = print",
        "import versioneer",
        "import os.path",
        "from . import version",
        "from .os import path",
    ],
)
def test_a_script_that_gets_at_setuptools_or_more_by_other_ways_is_not(script: str) -> None:
    assert not is_plain(script.encode())


@pytest.mark.parametrize(
    "script",
    [
        "import os\nos.system('x')",
        "import os\nos.chdir('elsewhere')",
        "import os\nos.environ['HOME'] = 'x'",
        "import os\nos.environ.update(HOME='x')",
        "import os\nos.path.os.system('x')",
        "from pathlib import Path\nPath('x').parser.os",
        "import sys\nsys.path.insert(0, '')",
        "import sys\nsys.modules",
        "import sys\nsys.argv.append('test')",
        "import sys\nsys.argv[1:] = ['test']",
        "exec(open('version.py').read())",
        "__import__('numpy')",
        "getattr(str, 'x')",
        "print(().__class__)",
        "open = print",
        "class Command: pass",
        "(lambda: 0)()",
        "open('setup.cfg', 'w')",
        "print('\\x63')",
        "print(",
        "\0",
        "(" * 10_000,
    ],
)
def test_a_script_that_does_more_than_read_is_not(script: str) -> None:
    assert not is_plain(script.encode())
