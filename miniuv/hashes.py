"""Digests without OpenSSL, whose import takes longer than a quick command; for small texts only."""

try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b
try:
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha256

__all__ = ["blake2b", "sha256"]
