"""The errors of training.

EdgeCVError
├── RecipeError       a recipe has an unknown key, a wrong value, or lacks something
├── CheckpointError   a checkpoint is missing, damaged, or of another network or recipe
└── TrainingError     a training cannot go on: its loss is no number any more
"""

from __future__ import annotations

from edgecv.errors import EdgeCVError


class RecipeError(EdgeCVError):
    """A recipe has an unknown key, a wrong value, or lacks something."""


class CheckpointError(EdgeCVError):
    """A checkpoint is missing, damaged, or of another network or recipe."""


class TrainingError(EdgeCVError):
    """A training cannot go on."""
