"""``Plan`` to ``PreparedWheel`` s: everything fetched, built and unpacked before the environment is touched."""
