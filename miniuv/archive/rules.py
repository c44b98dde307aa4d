"""Rules about the form of a wheel that a user may waive, and everything else, which nobody may."""

from miniuv.errors import ArchiveError
from miniuv.settings.options import WheelRule
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What is said of one archive; thread-confined."""

    where: str
    """The file's name."""
    allowed: frozenset[WheelRule] = frozenset()
    """What the user has waived with ``--allow-wheel``."""
    waivable: bool = True
    """Whether it is a wheel, so that a refusal may name the option."""
    waived: set[WheelRule] = field(default_factory=set)
    """Which of ``allowed`` were needed."""

    def broken(self, rule: WheelRule, problem: str) -> None:
        """Note that ``rule`` is broken; raises ``ArchiveError`` unless that is allowed."""
        if rule in self.allowed:
            self.waived.add(rule)
            return
        hint = f"tell its author, or choose another version; `--allow-wheel {rule}` accepts it all the same"
        raise ArchiveError(problem, where=self.where, hint=hint if self.waivable else None)

    def refuse(self, problem: str) -> ArchiveError:
        """Make the error for a rule that stands whatever is allowed: what breaks it may hide or misplace content."""
        return ArchiveError(problem, where=self.where)
