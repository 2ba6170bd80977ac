"""Models of one operator, written as the tests need them: no public model is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHAPE = (1, 8, 8, 3)
QUANT = (0.5, 10)  # scale, zero point
RELU = 19  # BuiltinOperator of TFLite's schema.fbs
CUSTOM = 32


def relu_tflite(path: Path, *, dtype: str = "float32", open_batch: bool = False) -> Path:
    """Write max(x, 0) of an image-like tensor named "x" into "y"."""
    return _tflite(path, dtype, custom="", open_batch=open_batch)


def compiled_tflite(path: Path, *, operator: str = "edgetpu-custom-op") -> Path:
    """Write a uint8 file whose only operator is a custom one, as the Edge TPU's compiler does."""
    return _tflite(path, "uint8", custom=operator, open_batch=False)


def _tflite(path: Path, dtype: str, *, custom: str, open_batch: bool) -> Path:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), list(SHAPE), 0
        made.type = getattr(schema.TensorType, dtype.upper())
        if open_batch:
            made.shapeSignature = [-1, *SHAPE[1:]]
        if dtype in ("uint8", "int8"):
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [QUANT[0]], [QUANT[1]]
        return made

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = CUSTOM if custom else RELU
    code.customCode, code.version = custom.encode() or None, 1
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0], [1]
    if custom:
        operator.customOptions = list(b"twin")
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = [tensor("x"), tensor("y")], [0], [1]
    graph.operators = [operator]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def relu_onnx(
    path: Path, *, dtype: str = "FLOAT", opset: int = 17, operator: str = "Relu", domain: str = ""
) -> Path:
    """Write max(x, 0) as an ONNX file, or any other operator of one tensor."""
    import onnx

    sides = [SHAPE[0], SHAPE[3], *SHAPE[1:3]]
    kind = getattr(onnx.TensorProto, dtype)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x"], ["y"], domain=domain)],
        "tiny",
        [onnx.helper.make_tensor_value_info("x", kind, sides)],
        [onnx.helper.make_tensor_value_info("y", kind, sides)],
    )
    versions = [onnx.helper.make_opsetid("", opset)]
    if domain:
        versions.append(onnx.helper.make_opsetid(domain, 1))
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def relu_keras(path: Path) -> Path:
    """Write max(x, 0) of an image-like tensor named "x" into "y" as a Keras file."""
    import warnings

    import keras

    image = keras.Input(SHAPE[1:], name="x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras 3.15 under numpy 2.4
        keras.Model(image, keras.layers.ReLU(name="y")(image)).save(path)
    return path
