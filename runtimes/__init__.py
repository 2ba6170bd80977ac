"""How a model file is executed: one file for each runtime."""
