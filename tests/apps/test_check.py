from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import tiny_uint8
from tiny_models import compiled_tflite, relu_onnx, relu_tflite

from edgecv.modelfile import KERAS_MEMBERS

pytest.importorskip("ai_edge_litert")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    path = tmp_path / "detector.tflite"
    path.write_bytes(tiny_uint8.detector())
    return path


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A model whose third operator the Edge TPU lacks."""
    net = tiny_uint8.Builder()
    names = ("x", "first", "second", "third", "fourth", "y")
    ends = [net.tensor(name, [1, 4, 4, 2], tiny_uint8.PICTURE) for name in names]
    kinds = ("RELU", "RELU", "HARD_SWISH", "RELU", "HARD_SWISH")
    for kind, source, target in zip(kinds, ends, ends[1:], strict=False):
        net.add(kind, [source], [target])
    path = tmp_path / "stopped.tflite"
    path.write_bytes(net.packed(ends[:1], ends[-1:]))
    return path


def test_a_detector_is_for_the_edge_tpu_but_for_its_post_processing(edgecv, detector) -> None:
    ran = edgecv("check", detector, "--target", "coral", "--strict")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["operator", "tensor", "shape", "runs", "on", "why"]
    assert lines[1].split() == ["CONV_2D", "felt", "1x8x8x3", "Edge", "TPU"]
    assert lines[4].split()[0] == "TFLite_Detection_PostProcess"
    assert lines[4].endswith("CPU       the Edge TPU has no such operator")
    assert lines[-3:] == [
        "3 of 4 operators on the Edge TPU, 100.0% of the multiply-adds",
        "parameters 0.00 MB, of about 8 MB on the chip: all fit",
        "all but TFLite_Detection_PostProcess, which is made for the CPU",
    ]


def test_what_stays_on_the_cpu_is_told_with_the_layer_and_why(edgecv, stopped) -> None:
    ran = edgecv("check", stopped, "--target", "coral")
    assert ran.code == 0
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert rows[1:5] == [
        "2 x RELU first and 1 more 1x4x4x2 Edge TPU",
        "HARD_SWISH third 1x4x4x2 CPU the Edge TPU has no such operator",
        "RELU fourth 1x4x4x2 CPU it comes after HARD_SWISH third, and the compiler makes one part",
        "HARD_SWISH y 1x4x4x2 CPU the Edge TPU has no such operator",
    ]
    assert rows[6:] == [
        "the Edge TPU has no HARD_SWISH: third, y",
        "2 of 5 operators on the Edge TPU",
    ]


def test_strict_makes_it_an_exit_code(edgecv, stopped) -> None:
    assert edgecv("check", stopped, "--target", "coral", "--strict").code == 1


def test_all_shows_each_operator_on_a_line(edgecv, stopped) -> None:
    ran = edgecv("check", stopped, "--target", "coral", "--all")
    names = [line.split()[1] for line in ran.out.splitlines()[1:6]]
    assert names == ["first", "second", "third", "fourth", "y"]


@pytest.mark.parametrize("to", ["-", "plan.json"])
def test_json_has_all_of_it(edgecv, stopped, tmp_path, monkeypatch, to) -> None:
    monkeypatch.chdir(tmp_path)
    ran = edgecv("check", stopped, "--target", "coral", "--json", to)
    assert ("2 of 5" in ran.out) == (to != "-")
    found = json.loads(ran.out if to == "-" else Path(to).read_text())
    assert (found["model"], found["target"], found["device"]) == (str(stopped), "coral", "Edge TPU")
    assert (found["mapped"], found["left"], found["compiled"]) == (2, 3, False)
    assert found["operators"][2] == {
        "kind": "HARD_SWISH", "name": "third", "shape": [1, 4, 4, 2], "on": "CPU",
        "why": "the Edge TPU has no such operator", "caution": "", "multiply_adds": 0,
        "parameter_bytes": 0,
    }  # fmt: skip


def test_a_compiled_file_says_that_it_is_one(edgecv, tmp_path) -> None:
    ran = edgecv("check", compiled_tflite(tmp_path / "a.tflite"), "--target", "coral")
    assert ran.code == 0
    assert "note: compiled for the Edge TPU already" in ran.out
    assert ran.out.endswith("1 of 1 operators on the Edge TPU\n")


def test_a_model_with_an_open_batch_is_told_so(edgecv, tmp_path) -> None:
    path = relu_tflite(tmp_path / "a.tflite", dtype="int8", open_batch=True)
    ran = edgecv("check", path, "--target", "coral", "--strict")
    assert ran.code == 1
    assert "?x8x8x3" in ran.out
    assert "it has open shapes, and the compiler wants fixed ones" in ran.out
    assert "note: x is ?x8x8x3: fix its shape" in ran.out


def test_the_zoos_detector_is_checked_by_its_name(edgecv, zoo) -> None:
    ran = edgecv("check", "ssd_mobilenet_v1_coco_int8", "--target", "coral", "--strict")
    assert ran.code == 0
    assert "63 of 64 operators on the Edge TPU, 100.0% of the multiply-adds" in ran.out
    assert "parameters 4.14 MB, of about 8 MB on the chip: all fit" in ran.out


@pytest.mark.parametrize("target", ["openvino", "openvino:cpu", "onnx"])
def test_runtimes_are_asked(edgecv, tmp_path, target) -> None:
    pytest.importorskip("openvino" if "openvino" in target else "onnxruntime")
    ran = edgecv("check", relu_onnx(tmp_path / "a.onnx"), "--target", target, "--strict")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1].startswith("1 of 1 operators on the CPU")


def onnx(folder: Path) -> Path:
    return relu_onnx(folder / "a.onnx")


def tflite(folder: Path) -> Path:
    return relu_tflite(folder / "a.tflite")


def keras(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.keras", "w") as archive:
        for name in KERAS_MEMBERS:
            archive.writestr(name, "")
    return folder / "a.keras"


def cut(folder: Path) -> Path:
    (folder / "cut.tflite").write_bytes(tiny_uint8.classifier()[:2000])
    return folder / "cut.tflite"


INT8 = "--to tflite --precision int8 --calibration PICTURES --out out/`"
BAD = {
    "keras for coral": (keras, "coral", 1, f"a.keras {INT8}, then check that"),
    "onnx for coral": (onnx, "coral", 1, f"`edgecv convert MODEL.keras {INT8}"),
    "tflite for tensorrt": (tflite, "tensorrt", 1, "a.tflite: tensorrt wants a file of .onnx"),
    "keras for tensorrt": (keras, "tensorrt", 1, "a.keras --to onnx --out out/`"),
    "keras for the npu": (keras, "npu", 1, "a.keras --to openvino --out out/`"),
    "no such target": (tflite, "corral", 2, "no target 'corral'; did you mean 'coral'?"),
    "coral:1": (tflite, "coral:1", 2, "the target coral has no '1': wanted coral alone"),
    "damaged": (cut, "coral", 1, "cut.tflite: the TFLite model is damaged or cut short"),
    "not there": (lambda folder: folder / "none.tflite", "coral", 1, "cannot read"),
    "device not there": (onnx, "gpu:7", 1, "OpenVINO finds no GPU.7 on this machine, only"),
}


@pytest.mark.parametrize(("make", "target", "code", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_checked_is_told_in_one_line(
    edgecv, tmp_path, make, target, code, message
) -> None:
    ran = edgecv("check", make(tmp_path), "--target", target)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
