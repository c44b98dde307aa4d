"""Numbers in words."""


def duration(seconds: float) -> str:
    """``4ms``, ``1.23s``, ``2m 05s``."""
    if seconds < 1:
        return f"{max(seconds * 1000, 0):.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s"


def packages(count: int) -> str:
    """``1 package``, ``3 packages``."""
    return "1 package" if count == 1 else f"{count} packages"
