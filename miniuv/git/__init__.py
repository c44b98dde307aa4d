"""Repositories: an append-only database, plain-tree checkouts, private build copies."""
