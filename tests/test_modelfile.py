from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from tiny_models import compiled_tflite, relu_tflite

from edgecv import modelfile
from edgecv.errors import ModelFileError, SpecError
from edgecv.spec import ModelSpec

SPEC = {"name": "mine", "task": "detection", "decoder": "ssd", "labels": ["a", "b"]}
TFLITE = b"\x1c\0\0\0TFL3" + bytes(56)


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tflite(path: Path, **members: str) -> Path:
    path.write_bytes(TFLITE)
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return path


def onnx(path: Path, text: str, key: str = "edgecv") -> Path:
    ir_version, graph = b"\x08\x0a", field(7, bytes(300))
    other = field(14, field(1, b"author") + field(2, b"me"))
    path.write_bytes(
        ir_version + graph + other + field(14, field(1, key.encode()) + field(2, text.encode()))
    )
    return path


def openvino(path: Path, text: str, key: str = "edgecv") -> Path:
    from xml.sax.saxutils import quoteattr

    info = f"<rt_info><{key} value={quoteattr(text)}/></rt_info>"
    path.write_text(f'<?xml version="1.0"?><net name="x" version="11">{info}</net>')
    path.with_suffix(".bin").write_bytes(b"0")
    return path


WRITERS = {
    ".tflite": lambda path, text: tflite(path, edgecv__json=text),
    ".onnx": onnx,
    ".xml": openvino,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_spec_inside_a_file_is_read(suffix: str, tmp_path: Path) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}", json.dumps(SPEC))
    modelfile.check(path)
    assert modelfile.embedded_spec(path) == ModelSpec.from_dict(SPEC)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_sidecar_comes_before_the_spec_inside(suffix: str, tmp_path: Path) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}", json.dumps(SPEC))
    (tmp_path / f"m{suffix}.json").write_text(json.dumps({**SPEC, "name": "beside"}))
    spec = modelfile.embedded_spec(path)
    assert spec is not None
    assert spec.name == "beside"


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("text", ["{", "[1]", '{"name": "x"}', '{"task": 3}'])
def test_a_wrong_spec_inside_a_file_is_refused(suffix: str, text: str, tmp_path: Path) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}", text)
    with pytest.raises(SpecError, match=rf"the spec in .*m\{suffix}"):
        modelfile.embedded_spec(path)


def test_a_file_without_a_spec_has_none(tmp_path: Path) -> None:
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(TFLITE)
    assert modelfile.embedded_spec(plain) is None
    assert modelfile.embedded_labels(plain) == ()
    assert modelfile.embedded_spec(tflite(tmp_path / "other.tflite", a__txt="x")) is None


CARDS = {
    ".tflite": lambda path, text: tflite(path, edgecv_card__json=text),
    ".onnx": lambda path, text: onnx(path, text, "edgecv_card"),
    ".xml": lambda path, text: openvino(path, text, "edgecv_card"),
}


@pytest.mark.parametrize("suffix", CARDS)
def test_the_card_inside_a_file_is_read(suffix: str, tmp_path: Path) -> None:
    path = CARDS[suffix](tmp_path / f"m{suffix}", '{"recipe": {"name": "x"}}')
    assert modelfile.embedded_card(path) == {"recipe": {"name": "x"}}
    assert modelfile.embedded_spec(path) is None


@pytest.mark.parametrize("suffix", CARDS)
def test_a_file_without_a_card_has_an_empty_one(suffix: str, tmp_path: Path) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}", json.dumps(SPEC))
    assert modelfile.embedded_card(path) == {}


@pytest.mark.parametrize("suffix", CARDS)
@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_wrong_card_inside_a_file_is_refused(suffix: str, text: str, tmp_path: Path) -> None:
    path = CARDS[suffix](tmp_path / f"m{suffix}", text)
    with pytest.raises(ModelFileError, match=rf"m\{suffix}: the card inside is"):
        modelfile.embedded_card(path)


def test_packed_labels_are_read(tmp_path: Path) -> None:
    path = tflite(tmp_path / "m.tflite", labelmap__txt="cat\n???\ndog\n\n")
    assert modelfile.embedded_labels(path) == ("cat", "???", "dog")
    two = tflite(tmp_path / "two.tflite", labels_a__txt="x", labels_b__txt="y")
    assert modelfile.embedded_labels(two) == ()


BAD = {
    "missing": ("none.tflite", None, "cannot read"),
    "empty": ("m.tflite", b"", r"empty \(0 bytes\)"),
    "not TFLite": ("m.tflite", b"PK\3\4" + bytes(50), "not a TFLite model"),
    "not OpenVINO": ("m.xml", b"<html></html>", "does not begin with <net>"),
    "without weights": ("m.xml", b"<net name='x'>", "lacks its weights"),
    "another kind": ("m.tflit", b"x", "did you mean '.tflite'"),
    "no suffix": ("model", b"x", "kind of model"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD.keys())
def test_files_that_no_runtime_could_open_are_refused(name, content, message, tmp_path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        modelfile.check(path)


@pytest.mark.parametrize("lost", [1, 21, 22, 100, 200])
def test_a_tflite_file_whose_archive_is_cut_short_is_told(lost: int, tmp_path: Path) -> None:
    path = tflite(tmp_path / "m.tflite", labels__txt="a\nb\n" * 40, edgecv__json="{}")
    modelfile.check(path)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(ModelFileError, match="cut short: the archive"):
        modelfile.check(path)


def test_weights_that_look_like_an_archive_are_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TFLITE + b"PK\x03\x04" + bytes(range(200, 230)))
    modelfile.check(path)


@pytest.mark.parametrize("length", [1, 3, 50, 200, 340])
def test_an_onnx_file_cut_short_is_told(length: int, tmp_path: Path) -> None:
    path = onnx(tmp_path / "m.onnx", json.dumps(SPEC))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises((ModelFileError, SpecError)):
        modelfile.embedded_spec(path)


def test_a_damaged_openvino_file_is_told(tmp_path: Path) -> None:
    path = openvino(tmp_path / "m.xml", json.dumps(SPEC))
    path.write_text(path.read_text()[:-8])
    with pytest.raises(ModelFileError, match="cut short or damaged"):
        modelfile.embedded_spec(path)


def test_edgetpu_models_are_known_by_their_operator(tmp_path: Path) -> None:
    assert not modelfile.needs_edgetpu(relu_tflite(tmp_path / "cpu.tflite"))
    assert modelfile.needs_edgetpu(compiled_tflite(tmp_path / "tpu.tflite"))


def test_the_size_of_an_openvino_model_is_that_of_both_files(tmp_path: Path) -> None:
    path = openvino(tmp_path / "m.xml", "{}")
    path.with_suffix(".bin").write_bytes(bytes(5000))
    assert modelfile.size_of(path) == path.stat().st_size + 5000
    path.with_suffix(".bin").unlink()
    assert modelfile.size_of(path) == path.stat().st_size


def test_a_file_beside_another_kind_of_model_does_not_count(tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite")
    (tmp_path / "m.bin").write_bytes(bytes(5000))
    assert modelfile.size_of(path) == path.stat().st_size
