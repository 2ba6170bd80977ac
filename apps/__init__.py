"""The `edgecv` command, one file for each app."""
