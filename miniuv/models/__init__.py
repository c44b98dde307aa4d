"""Frozen nouns, one file each; ``ls models/`` reads as the data flow."""
