"""A TFLite file taken apart into objects that can be changed, and put together again.

The objects are those that FlatBuffers' compiler makes of TensorFlow's `schema.fbs`; the package
ai-edge-litert brings them.
"""

from __future__ import annotations

import copy
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecv.errors import ModelFileError
from edgecv.types import Array

TYPE, OPERATOR = schema.TensorType, schema.BuiltinOperator
DTYPES = {
    TYPE.BOOL: np.bool_, TYPE.UINT8: np.uint8, TYPE.INT8: np.int8, TYPE.INT16: np.int16,
    TYPE.INT32: np.int32, TYPE.INT64: np.int64, TYPE.FLOAT32: np.float32,
}  # fmt: skip
NAMES = {code: name for name, code in vars(OPERATOR).items() if isinstance(code, int)}


class Graph:
    """The one subgraph of a TFLite file, with its tensors, operators and constants.

    Attributes:
        inputs: Indices of the tensors that go in.
        outputs: Indices of the tensors that come out.
        operators: In the order in which they run.
        tensors: What the indices of inputs, outputs and operators stand for.

    Args:
        data: The whole file.

    Raises:
        ModelFileError: It is damaged, or has several subgraphs.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = _unpacked(data)
        graph = self._model.subgraphs[0]
        self.inputs, self.outputs = _indices(graph.inputs), _indices(graph.outputs)
        self.operators, self.tensors = list(graph.operators), list(graph.tensors)
        for operator in self.operators:
            operator.inputs = _indices(operator.inputs)
            operator.outputs = _indices(operator.outputs)

    def code(self, operator: Any) -> int:
        """Return which of `OPERATOR` an operator is."""
        return _number(self._model.operatorCodes[operator.opcodeIndex])

    def name(self, operator: Any) -> str:
        """Return an operator's name, that of a custom operator as its author gave it."""
        custom = self._model.operatorCodes[operator.opcodeIndex].customCode
        number = self.code(operator)
        return str(custom, "utf-8", "replace") if custom else NAMES.get(number, f"number {number}")

    def values(self, index: int) -> Array | None:
        """Return a constant's values in its shape; None for a tensor that is computed."""
        tensor = self.tensors[index]
        data = self._model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        try:
            return np.frombuffer(bytes(data), DTYPES[tensor.type]).reshape(tensor.shape)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"the constant {name_of(tensor)} cannot be read") from error

    def set_values(self, index: int, values: Array) -> None:
        """Make a tensor a constant, in a buffer of its own."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        self.tensors[index].buffer = len(self._model.buffers) - 1

    def add_like(self, index: int, suffix: str) -> int:
        """Add a computed tensor like another one, with a longer name; return its index."""
        tensor = copy.deepcopy(self.tensors[index])
        tensor.name = (tensor.name or b"") + suffix.encode()
        tensor.buffer = 0
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_floats(self, name: str, shape: Sequence[int]) -> int:
        """Add a computed tensor of float32; return its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name.encode(), TYPE.FLOAT32, 0
        tensor.shape = np.array(shape, np.int32)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(self, code: int, version: int, source: int, target: int) -> Any:
        """Return a new operator of one input and one output, which is in no list yet."""
        return self._operator(code, version, [source], [target])

    def custom(self, name: str, inputs: list[int], outputs: list[int], options: bytes) -> Any:
        """Return a new operator that is not TFLite's own, which is in no list yet."""
        operator = self._operator(OPERATOR.CUSTOM, 1, inputs, outputs)
        self._model.operatorCodes[-1].customCode = name.encode()
        operator.customOptions = np.frombuffer(options, np.uint8)
        return operator

    def _operator(self, code: int, version: int, inputs: list[int], outputs: list[int]) -> Any:
        made = schema.OperatorCodeT()
        made.builtinCode, made.version = code, version
        made.deprecatedBuiltinCode = min(code, 127)  # a byte; larger ones stand in the new field
        self._model.operatorCodes.append(made)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        return operator

    def output_names(self) -> dict[str, int]:
        """Return the outputs by the names that tensors have, and by those in the signature."""
        found = {name_of(self.tensors[index]): index for index in self.outputs}
        for signature in self._model.signatureDefs or ():
            for entry in signature.outputs or ():
                found.setdefault(str(entry.name or b"", "utf-8", "replace"), int(entry.tensorIndex))
        return found

    def set_outputs(self, outputs: Mapping[str, int]) -> None:
        """Let tensors come out, in this order; signatures call them by these names."""
        self.outputs = list(outputs.values())
        for signature in self._model.signatureDefs or ():
            signature.outputs = [_entry(name, index) for name, index in outputs.items()]

    def set_metadata(self, name: str, content: bytes) -> None:
        """Put a named entry into the metadata, in place of one of that name."""
        entries = {bytes(entry.name or b""): entry for entry in self._model.metadata or ()}
        entry = entries.setdefault(name.encode(), schema.MetadataT())
        if not entry.buffer:
            self._model.buffers.append(schema.BufferT())
            entry.name, entry.buffer = name.encode(), len(self._model.buffers) - 1
        self._model.buffers[entry.buffer].data = np.frombuffer(content, np.uint8)
        self._model.metadata = list(entries.values())

    def raise_versions(self, least: dict[int, int]) -> None:
        """Say for each kind of operator which version a runtime has to know, at least."""
        for code in self._model.operatorCodes:
            code.version = max(code.version, least.get(_number(code), 1))

    def packed(self, files: Mapping[str, bytes] | None = None) -> bytes:
        """Return the file, with the metadata and the appended archive that it came with.

        Args:
            files: What to put into that archive, by name.
        """
        graph = self._model.subgraphs[0]
        graph.inputs = np.array(self.inputs, np.int32)
        graph.outputs = np.array(self.outputs, np.int32)
        graph.operators, graph.tensors = self.operators, self.tensors
        used = {tensor.buffer for tensor in self.tensors}
        used |= {entry.buffer for entry in self._model.metadata or ()}
        for index, buffer in enumerate(self._model.buffers):
            if index not in used:
                buffer.data = None
        builder = flatbuffers.Builder(len(self._data))
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return _with_archive(bytes(builder.Output()), self._data, files or {})


def archived(data: bytes) -> dict[str, bytes]:
    """Return the associated files of a TFLite file, by name.

    Raises:
        ModelFileError: The archive that holds them is damaged.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return {}
    return {info.filename: content for info, content in _archive(data).items()}


def _entry(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), index
    return entry


def _unpacked(data: bytes) -> Any:
    if data[4:8] != b"TFL3":
        raise ModelFileError("this is not a TFLite model: bytes 4 to 8 are not 'TFL3'")
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        count = len(model.subgraphs)
    except (AttributeError, IndexError, MemoryError, TypeError, ValueError, struct.error) as error:
        raise ModelFileError("the TFLite model is damaged or cut short") from error
    if count != 1:
        raise ModelFileError(f"wanted a TFLite model of one subgraph, this one has {count}")
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise ModelFileError("the TFLite model keeps weights outside its FlatBuffer")
    if not _is_whole(model):
        raise ModelFileError("the TFLite model is damaged: it refers to what is not there")
    return model


def _is_whole(model: Any) -> bool:
    """Tell whether all that operators and tensors refer to is there."""
    graph, codes = model.subgraphs[0], model.operatorCodes or ()
    operators, tensors = graph.operators or (), graph.tensors or ()
    ends = [*_indices(graph.inputs), *_indices(graph.outputs)]
    for operator in operators:
        given, made = _indices(operator.inputs), _indices(operator.outputs)
        if not given or not made or operator.opcodeIndex >= len(codes):
            return False
        ends += [given[0], *made, *(index for index in given if index != -1)]
    inside = all(0 <= index < len(tensors) for index in ends)
    return inside and all(tensor.buffer < len(model.buffers) for tensor in tensors)


def name_of(tensor: Any) -> str:
    """Return a tensor's name."""
    return str(tensor.name or b"", "utf-8", "replace")


def _indices(values: Iterable[int] | None) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _number(code: Any) -> int:
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _with_archive(model: bytes, origin: bytes, files: Mapping[str, bytes]) -> bytes:
    """Append the associated files of another TFLite file, a zip at its end, and new ones."""
    members = {zipfile.ZipInfo(name): content for name, content in files.items()}  # of 1980
    kept = _archive(origin) if zipfile.is_zipfile(io.BytesIO(origin)) else {}
    members |= {info: content for info, content in kept.items() if info.filename not in files}
    if not members:
        return model
    out = io.BytesIO(model)
    with zipfile.ZipFile(out, "a") as archive:
        for info, content in members.items():
            archive.writestr(info, content)
    return out.getvalue()


def _archive(data: bytes) -> dict[zipfile.ZipInfo, bytes]:
    """Return the files of an archive; of those with the same name, the last."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            last = {info.filename: info for info in archive.infolist()}
            return {copy.copy(info): archive.read(info) for info in last.values()}
    except (EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelFileError("the archive at the end of the TFLite model is damaged") from error
