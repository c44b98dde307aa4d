"""Command line to request; one module per command; the only place that exits."""
