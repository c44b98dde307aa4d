"""``PreparedWheel`` s into the environment, as one transaction."""
