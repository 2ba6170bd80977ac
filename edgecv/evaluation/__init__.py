"""Figures of merit of models on labelled data."""
