"""Mount namespaces: file systems of a test's own, which nobody else sees."""

import subprocess

import pytest

_UNSHARE = ("unshare", "--mount", "--")


def own_mounts() -> tuple[str, ...]:
    """What a command begins with that may mount; skips the test where the machine does not let us."""
    try:
        subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let us mount a file system of our own (needs root)")
    return _UNSHARE
