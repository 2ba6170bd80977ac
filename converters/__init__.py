"""From one model file to another, with proof that it says the same.

A converter is one function::

    convert(source, target, *, precision) -> None

It reads the file `source` and writes the file `target`, whose inputs and outputs have the names,
the order of axes and the meaning of the source's, with a fixed batch of one. It neither looks at
the spec nor writes it: `embed.embed` does that, in any format.
"""

from __future__ import annotations

from edgecv.registry import Registry

CONVERTERS = Registry(
    "conversion",
    {
        "keras>onnx": "edgecv.converters.keras_onnx:convert",
        "keras>openvino": "edgecv.converters.keras_openvino:convert",
        "keras>tflite": "edgecv.converters.keras_tflite:convert",
        "onnx>openvino": "edgecv.converters.onnx_openvino:convert",
        "tflite>onnx": "edgecv.converters.tflite_onnx:convert",
        "tflite>openvino": "edgecv.converters.tflite_openvino:convert",
    },
)

PRECISIONS = {
    "onnx": ("fp32", "fp16"),
    "openvino": ("fp32", "fp16"),
    "tflite": ("fp32", "fp16", "dynamic"),
}
"""What floats can be stored as. fp16: weights are halved and calculated with in float32; dynamic:
weights are int8, activations stay floats. INT8 throughout is the business of `edgecv.quantize`."""

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "tflite": ".tflite"}
"""How the files of a format end."""
