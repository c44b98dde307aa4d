"""Who brings build requirements: the seam that breaks the circle of resolving and building."""

from collections.abc import Sequence
from typing import Protocol

from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import UnpackedWheel


class Provisioner(Protocol):
    """Resolves build requirements, and gets or builds their wheels."""

    def provide(self, requirements: Sequence[str], *, interpreter: Interpreter) -> tuple[UnpackedWheel, ...]:
        """Everything that must be in a build environment so that ``requirements`` (PEP 508) hold there.

        Called with no lock held, and may itself build.
        Raises ``BuildError`` with the whole chain where a project is needed to build itself.
        """
