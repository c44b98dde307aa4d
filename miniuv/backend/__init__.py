"""PEP 517 and PEP 660: build environments and hooks."""
