"""The target Python: discovery, facts, what is installed, new environments."""
