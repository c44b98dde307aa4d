"""What holds for every test."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is a matter of the machine, and the first one reads the table of all characters; a folder
# that examples share is meant to be shared.
_ALLOWED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("any machine", deadline=None, suppress_health_check=_ALLOWED)
settings.load_profile("any machine")

# `make test &` leaves SIGINT ignored, and children inherit that: tests of Ctrl-C need it as a terminal has it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests measured: ``record_property("figure", "92,061 states")``."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    figures = {text for report in reports for name, text in report.user_properties if name == "figure"}
    if figures:
        terminalreporter.section("figures")
        for figure in sorted(figures):
            terminalreporter.write_line(figure)
