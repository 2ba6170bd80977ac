"""What a model file carries besides its numbers: the spec, the card, and what other tools read.

TFLite: `edgecv.json` and `edgecv_card.json` in the archive at its end, and the official metadata.
ONNX: `metadata_props`. OpenVINO: `rt_info`, with Model API's `model_info` beside ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgecv.errors import ModelFileError
from edgecv.modelfile import CARD_KEY, CARD_NAME, SPEC_KEY, SPEC_NAME, check
from edgecv.spec import ModelSpec
from edgecv.tflitegraph import Graph

from .model_api import model_info
from .tflite_metadata import add_metadata


def embed(path: Path, *, spec: ModelSpec | None, card: Mapping[str, Any] | None) -> None:
    """Put a spec and a card into a file, in place of those that are there.

    The file is written over, so that callers give one that has no name yet (`cache.atomic_path`).

    Args:
        path: A .tflite, .onnx or .xml file.
        spec: What its tensors mean; None leaves what is there.
        card: How it came about, as JSON values; None leaves what is there.

    Raises:
        ModelFileError: The file is damaged, or of a kind that carries nothing.
        SpecError: The spec does not fit the file's outputs.
    """
    check(path)
    if path.suffix not in _WRITERS:
        raise ModelFileError(f"{path.name}: wanted a file of {', '.join(sorted(_WRITERS))}")
    texts = {}
    if spec is not None:
        texts[SPEC_KEY] = json.dumps(spec.to_dict())
    if card is not None:
        texts[CARD_KEY] = json.dumps(card, indent=1)
    _WRITERS[path.suffix](path, spec, texts)


def _into_tflite(path: Path, spec: ModelSpec | None, texts: Mapping[str, str]) -> None:
    names = {SPEC_KEY: SPEC_NAME, CARD_KEY: CARD_NAME}
    files = {names[key]: text.encode() for key, text in texts.items()}
    data = path.read_bytes()
    if spec is not None:
        data = add_metadata(data, spec)
    path.write_bytes(Graph(data).packed(files))


def _into_onnx(path: Path, spec: ModelSpec | None, texts: Mapping[str, str]) -> None:
    import onnx

    model = onnx.load(path)
    values = {entry.key: entry.value for entry in model.metadata_props} | dict(texts)
    onnx.helper.set_model_props(model, values)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _into_openvino(path: Path, spec: ModelSpec | None, texts: Mapping[str, str]) -> None:
    """Write into the .xml alone: its .bin stays as it is."""
    tree = ElementTree.parse(path)
    root = tree.getroot()
    info = root.find("rt_info")
    if info is None:
        info = ElementTree.SubElement(root, "rt_info")
    for key, text in texts.items():
        _replace(info, key).set("value", text)
    if spec is not None:
        group = _replace(info, "model_info")
        for key, text in model_info(spec).items():
            ElementTree.SubElement(group, key).set("value", text)
    ElementTree.indent(info, "\t", level=1)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _replace(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    """Return a new, empty element in place of one of that name."""
    for old in parent.findall(name):
        parent.remove(old)
    return ElementTree.SubElement(parent, name)


_WRITERS: Mapping[str, Callable[[Path, ModelSpec | None, Mapping[str, str]], None]] = {
    ".onnx": _into_onnx,
    ".tflite": _into_tflite,
    ".xml": _into_openvino,
}
