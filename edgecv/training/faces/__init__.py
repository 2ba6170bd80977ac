"""Heads and measures that only faces have."""
