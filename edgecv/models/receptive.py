"""What each tensor of a model sees of the picture.

Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks", Distill,
doi:10.23915/distill.00021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .graph import Ratio, Step, window


class Reach(NamedTuple):
    """What one place of a feature map sees; (height, width), pixels of the input.

    Attributes:
        field: The receptive field: how many pixels it sees, of those beyond the border as well.
        stride: How many pixels further its neighbour looks.
    """

    field: tuple[Ratio, Ratio] = (1, 1)
    stride: tuple[Ratio, Ratio] = (1, 1)


def reaches(inputs: Sequence[Any], plan: Sequence[Step]) -> dict[int, Reach | None]:
    """Return the reach of every tensor by its `id`; None for one that is no map of the picture.

    Where branches meet, the largest counts. A gate that all of the picture sets, such as
    squeeze-and-excite, does not.
    """
    known: dict[int, Reach | None] = {id(tensor): Reach() for tensor in inputs}
    for step in plan:
        before = [known.get(id(tensor)) for tensor in step.inputs]
        reach = _reach(step, [found for found in before if found is not None])
        known |= {id(tensor): reach for tensor in step.outputs}
    return known


def _reach(step: Step, before: Sequence[Reach]) -> Reach | None:
    seen = window(step)
    if seen is None or not before:
        return None
    spans = [(k - 1) * d + 1 for k, d in zip(seen.kernel, seen.dilation, strict=True)]
    field: list[Ratio] = []
    stride: list[Ratio] = []
    for axis in (0, 1):
        step_before = max(reach.stride[axis] for reach in before)
        widest = max(reach.field[axis] for reach in before)
        field.append(widest + (spans[axis] - 1) * step_before)
        stride.append(step_before * seen.stride[axis])
    return Reach((field[0], field[1]), (stride[0], stride[1]))
