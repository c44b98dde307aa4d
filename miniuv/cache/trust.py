"""Whether somebody else could change what lies in a folder. ``os`` only."""

from __future__ import annotations

import os
import stat


def distrust(facts: os.stat_result) -> str | None:
    """Why a folder on the way to the cache is not to be trusted; the rule is ssh's."""
    if facts.st_uid not in (0, os.geteuid()):
        return f"belongs to another user (uid {facts.st_uid})"
    if facts.st_mode & stat.S_ISVTX:
        return None
    if facts.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if facts.st_mode & stat.S_IWGRP and facts.st_gid != facts.st_uid:
        return f"can be written by its group (gid {facts.st_gid})"
    return None
