"""The console script: from ``sys.argv`` to an exit code."""


def main() -> None:
    """Run the command that ``sys.argv`` names, and exit."""
    raise SystemExit(2)
