"""The native lock on an open descriptor, which excludes other processes."""

import sys

if sys.platform == "linux":  # `filelock` makes the same call, but its import takes longer than a quick command
    import fcntl

    def lock_descriptor(descriptor: int, *, blocking: bool) -> bool:
        """Lock it; ``False`` where somebody else has, if not ``blocking``. Raises ``OSError``."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock_descriptor(descriptor: int) -> None:
        """Give the lock back, also where a forked child still has the descriptor. Raises ``OSError``."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)

else:
    from filelock import lock_descriptor, unlock_descriptor

__all__ = ["lock_descriptor", "unlock_descriptor"]
