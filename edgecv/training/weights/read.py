"""The graph of a model file of any format."""

from __future__ import annotations

from pathlib import Path

from edgecv.registry import Registry
from edgecv.training.weights.graph import Graph

READERS = Registry(
    "reader of weights",
    {
        ".onnx": "edgecv.training.weights.onnx:read_onnx",
        ".tflite": "edgecv.training.weights.tflite:read_tflite",
        ".xml": "edgecv.training.weights.openvino:read_openvino",
    },
)


def read_graph(path: Path) -> Graph:
    """Read the operators and weights of a .tflite, .onnx or OpenVINO .xml file.

    Raises:
        UnknownNameError: No reader knows the kind of file.
        ModelFileError: The file is damaged, or not of the kind that is read here.
        PackageMissingError: A package that reads it is not installed.
    """
    graph: Graph = READERS.load(path.suffix)(path)
    return graph
