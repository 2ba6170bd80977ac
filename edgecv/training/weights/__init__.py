"""Weights of public files, taken into our own networks."""
