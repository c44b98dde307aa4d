"""``pyproject.toml``, requirement files and core metadata to facts; pure."""
