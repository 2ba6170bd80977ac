"""FlatBuffer tables from plain values, for schemas that no package brings generated code for.

A table is a mapping of field numbers, counted from 0 as the schema lists them (a union takes two:
its type, then its value). What a value is decides how it is written: a mapping is a table, text a
string, a numpy scalar a number of that type, a numpy array a vector of numbers, bytes a vector of
bytes, and a list a vector of tables or strings. None is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import flatbuffers
import numpy as np

Table: TypeAlias = Mapping[int, Any]

ALIGNED = 16
"""Bytes hold other FlatBuffers, which have to begin at such an address (`force_align`)."""


def flatbuffer(root: Table, identifier: bytes) -> bytes:
    """Return a FlatBuffer.

    Args:
        root: Its outermost table.
        identifier: The schema's four letters.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: Any, table: Table) -> int:
    """Write what a table refers to, then the table; return its offset."""
    given = {number: value for number, value in table.items() if value is not None}
    offsets = {
        number: _referred(builder, value)
        for number, value in given.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(given, default=-1) + 1)
    for number, value in given.items():
        if number in offsets:
            builder.PrependUOffsetTRelativeSlot(number, offsets[number], 0)
        else:
            _SLOTS[value.dtype.name](builder, number, value.item(), 0)
    return int(builder.EndObject())


def _referred(builder: Any, value: Any) -> int:
    """Write what stands outside its table; return its offset."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Mapping):
        return _table(builder, value)
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, bytes):
        builder.Prep(ALIGNED, len(value))
        return int(builder.CreateByteVector(value))
    offsets = [_referred(builder, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


_SLOTS = {
    "float32": flatbuffers.Builder.PrependFloat32Slot,
    "int8": flatbuffers.Builder.PrependInt8Slot,
    "int32": flatbuffers.Builder.PrependInt32Slot,
    "uint8": flatbuffers.Builder.PrependUint8Slot,
    "uint32": flatbuffers.Builder.PrependUint32Slot,
}
