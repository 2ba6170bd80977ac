"""The learning rate of every step, as a function of the step alone."""

from __future__ import annotations

import math

from edgecv.training.recipe import OptimizerPart


def learning_rate(part: OptimizerPart, step: int, *, steps: int, epochs: int) -> float:
    """Return the learning rate of a step.

    It rises linearly to `lr` over the warm-up, then follows the schedule: "cosine" falls along half
    a cosine to `final_lr` at the last step (Loshchilov and Hutter 2017, "SGDR", equation 5, without
    restarts), "step" is multiplied by `step_factor` after every `step_epochs`, "constant" stays.

    Args:
        part: The recipe's [optimizer].
        step: Counted from 0 over the whole run.
        steps: Steps an epoch.
        epochs: Epochs of the run.

    Raises:
        ValueError: `step` lies outside of the run.
    """
    total = steps * epochs
    if not 0 <= step < total:
        raise ValueError(f"wanted a step of 0..{total - 1}, got {step}")
    warmup = min(round(part.warmup_epochs * steps), total)
    if step < warmup:
        return part.lr * (step + 1) / warmup
    if part.schedule == "constant":
        return part.lr
    if part.schedule == "step":
        return part.lr * part.step_factor ** math.floor(step / (part.step_epochs * steps))
    done = (step - warmup) / max(total - 1 - warmup, 1)
    share = part.final_lr + (1 - part.final_lr) * (1 + math.cos(math.pi * done)) / 2
    return part.lr * share
