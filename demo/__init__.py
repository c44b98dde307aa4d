"""The demo: the loop that deadlocks elsewhere, for real, on repositories that it makes itself."""
