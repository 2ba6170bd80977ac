from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecv.errors import ImageError, SpecError
from edgecv.image import Placement, Plan, as_bgr, read_image
from edgecv.spec import InputSpec
from edgecv.types import Quant, Size, TensorSpec

UINT8, INT8, FLOAT = np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.float32)


def tensor(shape=(1, 24, 32, 3), dtype=FLOAT, quant=None) -> TensorSpec:
    return TensorSpec("input", shape, np.dtype(dtype), quant)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


NORMS = {
    "plain": ((0, 0, 0), (1, 1, 1)),
    "one mean and std": ((127.5,) * 3, (127.5,) * 3),
    "each channel its own": ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
    "scaled only": ((0, 0, 0), (255,) * 3),
}


@pytest.mark.parametrize("channels_first", [False, True], ids=["pixels", "planes"])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_float_tensors_hold_the_normalised_pixels(norm, color, channels_first) -> None:
    mean, std = norm
    shape = (1, 3, 24, 32) if channels_first else (1, 24, 32, 3)
    plan = Plan(InputSpec(color=color, mean=mean, std=std), tensor(shape))
    image = noise(24, 32)
    got, _ = plan(image)
    ordered = image[..., ::-1] if color == "rgb" else image
    want = (ordered.astype(np.float64) - mean) / std
    want = want.transpose(2, 0, 1)[None] if channels_first else want[None]
    assert got.dtype == np.float32
    assert got.shape == shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


QUANTS = {
    "uint8 identity": (UINT8, Quant(1 / 128, 128), (128,) * 3, (128,) * 3),
    "int8 identity": (INT8, Quant(1 / 255, -128), (0, 0, 0), (255,) * 3),
    "uint8 scaled": (UINT8, Quant(0.0186, 114), (127.5,) * 3, (57.4,) * 3),
    "int8 each channel its own": (INT8, Quant(0.0187, -14), (123.7, 116.3, 103.5), (58.4, 57, 57)),
    "uint8 clipped": (UINT8, Quant(1 / 400, 10), (0, 0, 0), (255,) * 3),
}


@pytest.mark.parametrize("channels_first", [False, True], ids=["pixels", "planes"])
@pytest.mark.parametrize("case", QUANTS.values(), ids=QUANTS.keys())
def test_integer_tensors_equal_normalise_then_quantize(case, channels_first) -> None:
    dtype, quant, mean, std = case
    shape = (1, 3, 24, 32) if channels_first else (1, 24, 32, 3)
    plan = Plan(InputSpec(color="rgb", mean=mean, std=std), tensor(shape, dtype, quant))
    image = noise(24, 32)
    got, _ = plan(image)
    real = (image[..., ::-1].astype(np.float64) - mean) / std
    limits = np.iinfo(dtype)
    want = np.clip(np.round(real / quant.scale) + quant.zero_point, limits.min, limits.max)
    want = want.transpose(2, 0, 1)[None] if channels_first else want[None]
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, want)


def test_plain_bytes_go_in_as_they_are() -> None:
    image = noise(24, 32)
    got, _ = Plan(InputSpec(color="bgr"), tensor(dtype=UINT8))(image)
    np.testing.assert_array_equal(got[0], image)
    got, _ = Plan(InputSpec(color="bgr"), tensor(dtype=INT8))(image)
    np.testing.assert_array_equal(got[0], image.astype(int) - 128)


def test_grey_models_get_one_channel() -> None:
    image = noise(24, 32)
    got, _ = Plan(InputSpec(color="grey"), tensor((1, 24, 32, 1)))(image)
    np.testing.assert_array_equal(got[0, ..., 0], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


FITS = {
    "stretch a wide frame": ("stretch", (100, 300), (24, 32)),
    "letterbox a wide frame": ("letterbox", (100, 300), (24, 32)),
    "letterbox a tall frame": ("letterbox", (300, 100), (24, 32)),
    "top left, wide": ("letterbox_topleft", (100, 300), (24, 32)),
    "top left, tall": ("letterbox_topleft", (300, 101), (64, 64)),
    "crop a wide frame": ("crop", (101, 300), (64, 64)),
    "enlarge a small frame": ("letterbox", (7, 11), (96, 96)),
    "one pixel": ("letterbox", (1, 1), (16, 16)),
    "a line": ("letterbox", (1, 500), (16, 16)),
}


@pytest.mark.parametrize(("fit", "frame", "size"), FITS.values(), ids=FITS.keys())
def test_the_way_back_finds_the_pixel(fit, frame, size) -> None:
    """A gradient tells for every input pixel where in the frame it came from."""
    height, width = frame
    y, x = np.mgrid[:height, :width].astype(np.float32)
    plan = Plan(InputSpec(color="bgr", fit=fit, pad=255), tensor((1, *size, 3)))
    image = np.zeros((height, width, 3), np.uint8)
    _, place = plan(image)
    scaled = {}
    for name, grid, length in (("x", x, width), ("y", y, height)):
        image[..., 0] = np.round(grid * (200 / max(length, 200)))
        got, _ = plan(image)
        scaled[name] = got[0, ..., 0] * (max(length, 200) / 200), got[0, ..., 1] == 0
    rows, columns = np.nonzero(scaled["x"][1])  # where it is not padding
    centres = np.stack((columns + 0.5, rows + 0.5), axis=-1)
    there = place.points_to_frame(centres) - 0.5
    step = max(1.0, place.scale_x, place.scale_y, max(frame) / 200)
    inside = (there > 0.5).all(1) & (there[:, 0] < width - 1.5) & (there[:, 1] < height - 1.5)
    at = rows[inside], columns[inside]
    assert np.abs(there[inside, 0] - scaled["x"][0][at]).max(initial=0) <= step
    assert np.abs(there[inside, 1] - scaled["y"][0][at]).max(initial=0) <= step


def test_letterbox_keeps_the_aspect_and_pads_both_sides() -> None:
    plan = Plan(InputSpec(color="bgr", fit="letterbox", pad=9), tensor((1, 40, 40, 3)))
    got, place = plan(np.full((50, 100, 3), 200, np.uint8))
    assert (got[0, :10] == 9).all()
    assert (got[0, 10:30] == 200).all()
    assert (got[0, 30:] == 9).all()
    assert place.scale_x == place.scale_y == 2.5


def test_topleft_letterbox_pads_right_and_below() -> None:
    plan = Plan(InputSpec(color="bgr", fit="letterbox_topleft", pad=9), tensor((1, 40, 40, 3)))
    got, _ = plan(np.full((50, 100, 3), 200, np.uint8))
    assert (got[0, :20] == 200).all()
    assert (got[0, 20:] == 9).all()


def test_a_region_is_looked_at_alone_and_leads_back_to_the_frame() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 110:150] = 255
    plan = Plan(InputSpec(color="bgr"), tensor((1, 16, 16, 3)))
    got, place = plan(image, (110, 20, 150, 60))
    assert (got == 255).all()
    np.testing.assert_allclose(place.boxes_to_frame([[0, 0, 16, 16]]), [[110, 20, 150, 60]])


def test_bars_beside_a_region_are_padding_and_not_what_surrounds_it() -> None:
    image = np.full((100, 200, 3), 200, np.uint8)
    plan = Plan(InputSpec(color="bgr", fit="letterbox", pad=5), tensor((1, 40, 40, 3)))
    got, place = plan(image, (80, 20, 100, 60))
    assert (got[0, :, 10:30] == 200).all()
    assert (got[0, :, :10] == 5).all()
    assert (got[0, :, 30:] == 5).all()
    np.testing.assert_allclose(place.boxes_to_frame([[10, 0, 30, 40]]), [[80, 20, 100, 60]])


def test_a_region_beyond_the_edge_is_padded() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    plan = Plan(InputSpec(color="bgr", pad=3), tensor((1, 40, 40, 3)))
    got, place = plan(image, (-50, 0, 50, 100))
    assert (got[0, :, :20] == 3).all()
    assert (got[0, :, 20:] == 200).all()
    np.testing.assert_allclose(place.points_to_frame([[20, 0], [40, 40]]), [[0, 0], [50, 100]])


@pytest.mark.parametrize(
    ("region", "message"),
    [((10, 10, 10, 50), "no area"), ((300, 0, 400, 50), "outside the frame")],
    ids=["empty", "outside"],
)
def test_a_region_without_pixels_is_refused(region, message) -> None:
    plan = Plan(InputSpec(), tensor())
    with pytest.raises(ValueError, match=message):
        plan(noise(100, 100), region)


def test_boxes_are_cut_off_at_the_frame() -> None:
    place = Placement(2.0, 2.0, 0.0, 0.0, Size(50, 100), Size(25, 50))
    got = place.boxes_to_frame([[-3, -3, 60, 60]])
    np.testing.assert_array_equal(got, [[0, 0, 100, 50]])


GOOD = {
    "grey, two axes": noise(20, 30, 0),
    "grey, three axes": noise(20, 30, 1),
    "with alpha": noise(20, 30, 4),
    "mirrored": noise(20, 30)[:, ::-1],
    "upside down": noise(20, 30)[::-1],
    "a cut-out": noise(40, 60)[5:25, 7:37],
    "every other column": noise(20, 60)[:, ::2],
    "transposed": noise(30, 20).transpose(1, 0, 2),
    "fortran order": np.asfortranarray(noise(20, 30)),
    "read-only": np.frombuffer(noise(20, 30).tobytes(), np.uint8).reshape(20, 30, 3),
}


@pytest.mark.parametrize("image", GOOD.values(), ids=GOOD.keys())
def test_odd_arrays_of_bytes_give_the_same_as_a_plain_copy(image) -> None:
    plan = Plan(InputSpec(), tensor())
    plain = np.ascontiguousarray(image)
    if plain.ndim == 2 or plain.shape[2] == 1:
        plain = cv2.cvtColor(plain, cv2.COLOR_GRAY2BGR)
    elif plain.shape[2] == 4:
        plain = np.ascontiguousarray(plain[..., :3])
    np.testing.assert_array_equal(plan(image)[0], plan(plain)[0])


BAD = {
    "not an array": ([[1, 2, 3]], TypeError, "list"),
    "floats": (np.zeros((4, 4, 3), np.float32), TypeError, "float32: multiply by 255"),
    "int64": (np.zeros((4, 4, 3), np.int64), TypeError, "int64"),
    "no rows": (np.zeros((0, 4, 3), np.uint8), ValueError, "no pixels"),
    "two channels": (np.zeros((4, 4, 2), np.uint8), ValueError, r"\(4, 4, 2\)"),
    "a batch": (np.zeros((1, 4, 4, 3), np.uint8), ValueError, r"\(1, 4, 4, 3\)"),
    "planes": (np.zeros((3, 4, 40), np.uint8), ValueError, r"\(3, 4, 40\)"),
}


@pytest.mark.parametrize(("image", "error", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_no_picture_is_refused_by_name(image, error, message) -> None:
    with pytest.raises(error, match=message):
        as_bgr(image)


TENSORS = {
    "not one picture": (tensor((1, 10)), "shape"),
    "five channels": (tensor((1, 24, 32, 5)), "wanted one rgb picture"),
    "open size": (tensor((1, None, None, 3)), "give input.size"),
    "integers of 32 bits": (tensor(dtype=np.int32), "int32"),
}


@pytest.mark.parametrize(("spec", "message"), TENSORS.values(), ids=TENSORS.keys())
def test_tensors_that_take_no_picture_are_refused(spec, message) -> None:
    with pytest.raises(SpecError, match=message):
        Plan(InputSpec(), spec)


def test_an_open_size_is_taken_from_the_spec() -> None:
    plan = Plan(InputSpec(size=Size(8, 12)), tensor((1, None, None, 3)))
    assert plan(noise(24, 32))[0].shape == (1, 8, 12, 3)


def test_a_written_picture_is_read_back(tmp_path: Path) -> None:
    image = noise(20, 30)
    cv2.imwrite(str(tmp_path / "a b.png"), image)
    np.testing.assert_array_equal(read_image(tmp_path / "a b.png"), image)


UNREADABLE = {
    "missing": (None, "cannot read"),
    "empty": (b"", "is empty"),
    "text": (b"hello, I am no picture", "not a picture"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable_files_are_refused_by_name(content, message, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImageError, match=rf"x\.jpg.*{message}|{message}.*x\.jpg"):
        read_image(file)


def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    cv2.imwrite(str(file), np.zeros((100, 100), np.uint8))
    with pytest.raises(ImageError, match="pixels"):
        read_image(file, max_pixels=9_999)
    assert read_image(file, max_pixels=10_000).shape == (100, 100, 3)


def test_bytes_half_way_between_two_steps_stay_apart() -> None:
    spec = InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3)
    quant = Quant(float(np.float32(2 / 255)), -1)  # as converters choose for -1..1
    tensor = TensorSpec("x", (1, 16, 16, 3), np.dtype(np.int8), quant)
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    made, _ = Plan(spec, tensor)(image)
    assert (made[0].astype(int) == image.astype(int) - 128).all()
