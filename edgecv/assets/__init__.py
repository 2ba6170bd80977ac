"""Models that ship with the package, with their cards."""
