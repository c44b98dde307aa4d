"""The same command for another fresh environment: what it did for the first is done again, and nothing is resolved."""
