"""Numbers in words."""


def duration(seconds: float) -> str:
    """``0.31ms``, ``4ms``, ``1.23s``, ``2m 05s``."""
    milliseconds = max(seconds * 1000, 0)
    if milliseconds < 1:
        return f"{milliseconds:.2f}ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s"


def packages(count: int) -> str:
    """``1 package``, ``3 packages``."""
    return "1 package" if count == 1 else f"{count} packages"
