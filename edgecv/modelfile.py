"""What a model file says without any runtime: its kind, its faults, the spec inside it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgecv import tflitefile
from edgecv.errors import ModelFileError, SpecError, unknown_name
from edgecv.spec import ModelSpec

SUFFIXES = (".tflite", ".onnx", ".xml", ".keras")
SPEC_NAME, CARD_NAME = "edgecv.json", "edgecv_card.json"
SPEC_KEY, CARD_KEY = "edgecv", "edgecv_card"
"""What the spec and the card are called in archives, and in ONNX and OpenVINO files."""

KERAS_MEMBERS = ("config.json", "model.weights.h5")
EDGETPU_OPERATOR = "edgetpu-custom-op"


def check(path: Path) -> None:
    """Refuse a file that no runtime could open, with the reason.

    Raises:
        ModelFileError: It is missing, empty, of an unknown kind, cut short, or half of a pair.
    """
    if path.suffix not in SUFFIXES:
        hint = unknown_name("kind of model", path.suffix or path.name, SUFFIXES)
        raise ModelFileError(f"{path}: {hint}")
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    if not head:
        raise ModelFileError(f"{path} is empty (0 bytes)")
    if path.suffix == ".tflite" and head[4:8] != b"TFL3":
        raise ModelFileError(f"{path} is not a TFLite model: bytes 4 to 8 are not 'TFL3'")
    if path.suffix == ".tflite" and _lost_its_end(path):
        raise ModelFileError(
            f"{path} is cut short: the archive of labels and spec at its end is not whole"
        )
    if path.suffix == ".keras":
        _check_keras(path, head)
    if path.suffix == ".xml":
        if b"<net" not in head:
            raise ModelFileError(f"{path} is not an OpenVINO model: it does not begin with <net>")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise ModelFileError(f"{path} lacks its weights: {weights} is not there")


def _check_keras(path: Path, head: bytes) -> None:
    if not head.startswith(b"PK\x03\x04"):
        raise ModelFileError(f"{path} is not a Keras model: it is no archive")
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path} is cut short: the archive's end is not there")
    with zipfile.ZipFile(path) as archive:
        for name in KERAS_MEMBERS:
            if name not in archive.namelist():
                raise ModelFileError(f"{path} is not a Keras model: {name} is not in it")


def _lost_its_end(path: Path) -> bool:
    """Tell whether an archive begins in a TFLite file and does not end: runtimes do not notice.

    An archive's members begin with a signature, the version that unpacks them (at most 63) and the
    method, 0 or 8 (PKWARE's APPNOTE.TXT, 4.3.7).
    """
    data = path.read_bytes()
    at = data.rfind(b"PK\x03\x04")
    if at < 0 or zipfile.is_zipfile(path):
        return False
    version, method = data[at + 4 : at + 6], data[at + 8 : at + 10]
    return int.from_bytes(version, "little") <= 63 and int.from_bytes(method, "little") in (0, 8)


def needs_edgetpu(path: Path) -> bool:
    """Tell whether a TFLite file was compiled for the Edge TPU, by its custom operator's name.

    Raises:
        ModelFileError: The file is cut short or damaged.
    """
    return path.suffix == ".tflite" and EDGETPU_OPERATOR in tflitefile.custom_operators(path)


def embedded_spec(path: Path) -> ModelSpec | None:
    """Return the spec beside a model file (`<file>.json`) or inside it; None where there is none.

    TFLite keeps it as an associated file `edgecv.json`, Keras as a member `edgecv.json` of its
    archive, ONNX in `metadata_props` and OpenVINO in `rt_info`, both under the key `edgecv`.

    Raises:
        SpecError: There is one, and it is wrong.
    """
    sidecar = path.with_name(path.name + ".json")
    origin: Path | str = sidecar
    if sidecar.is_file():
        text: str | None = sidecar.read_text(encoding="utf-8")
    else:
        origin = path
        text = _text(path, SPEC_NAME, SPEC_KEY)
    if text is None:
        return None
    try:
        values = json.loads(text)
        if not isinstance(values, Mapping):
            raise SpecError(f"wanted a JSON object, got {type(values).__name__}")
        return ModelSpec.from_dict(values, folder=path.parent)
    except (SpecError, TypeError, ValueError) as error:
        raise SpecError(f"the spec in {origin}: {error}") from error


def embedded_card(path: Path) -> dict[str, Any]:
    """Return how the model in a file came about, as JSON values; empty where it does not say.

    TFLite and Keras keep the card as `edgecv_card.json` in their archives, ONNX in `metadata_props`
    and OpenVINO in `rt_info`, both under the key `edgecv_card`.

    Raises:
        ModelFileError: There is one, and it is no JSON object; or the file is damaged.
    """
    text = _text(path, CARD_NAME, CARD_KEY)
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ModelFileError(f"{path}: the card inside is damaged: {error}") from error
    if not isinstance(found, dict):
        raise ModelFileError(f"{path}: the card inside is no JSON object")
    return found


def _text(path: Path, name: str, key: str) -> str | None:
    """Return what a file carries: a member of its archive, or a value under a key."""
    if path.suffix in (".keras", ".tflite"):
        return _member(path, name)
    if path.suffix == ".onnx":
        return _onnx_property(path, key)
    return _openvino_info(path, key) if path.suffix == ".xml" else None


def embedded_labels(path: Path) -> tuple[str, ...]:
    """Return the class names that TFLite metadata packs into a file; empty where there are none."""
    if path.suffix != ".tflite" or not zipfile.is_zipfile(path):
        return ()
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if "label" in n.lower() and n.endswith(".txt")]
        if len(names) != 1:
            return ()
        lines = archive.read(names[0]).decode("utf-8", "replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.strip() for line in lines)


def _member(path: Path, name: str) -> str | None:
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            return None
        return archive.read(name).decode("utf-8", "replace")


def _openvino_info(path: Path, key: str) -> str | None:
    try:
        found = ElementTree.parse(path).getroot().find(f"rt_info/{key}")
    except ElementTree.ParseError as error:
        raise ModelFileError(f"{path} is cut short or damaged: {error}") from error
    return None if found is None else found.get("value")


def _onnx_property(path: Path, key: str) -> str | None:
    """Walk the outermost fields of a ModelProto; `metadata_props` is field 14 (onnx.proto)."""
    for number, value in _fields(path.read_bytes(), path):
        if number == 14:
            entry = {n: bytes(v) for n, v in _fields(value, path)}
            if entry.get(1) == key.encode():
                return entry.get(2, b"").decode("utf-8", "replace")
    return None


def _fields(data: bytes | memoryview, path: Path) -> Iterator[tuple[int, memoryview]]:
    """Yield the length-delimited fields of a protocol buffer, skipping the others."""
    view, at = memoryview(data), 0
    while at < len(view):
        try:
            key, at = _varint(view, at)
            if key & 7 == 2:
                length, at = _varint(view, at)
                if at + length > len(view):
                    raise ModelFileError(
                        f"{path} is cut short: {len(data)} bytes are not all of it"
                    )
                yield key >> 3, view[at : at + length]
                at += length
            elif key & 7 == 0:
                _, at = _varint(view, at)
            else:
                at += {1: 8, 5: 4}[key & 7]
        except (IndexError, KeyError) as error:
            raise ModelFileError(f"{path} is damaged, or not an ONNX model") from error


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def size_of(path: Path) -> int:
    """Return the bytes of a model, its weights included where they lie beside it."""
    weights = path.with_suffix(".bin")
    beside = weights.stat().st_size if path.suffix == ".xml" and weights.is_file() else 0
    return path.stat().st_size + beside
