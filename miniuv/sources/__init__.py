"""The kinds of thing miniuv can install, one module each."""
