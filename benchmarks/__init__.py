"""Measurements: ratios within one run, against the bare runtime and against peers."""
