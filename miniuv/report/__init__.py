"""``Outcome``, events and errors to the terminal; the only place that imports rich."""
