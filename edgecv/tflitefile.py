"""What a TFLite file says of its operators and tensors, read without any runtime.

The file is a FlatBuffer (https://flatbuffers.dev/internals/): tables whose fields are found
through a table of offsets. The field numbers are those of TensorFlow's `schema.fbs`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.errors import ModelFileError
from edgecv.types import Quant

OPERATOR_CODES, SUBGRAPHS, BUFFERS = 1, 2, 4  # of Model
TENSORS, INPUTS, OUTPUTS = 0, 1, 2  # of SubGraph
TYPE, BUFFER, NAME, QUANTIZATION = 1, 2, 3, 4  # of Tensor
DATA = 0  # of Buffer
SCALE, ZERO_POINT = 2, 3  # of QuantizationParameters
CUSTOM_CODE = 1  # of OperatorCode
TYPES = ("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
         "int8")  # fmt: skip
"""Element types by their number in TensorType; later ones hold no weights here."""


class _Table(NamedTuple):
    """A table of the buffer: all the bytes, and where it begins."""

    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Return where the value of a field lies; None where the file leaves it out."""
        offsets = self.at - self._read("<i", self.at)
        slot = 4 + 2 * number
        if slot >= self._read("<H", offsets):
            return None
        offset = self._read("<H", offsets + slot)
        return self.at + offset if offset else None

    def number(self, number: int, kind: str) -> int:
        """Return a field that holds an integer of a `struct` kind; 0 where it is left out."""
        at = self.field(number)
        return 0 if at is None else self._read(f"<{kind}", at)

    def length(self, number: int) -> int:
        """Return how many elements the vector in a field has."""
        at = self.field(number)
        return 0 if at is None else self._read("<I", self._follow(at))

    def vector(self, number: int, kind: str) -> list[int | float]:
        """Return a field that holds a vector of plain numbers of a `struct` kind."""
        at = self.field(number)
        if at is None:
            return []
        start = self._follow(at)
        return list(self._unpack(f"<{self._read('<I', start)}{kind}", start + 4))

    def text(self, number: int) -> str:
        """Return a field that holds a string."""
        at = self.field(number)
        if at is None:
            return ""
        start = self._follow(at)
        (value,) = self._unpack(f"<{self._read('<I', start)}s", start + 4)
        return str(value, "utf-8", "replace")

    def table(self, number: int) -> _Table | None:
        """Return a field that holds another table."""
        at = self.field(number)
        return None if at is None else _Table(self.data, self._follow(at))

    def tables(self, number: int) -> Iterator[_Table]:
        """Yield the tables of a field that holds a vector of them."""
        at = self.field(number)
        if at is None:
            return
        start = self._follow(at)
        for i in range(self._read("<I", start)):
            yield _Table(self.data, self._follow(start + 4 + 4 * i))

    def _follow(self, at: int) -> int:
        return at + self._read("<I", at)

    def _read(self, kind: str, at: int) -> int:
        return int(self._unpack(kind, at)[0])

    def _unpack(self, kind: str, at: int) -> tuple[Any, ...]:
        if at < 0:  # a negative offset would count from the end
            raise struct.error(f"an offset leads to byte {at}")
        return struct.unpack_from(kind, self.data, at)


def custom_operators(path: Path) -> tuple[str, ...]:
    """Return the names of the operators that are not TFLite's own.

    Raises:
        ModelFileError: The file is cut short or damaged.
    """
    try:
        codes = list(_model(path).tables(OPERATOR_CODES))
        return tuple(name for code in codes if (name := code.text(CUSTOM_CODE)))
    except struct.error as error:
        raise _damaged(path) from error


def quantization(path: Path) -> dict[str, Quant]:
    """Return how the integers of inputs and outputs stand for real numbers, by tensor name.

    Raises:
        ModelFileError: The file is cut short or damaged.
    """
    try:
        graph = next(_model(path).tables(SUBGRAPHS))
        tensors = list(graph.tables(TENSORS))
        ends = [*graph.vector(INPUTS, "i"), *graph.vector(OUTPUTS, "i")]
        found = {tensors[int(i)].text(NAME): _quant(tensors[int(i)]) for i in ends}
    except (struct.error, IndexError, StopIteration) as error:
        raise _damaged(path) from error
    return {name: quant for name, quant in found.items() if quant is not None}


def weight_bytes(path: Path) -> dict[str, int]:
    """Return how many bytes of constants the file has of each element type.

    Raises:
        ModelFileError: The file is cut short or damaged.
    """
    sizes: dict[str, int] = {}
    try:
        model = _model(path)
        buffers = [buffer.length(DATA) for buffer in model.tables(BUFFERS)]
        for graph in model.tables(SUBGRAPHS):
            for tensor in graph.tables(TENSORS):
                kind, size = tensor.number(TYPE, "b"), buffers[tensor.number(BUFFER, "I")]
                if size and 0 <= kind < len(TYPES):
                    sizes[TYPES[kind]] = sizes.get(TYPES[kind], 0) + size
    except (struct.error, IndexError) as error:
        raise _damaged(path) from error
    return sizes


def _model(path: Path) -> _Table:
    data = path.read_bytes()
    return _Table(data, *struct.unpack_from("<I", data))


def _quant(tensor: _Table) -> Quant | None:
    values = tensor.table(QUANTIZATION)
    scale = values.vector(SCALE, "f") if values else []
    if len(scale) != 1 or not scale[0]:
        return None
    zero = values.vector(ZERO_POINT, "q") if values else []
    return Quant(float(scale[0]), int(zero[0]) if zero else 0)


def _damaged(path: Path) -> ModelFileError:
    return ModelFileError(f"{path} is damaged or cut short ({path.stat().st_size} bytes)")
