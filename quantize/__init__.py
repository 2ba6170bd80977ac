"""From float to integers, with proof that the task survived."""

from edgecv.registry import Registry

QUANTIZERS = Registry(
    "quantizer",
    {
        "onnx": "edgecv.quantize.onnx:quantize",
        "openvino": "edgecv.quantize.openvino:quantize",
        "tflite": "edgecv.quantize.tflite:quantize",
    },
)
"""By format: ``quantize(source, target, tensors, recipe, *, report=None)``, which reads the
float32 file `source` and writes the int8 file `target` of the same format."""

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "tflite": ".tflite"}
"""How the names of each format's files end."""
