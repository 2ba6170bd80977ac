"""Where a box will be: constant velocity, with an uncertainty that grows with the time that passes.

All rates are per second and not per frame, so that nothing depends on the frame rate: moving a box
twice by half a second is the same as moving it once by a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgecv.types import Array


@dataclass(frozen=True)
class MotionModel:
    """How things move and how exactly they are measured, in units of their own size.

    A box's size is the mean of its width and height, so that a person near the camera and one far
    away move alike.

    Attributes:
        noise: Standard deviation of a measured centre, in sizes, and of a measured logarithm of
            width or height. Source: 1/20 of the height in Wojke et al. 2017 ("Deep SORT").
        speed: How fast things are when first seen, one standard deviation, in sizes per second.
        change: How much the speed changes within a second, one standard deviation, in sizes per
            second: larger follows turns better, smaller bridges gaps better.
        growth: How much the logarithm of width and height changes within a second, one standard
            deviation: boxes at the picture's edge grow fast.
    """

    noise: float = 0.05
    speed: float = 1.5
    change: float = 1.0
    growth: float = 1.0

    def __post_init__(self) -> None:
        """Refuse figures that are not positive."""
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: wanted a number above 0, got {value!r}")


class Motion(NamedTuple):
    """Where a box is and how sure that is; x and y are equally unsure, and so are both sizes.

    Attributes:
        x: Centre, pixels.
        y: Centre, pixels.
        vx: Pixels per second.
        vy: Pixels per second.
        log_w: Logarithm of the width in pixels.
        log_h: Logarithm of the height in pixels.
        var: Variance of x and of y, square pixels.
        cov: Covariance of x with vx, and of y with vy.
        var_v: Variance of vx and of vy.
        var_s: Variance of the logarithms.
    """

    x: float
    y: float
    vx: float
    vy: float
    log_w: float
    log_h: float
    var: float
    cov: float
    var_v: float
    var_s: float

    @property
    def size(self) -> float:
        """The mean of width and height, pixels."""
        return (math.exp(self.log_w) + math.exp(self.log_h)) / 2

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box as xyxy, pixels; it may reach beyond the frame."""
        w, h = math.exp(self.log_w) / 2, math.exp(self.log_h) / 2
        return self.x - w, self.y - h, self.x + w, self.y + h


def measured(box: Sequence[float] | Array) -> tuple[float, float, float, float]:
    """Return a box's centre x, y and the logarithms of its width and height, at least one pixel."""
    x0, y0, x1, y1 = (float(value) for value in box)
    return (x0 + x1) / 2, (y0 + y1) / 2, math.log(max(x1 - x0, 1)), math.log(max(y1 - y0, 1))


def first_seen(box: Sequence[float] | Array, model: MotionModel) -> Motion:
    """Return the motion of a box seen once: at rest, as far as is known."""
    x, y, log_w, log_h = measured(box)
    at_rest = Motion(x, y, 0.0, 0.0, log_w, log_h, 0.0, 0.0, 0.0, model.noise**2)
    size = at_rest.size
    return at_rest._replace(var=(model.noise * size) ** 2, var_v=(model.speed * size) ** 2)


def moved(motion: Motion, seconds: float, model: MotionModel) -> Motion:
    """Return the motion some seconds later, when the box was not measured again.

    The speed is taken for a random walk (continuous white-noise acceleration). Source: Bar-Shalom,
    Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001, section
    6.2.2.
    """
    wander = (model.change * motion.size) ** 2
    m, t = motion, seconds
    return m._replace(
        x=m.x + m.vx * t,
        y=m.y + m.vy * t,
        var=m.var + 2 * t * m.cov + t * t * m.var_v + wander * t**3 / 3,
        cov=m.cov + t * m.var_v + wander * t * t / 2,
        var_v=m.var_v + wander * t,
        var_s=m.var_s + model.growth**2 * t,
    )


def corrected(motion: Motion, box: Sequence[float] | Array, model: MotionModel) -> Motion:
    """Return the motion after the box was measured now: one step of a Kalman filter."""
    x, y, log_w, log_h = measured(box)
    m = motion
    total = m.var + (model.noise * m.size) ** 2
    gain, gain_v = m.var / total, m.cov / total
    gain_s = m.var_s / (m.var_s + model.noise**2)
    return Motion(
        x=m.x + gain * (x - m.x),
        y=m.y + gain * (y - m.y),
        vx=m.vx + gain_v * (x - m.x),
        vy=m.vy + gain_v * (y - m.y),
        log_w=m.log_w + gain_s * (log_w - m.log_w),
        log_h=m.log_h + gain_s * (log_h - m.log_h),
        var=(1 - gain) * m.var,
        cov=(1 - gain) * m.cov,
        var_v=m.var_v - gain_v * m.cov,
        var_s=(1 - gain_s) * m.var_s,
    )
