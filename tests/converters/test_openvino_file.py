from __future__ import annotations

from pathlib import Path

import pytest
from edgecv.converters import openvino_file
from edgecv.quantize import openvino as quantize_openvino
from tiny_models import relu_tflite

from edgecv.errors import OutputError

ov = pytest.importorskip("openvino")


def by_conversion(model: object, target: Path) -> None:
    openvino_file.save(model, target, precision="fp32")


@pytest.mark.parametrize(
    "save", [by_conversion, quantize_openvino.save], ids=["conversion", "quantization"]
)
def test_a_disk_that_fills_up_while_openvino_writes_is_told(save, tmp_path, monkeypatch) -> None:
    model = openvino_file.read(relu_tflite(tmp_path / "a.tflite"))

    def fill(model: object, path: Path, **_: object) -> None:
        Path(path).write_text("<net")
        Path(path).with_suffix(".bin").write_bytes(b"half")
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(ov, "save_model", fill)
    target = tmp_path / "out" / "a.xml"
    with pytest.raises(
        OutputError, match=r"cannot write .*a\.xml: .* is the disk full\?"
    ) as caught:
        save(model, target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []
