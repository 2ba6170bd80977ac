from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from edgecv.runtimes import onnx
from tiny_models import relu_onnx

from edgecv.errors import DeviceError, EdgeCVError, InferenceError, ModelFileError


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("FLOAT", "float32"), ("FLOAT16", "float16"), ("DOUBLE", "float64"), ("UINT8", "uint8"),
        ("INT8", "int8"), ("INT32", "int32"), ("INT64", "int64"), ("BOOL", "bool"),
    ],
)  # fmt: skip
def test_every_element_type_is_numpys(dtype: str, wanted: str, tmp_path: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx", dtype=dtype, operator="Identity")
    session = onnx.open_session(path, "cpu", threads=1)
    assert (session.inputs[0].dtype, session.outputs[0].dtype) == (wanted, wanted)
    made = session.run({"x": np.ones(session.inputs[0].shape, wanted)})["y"]
    assert made.dtype == wanted


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = relu_onnx(tmp_path / "m.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(1, len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=r"cut\.onnx is damaged or cut short"):
            onnx.open_session(cut, "cpu", threads=1)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        onnx.open_session(path, "cpu", threads=1)


REFUSED = {
    "opset too new": ({"opset": 99}, "Opset 99"),
    "unknown operator": ({"operator": "Mine", "domain": "my.own"}, r"my\.own:Mine"),
    "unknown type of an operator": ({"dtype": "BOOL"}, "bool"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_runtime_lacks_is_named(options, message: str, tmp_path: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx", **options)
    version = onnxruntime.__version__
    with pytest.raises(InferenceError, match=rf"m\.onnx: onnxruntime {version} .*{message}"):
        onnx.open_session(path, "cpu", threads=1)


def test_errors_name_no_source_files_of_the_runtime(tmp_path: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx", opset=99)
    with pytest.raises(EdgeCVError) as caught:
        onnx.open_session(path, "cpu", threads=1)
    assert "onnxruntime_src" not in str(caught.value)
    assert "[ONNXRuntimeError]" not in str(caught.value)


@pytest.mark.parametrize("device", sorted(set(onnx.PROVIDERS) - {"cpu"}))
def test_a_device_of_another_build_is_not_replaced_by_the_cpu(device: str, tmp_path: Path) -> None:
    if device in {found.name for found in onnx.list_devices()}:
        pytest.skip(f"this build has {device}")
    path = relu_onnx(tmp_path / "m.onnx")
    with pytest.raises(DeviceError, match=f"has no device '{device}'; it has .*cpu"):
        onnx.open_session(path, device, threads=1)


def test_a_provider_that_does_not_start_is_not_replaced_by_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with CUDA whose libraries are missing: the build has it, the session comes without it.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [onnx.PROVIDERS["cuda"]])
    monkeypatch.setattr(onnx, "_providers", lambda device: [onnx.PROVIDERS["cpu"]])
    with pytest.raises(DeviceError, match="CUDAExecutionProvider does not start here"):
        onnx.open_session(relu_onnx(tmp_path / "m.onnx"), "cuda", threads=1)


def test_threads_stop_spinning_with_the_run() -> None:
    options = onnx.session_options(3)
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_the_cpu_is_listed_last_for_it_is_what_remains() -> None:
    assert onnx.list_devices()[-1].name == "cpu"
