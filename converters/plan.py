"""Which operators of a model a device would run, and which are left to the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


class Placed(NamedTuple):
    """One operator, and where it runs.

    Attributes:
        kind: What it does, as the file's format calls it: "CONV_2D".
        name: The first tensor that it makes, or its own name where the format has one.
        shape: Of that tensor; None for an open side, empty where nothing is said of it.
        on: The device that runs it.
        why: The reason that it is not on the device asked for; empty where it is, or none is given.
        caution: Why this may turn out otherwise; empty where nothing speaks for that.
        multiply_adds: Of convolutions and dense layers; 0 for the others.
        parameter_bytes: The constants that it brings along, without those of earlier operators.
    """

    kind: str
    name: str
    shape: tuple[int | None, ...]
    on: str
    why: str = ""
    caution: str = ""
    multiply_adds: int = 0
    parameter_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {**self._asdict(), "shape": list(self.shape)}


@dataclass(frozen=True)
class Plan:
    """A model's operators in the order in which they run, and where each of them does.

    Attributes:
        device: The one that was asked for.
        operators: All of them.
        compiled: The file was made by the device's compiler: this is no prediction.
        notes: What holds for the whole file.
    """

    device: str
    operators: tuple[Placed, ...]
    compiled: bool = False
    notes: tuple[str, ...] = ()

    @property
    def mapped(self) -> tuple[Placed, ...]:
        """The operators that the device runs."""
        return tuple(placed for placed in self.operators if placed.on == self.device)

    @property
    def left(self) -> tuple[Placed, ...]:
        """The operators that it does not run."""
        return tuple(placed for placed in self.operators if placed.on != self.device)

    @property
    def share(self) -> float | None:
        """The part of the multiply-adds that the device does; None where they are not known."""
        if self.compiled:
            return None
        total = sum(placed.multiply_adds for placed in self.operators)
        return sum(placed.multiply_adds for placed in self.mapped) / total if total else None

    def runs(self) -> Iterator[tuple[Placed, ...]]:
        """Yield operators that follow each other and fare the same, for the same reason."""
        run: list[Placed] = []
        for placed in self.operators:
            if run and _fate(run[-1]) != _fate(placed):
                yield tuple(run)
                run = []
            run.append(placed)
        if run:
            yield tuple(run)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "device": self.device,
            "compiled": self.compiled,
            "mapped": len(self.mapped),
            "left": len(self.left),
            "share": self.share,
            "parameter_bytes": sum(placed.parameter_bytes for placed in self.mapped),
            "notes": list(self.notes),
            "operators": [placed.to_dict() for placed in self.operators],
        }


def _fate(placed: Placed) -> tuple[str, str, str]:
    return placed.on, placed.why, placed.caution
