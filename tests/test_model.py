from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecv
from edgecv.errors import InferenceError, SpecError, UnknownNameError
from edgecv.model import Model, complete_spec
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Quant, TensorSpec

F = np.float32
OUTPUTS = {
    "boxes": np.array([[[0.25, 0.5, 0.75, 1.0], [0, 0, 0.5, 0.5]]], F),
    "classes": np.array([[1, 0]], F),
    "scores": np.array([[0.9, 0.2]], F),
    "count": np.array([2], F),
}
SPEC = ModelSpec("fake", "detection", "ssd_postprocess", labels=("cat", "dog"))


def test_a_model_turns_a_picture_into_a_result() -> None:
    model = Model(FakeSession(OUTPUTS), SPEC, runtime="fake", device="cpu")
    result = model(np.zeros((100, 200, 3), np.uint8))
    assert isinstance(result, edgecv.Detections)
    assert result.names == ["dog"]
    np.testing.assert_allclose(result.boxes, [[100, 25, 200, 75]])
    assert result.run is not None
    assert (result.run.model, result.run.runtime, result.run.device) == ("fake", "fake", "cpu")


def test_the_stages_together_are_the_call() -> None:
    model = Model(FakeSession(OUTPUTS), SPEC)
    image = np.zeros((100, 200, 3), np.uint8)
    tensor, placement = model.preprocess(image)
    staged, called = model.decode(model.infer(tensor), placement), model(image)
    np.testing.assert_array_equal(staged.boxes, called.boxes)
    latency = called.run.latency_ms
    assert latency.total == pytest.approx(sum(latency[:3]))


def test_a_region_is_given_in_pixels_of_the_frame() -> None:
    session = FakeSession(OUTPUTS)
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 100:] = 9
    result = Model(session, SPEC)(image, region=(100, 50, 200, 100))
    np.testing.assert_allclose(result.boxes, [[150, 62.5, 200, 87.5]])
    assert (session.seen[0] == 9).all()


def test_integer_outputs_are_dequantized_in_one_place() -> None:
    session = FakeSession({"a": np.array([[0, 10, 255]], np.uint8), "ids": np.array([3])})
    session.outputs = (
        TensorSpec("a", (1, 3), np.dtype(np.uint8), Quant(0.5, 10)),
        session.outputs[1],
    )
    model = Model(session, SPEC)
    got = model.infer(np.zeros((1, 32, 32, 3), np.uint8))
    np.testing.assert_array_equal(got["a"], np.array([[-5, 0, 122.5]], F))
    assert got["a"].dtype == np.float32
    assert got["ids"].dtype == np.int64


def test_outputs_are_found_by_the_names_that_the_spec_gives() -> None:
    shuffled = {f"t{i}": OUTPUTS[k] for i, k in enumerate(("count", "scores", "boxes", "classes"))}
    roles = {"boxes": "t2", "classes": "t3", "scores": "t1", "count": "t0"}
    model = Model(FakeSession(shuffled), SPEC.with_changes(outputs=roles))
    assert model(np.zeros((10, 10, 3), np.uint8)).names == ["dog"]


def two_inputs() -> FakeSession:
    session = FakeSession(OUTPUTS)
    session.inputs = session.inputs * 2
    return session


BAD = {
    "output of another name": (
        FakeSession(OUTPUTS),
        SPEC.with_changes(outputs={"boxes": "boxs"}),
        "did you mean 'boxes'",
    ),
    "unknown option": (
        FakeSession(OUTPUTS),
        SPEC.with_changes(decoder="yolox", options={"stride": 8}),
        "did you mean 'strides'",
    ),
    "two inputs": (two_inputs(), SPEC, "one input"),
    "no picture": (FakeSession(OUTPUTS, shape=(1, 5)), SPEC, "wanted one rgb picture"),
}


@pytest.mark.parametrize(("session", "spec", "message"), BAD.values(), ids=BAD.keys())
def test_a_spec_that_does_not_fit_the_file_is_refused(session, spec, message) -> None:
    with pytest.raises(SpecError, match=message):
        Model(session, spec)


def test_an_unknown_decoder_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'yolox'"):
        Model(FakeSession(OUTPUTS), SPEC.with_changes(decoder="yolo_x"))


def test_a_failing_runtime_is_not_hidden() -> None:
    model = Model(FakeSession(OUTPUTS, fail_after=1), SPEC)
    model(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(InferenceError, match="told to fail"):
        model(np.zeros((10, 10, 3), np.uint8))


def test_leaving_the_block_gives_the_device_back() -> None:
    session = FakeSession(OUTPUTS)
    with Model(session, SPEC) as model:
        assert not session.closed
        assert "fake" in repr(model)
    assert session.closed


def test_a_fake_session_refuses_what_it_did_not_announce() -> None:
    with pytest.raises(ValueError, match=r"wanted uint8 \(1, 32, 32, 3\)"):
        FakeSession(OUTPUTS).run({"input": np.zeros((1, 8, 8, 3), np.uint8)})


def bare_tflite(folder: Path) -> Path:
    path = folder / "mine.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    return path


def test_a_file_that_says_nothing_needs_task_and_decoder(tmp_path: Path) -> None:
    path = bare_tflite(tmp_path)
    with pytest.raises(SpecError, match="give task and decoder"):
        complete_spec(path, None, None)
    spec = complete_spec(path, None, {"task": "detection", "decoder": "ssd"})
    assert (spec.name, spec.decoder) == ("mine", "ssd")


def test_what_is_given_changes_what_the_file_says(tmp_path: Path) -> None:
    own = SPEC.with_changes(input=edgecv.InputSpec(color="bgr", mean=(1, 1, 1)))
    spec = complete_spec(bare_tflite(tmp_path), own, {"score": 0.9, "input": {"std": 2}})
    assert spec.score == 0.9
    assert spec.input == edgecv.InputSpec(color="bgr", mean=(1, 1, 1), std=(2, 2, 2))
    assert spec.labels == SPEC.labels


def test_a_whole_spec_replaces_what_the_file_says(tmp_path: Path) -> None:
    assert complete_spec(bare_tflite(tmp_path), None, SPEC) is SPEC


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'yolox_nano_416'"):
        edgecv.load("yolox_nano")


@pytest.mark.zoo
def test_a_copy_of_a_public_model_is_known_by_its_content(zoo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.tflite"
    copy.write_bytes((zoo / "ssd_mobilenet_v1_coco_int8.tflite").read_bytes())
    model = edgecv.load(copy)
    assert model.spec.task == "detection"
    assert model.spec.labels[0] == "person"


@pytest.mark.zoo
def test_the_score_given_to_load_is_the_threshold(zoo: Path) -> None:
    image = edgecv_photo()
    few = edgecv.load("ssd_mobilenet_v1_coco_int8", score=0.6)(image)
    many = edgecv.load("ssd_mobilenet_v1_coco_int8", score=0.01)(image)
    assert len(many) > len(few)
    assert (few.scores >= 0.6).all()


def edgecv_photo() -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def test_a_class_beyond_the_labels_is_an_error_and_not_a_nameless_number() -> None:
    outputs = {**OUTPUTS, "classes": np.array([[7, 0]], F)}
    image = np.zeros((100, 200, 3), np.uint8)
    assert Model(FakeSession(outputs), SPEC.with_changes(labels=()))(image).names == ["7"]
    with pytest.raises(SpecError, match=r"found the class 7.*has 2 labels"):
        Model(FakeSession(outputs), SPEC)(image)
