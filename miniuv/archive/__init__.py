"""Validating zip and tar readers."""
