"""Path files (``.pth``), as Python's ``site`` reads them: a line names a place, or is executed, or does not count."""

EXECUTED = ("import ", "import\t")
"""How a line begins that is executed."""


def path_lines(data: bytes) -> list[str]:
    """The lines that count, without the blanks at their end."""
    lines = map(str.rstrip, data.decode("utf-8", "surrogateescape").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
