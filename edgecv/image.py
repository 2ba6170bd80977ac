"""From a picture to an input tensor, and the way back: the only place where either is computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edgecv.errors import ImageError, SpecError
from edgecv.imagefile import header_size
from edgecv.spec import InputSpec
from edgecv.types import Array, FloatArray, Image, Size, TensorSpec

MAX_PIXELS = 64_000_000
"""Larger files are refused: decoded, 64 Mpx take 192 MB, about what a small board can spare."""

HALF = 1e-4
"""Steps below a half that still count as one: scales are float32."""

Region = tuple[float, float, float, float]
"""A part of a frame: left, top, right, bottom, in pixels. It may reach beyond the frame."""


class Placement(NamedTuple):
    """Where a model's input lies in its frame: ``frame = input * scale + shift``, for x and for y.

    Attributes:
        scale_x: Frame pixels per input pixel, horizontally.
        scale_y: Frame pixels per input pixel, vertically.
        shift_x: The frame's x at the input's left edge.
        shift_y: The frame's y at the input's upper edge.
        frame: The frame's size.
        input: The input's size.
    """

    scale_x: float
    scale_y: float
    shift_x: float
    shift_y: float
    frame: Size
    input: Size

    def points_to_frame(self, points: Array) -> FloatArray:
        """Move (..., 2) points, x then y, from input pixels to frame pixels."""
        scale = np.array([self.scale_x, self.scale_y], np.float32)
        shift = np.array([self.shift_x, self.shift_y], np.float32)
        out: FloatArray = np.asarray(points, np.float32) * scale + shift
        return out

    def boxes_to_frame(self, boxes: Array) -> FloatArray:
        """Move (N, 4) xyxy boxes from input pixels to frame pixels, cut off at the frame's edge."""
        scale, shift, high = _box_map(self)
        out: FloatArray = np.asarray(boxes, np.float32).reshape(-1, 4) * scale
        out += shift
        return np.minimum(np.maximum(out, 0, out=out), high, out=out)


@lru_cache(maxsize=16)
def _box_map(placement: Placement) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scale, shift and greatest value of the four coordinates of a box."""
    rows = (
        (placement.scale_x, placement.scale_y),
        (placement.shift_x, placement.shift_y),
        (placement.frame.width, placement.frame.height),
    )
    scale, shift, high = (np.array(row * 2, np.float32) for row in rows)
    return scale, shift, high


class _Geometry(NamedTuple):
    """Which part of the frame goes to which part of the input."""

    source: tuple[int, int, int, int]  # left, top, right, bottom in the frame
    target: tuple[int, int, int, int]  # left, top, right, bottom in the input
    placement: Placement


class Plan:
    """All of one model's preprocessing that does not depend on the picture, worked out once.

    Args:
        spec: How a picture becomes the input tensor.
        tensor: The input tensor, from the model file.

    Raises:
        SpecError: The tensor does not take one picture of a known size.
    """

    def __init__(self, spec: InputSpec, tensor: TensorSpec) -> None:
        self.spec, self.tensor = spec, tensor
        self.channels_first, self.size = _layout(spec, tensor)
        self._values = _values_map(spec, tensor, channels_first=self.channels_first)
        self._geometry = lru_cache(maxsize=64)(self._place)

    def __call__(self, image: Image, region: Region | None = None) -> tuple[Array, Placement]:
        """Prepare one picture.

        Args:
            image: uint8 (H, W, 3) BGR; grey and BGRA are converted.
            region: The part of it to look at; None for all of it.

        Returns:
            The input tensor, of the shape and dtype that the model file names, and where it lies.

        Raises:
            TypeError: `image` is not an array of bytes.
            ValueError: `image` has no pixels or a strange shape, or `region` misses it.
        """
        bgr = as_bgr(image)
        (x0, y0, x1, y1), (u0, v0, u1, v1), placement = self._geometry(bgr.shape[:2], region)
        part: Any = bgr[y0:y1, x0:x1]
        if (u1 - u0, v1 - v0) != (x1 - x0, y1 - y0):
            part = cv2.resize(part, (u1 - u0, v1 - v0), interpolation=cv2.INTER_LINEAR)
        if part.shape[:2] != self.size:
            whole = np.full((*self.size, 3), self.spec.pad, np.uint8)
            whole[v0:v1, u0:u1] = part
            part = whole
        if self.spec.color == "rgb":
            part = cv2.cvtColor(part, cv2.COLOR_BGR2RGB)
        elif self.spec.color == "grey":
            part = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)[..., None]
        return self._values(part), placement

    def _place(self, shape: tuple[int, int], region: Region | None) -> _Geometry:
        frame, (height, width) = Size(*shape), self.size
        left, top, right, bottom = region or (0.0, 0.0, float(frame.width), float(frame.height))
        wide, high = right - left, bottom - top
        if not (wide > 0 and high > 0):
            raise ValueError(
                f"the region {region} has no area: left, top, right, bottom are wanted"
            )
        fit_x, fit_y = width / wide, height / high
        if self.spec.fit.startswith("letterbox"):
            fit_x = fit_y = min(fit_x, fit_y)
        elif self.spec.fit == "crop":
            fit_x = fit_y = max(fit_x, fit_y) / self.spec.zoom
        spare = 0.0 if self.spec.fit == "letterbox_topleft" else 0.5
        offset = ((width - wide * fit_x) * spare, (height - high * fit_y) * spare)
        return _cut(frame, self.size, (left, top, right, bottom), (fit_x, fit_y), offset)


def _cut(
    frame: Size, size: Size, region: Region, fit: tuple[float, float], offset: tuple[float, float]
) -> _Geometry:
    """Find the whole pixels of a region that go to whole pixels of the input.

    The placement is computed from these pixels, so that the way back is exact.

    Args:
        frame: The frame's size.
        size: The input's size.
        region: What is looked at; what lies beyond the frame is left to the padding.
        fit: Input pixels per frame pixel, for x and y.
        offset: Where in the input the region's upper left corner lies, for x and y.
    """
    source, target, scale, shift = [], [], [], []
    for axis, (length, side) in enumerate(((frame.width, size.width), (frame.height, size.height))):
        near, far, ratio, start = region[axis], region[axis + 2], fit[axis], offset[axis]
        low = max(0, round(max(near, near - start / ratio)))
        high = min(length, round(min(far, near + (side - start) / ratio)))
        if high <= low:
            raise ValueError(f"the region {region} lies outside the frame of {frame}")
        first = min(side - 1, max(0, round((low - near) * ratio + start)))
        last = min(side, max(first + 1, round((high - near) * ratio + start)))
        source.append((low, high))
        target.append((first, last))
        scale.append((high - low) / (last - first))
        shift.append(low - first * scale[-1])
    placement = Placement(scale[0], scale[1], shift[0], shift[1], frame, size)
    (x0, x1), (y0, y1) = source
    (u0, u1), (v0, v1) = target
    return _Geometry((x0, y0, x1, y1), (u0, v0, u1, v1), placement)


def as_bgr(image: Image) -> Image:
    """Return `image` as uint8 (H, W, 3) BGR that OpenCV can read, copied only where it has to be.

    Raises:
        TypeError: It is not an array of bytes.
        ValueError: It has no pixels, or is not grey, BGR or BGRA.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"wanted a numpy array (H, W, 3) of uint8, got {type(image).__name__}")
    if image.dtype != np.uint8:
        hint = ": multiply by 255 and use astype('uint8')" if image.dtype.kind == "f" else ""
        raise TypeError(f"wanted an image of uint8, 0..255, got {image.dtype}{hint}")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(f"wanted an image of shape (H, W, 3), BGR, got {image.shape}")
    if not image.size:
        raise ValueError(f"the image has no pixels: its shape is {image.shape}")
    if image.shape[2] != 3:
        code = cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_BGRA2BGR
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), code), np.uint8)
    if image.strides[2] != 1 or image.strides[1] != 3 or image.strides[0] < 0:
        return np.ascontiguousarray(image)
    return image


def read_image(file: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a picture as uint8 (H, W, 3) BGR, turned upright by its EXIF orientation.

    Raises:
        ImageError: The file is missing, not a picture, or has more than `max_pixels` pixels.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise ImageError(f"{path} is empty (0 bytes)")
    _check_pixels(path, header_size(data), max_pixels)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # OpenCV refuses above its own limit (2**30 pixels by default)
        raise ImageError(f"{path} cannot be decoded: {error.err}") from error
    if image is None:
        raise ImageError(f"{path} is not a picture that OpenCV reads, or is cut short")
    _check_pixels(path, Size(*image.shape[:2]), max_pixels)
    return np.asarray(image, np.uint8)


def _check_pixels(path: Path, size: Size | None, most: int) -> None:
    if size is not None and size.height * size.width > most:
        raise ImageError(
            f"{path} has {size.width}x{size.height} pixels ({size.height * size.width / 1e6:.0f} "
            f"million), more than the {most / 1e6:.0f} million allowed: make it smaller first"
        )


def _layout(spec: InputSpec, tensor: TensorSpec) -> tuple[bool, Size]:
    """Tell whether channels come before rows, and the input's size."""
    channels = 1 if spec.color == "grey" else 3
    shape = tensor.shape
    if len(shape) != 4 or channels not in (shape[1], shape[3]):
        raise SpecError(
            f"the input {tensor.name!r} has shape {list(shape)}; wanted one {spec.color} picture, "
            f"[1, H, W, {channels}] or [1, {channels}, H, W]"
        )
    channels_first = shape[3] != channels
    height, width = shape[2:] if channels_first else shape[1:3]
    if height is None or width is None:
        if spec.size is None:
            raise SpecError(f"the input {tensor.name!r} leaves its size open: give input.size")
        height, width = spec.size
    return channels_first, Size(height, width)


def _values_map(
    spec: InputSpec, tensor: TensorSpec, *, channels_first: bool
) -> Callable[[Any], Array]:
    """Choose the cheapest way from bytes to what the tensor holds.

    Normalising and quantizing are one affine map of a byte per channel: where it is the identity
    the bytes go in as they are, else a table of 256 entries gives the integers without any float.
    """
    if tensor.dtype.kind == "f":
        affine = _float_planes if channels_first else _float_pixels
        return affine(
            tensor.dtype, 1 / np.array(spec.std), np.array(spec.mean) / np.array(spec.std)
        )
    table = _table(spec, tensor)

    def integers(part: Image) -> Array:
        return _order(table(part), channels_first).view(tensor.dtype)

    return integers


def _table(spec: InputSpec, tensor: TensorSpec) -> Callable[[Image], Image]:
    if tensor.dtype not in (np.dtype(np.uint8), np.dtype(np.int8)):
        raise SpecError(f"the input {tensor.name!r} is {tensor.dtype}; wanted float, uint8 or int8")
    bytes_ = np.arange(256)[:, None]
    if tensor.quant is None:
        levels = bytes_ - (128 if tensor.dtype == np.int8 else 0) + np.zeros(len(spec.mean))
    else:
        real = (bytes_ - np.array(spec.mean)) / np.array(spec.std)
        # Halves go up: scales such as 1/127.5 put every byte half-way between two steps, and
        # rounding to even would make one of each pair of neighbours.
        levels = np.floor(real / tensor.quant.scale + 0.5 + HALF) + tensor.quant.zero_point
    limits = np.iinfo(tensor.dtype)
    entries = np.clip(levels, limits.min, limits.max).astype(tensor.dtype).view(np.uint8)
    if (entries == bytes_).all():
        return lambda part: part
    if (entries == bytes_ ^ 0x80).all():
        return lambda part: np.bitwise_xor(part, np.uint8(0x80))
    same = (entries == entries[:, :1]).all()
    lut = np.ascontiguousarray(entries[None, :, :1] if same else entries[None])
    return lambda part: np.asarray(cv2.LUT(part, lut), np.uint8)


def _order(part: Array, channels_first: bool) -> Array:
    return np.ascontiguousarray(part.transpose(2, 0, 1))[None] if channels_first else part[None]


def _float_pixels(dtype: np.dtype[Any], scale: Array, shift: Array) -> Callable[[Any], Array]:
    """Return the map for tensors of pixels: a multiplication and a subtraction in place."""
    uniform = len(set(scale)) == len(set(shift)) == 1
    factor = dtype.type(scale[0]) if uniform else scale.astype(dtype)
    less = dtype.type(shift[0]) if uniform else shift.astype(dtype)
    plain, unshifted = bool((scale == 1).all()), bool((shift == 0).all())

    def pixels(part: Image) -> Array:
        values = part.astype(dtype)
        if not plain:
            values *= factor
        if not unshifted:
            values -= less
        return values[None]

    return pixels


def _float_planes(dtype: np.dtype[Any], scale: Array, shift: Array) -> Callable[[Any], Array]:
    """Return the map for tensors of colour planes, one plane after the other."""
    factors, less = scale.astype(dtype), shift.astype(dtype)

    def planes(part: Image) -> Array:
        channels = cv2.split(part)
        values = np.empty((1, len(channels), *part.shape[:2]), dtype)
        for plane, channel, factor, shift in zip(values[0], channels, factors, less, strict=True):
            np.multiply(channel, factor, out=plane)
            if shift:
                plane -= shift
        return values

    return planes
