"""Recipes that `edgecv train` follows: one TOML file each."""
