"""Variables of a TensorFlow checkpoint (``PREFIX.index`` and its data files), without TensorFlow.

The index is a sorted table: blocks of key and value, a block that says where they are, and a footer
that says where that one is. A value is a protocol buffer that says where in which data file a
tensor lies; there it is raw, little-endian. That is all that ``tf.train.Saver`` writes by default;
compressed indices and sliced variables are refused. Checksums are not compared.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.core.errors import CheckpointError
from dan.core.types import FilePath, FloatArray

FOOTER_SIZE, MAGIC = 48, 0xDB4775248B80FB57
FLOAT_TYPES: dict[int, str] = {1: "<f4", 2: "<f8", 19: "<f2"}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    is_sliced: bool


class Checkpoint:
    """A checkpoint's variables by name, each read when it is asked for.

    Args:
        prefix: ``model.ckpt-1000`` or the path of its ``.index``.

    Raises:
        CheckpointError: naming the file, if it is missing, damaged, or no such checkpoint.
    """

    def __init__(self, prefix: FilePath) -> None:
        self.prefix = str(prefix).removesuffix(".index")
        self.index = f"{self.prefix}.index"
        try:
            entries = dict(_table(Path(self.index).read_bytes()))
            header = _fields(entries.pop(b""))
            self._n_shards = _number(header, 1)
            if _number(header, 2):
                raise ValueError("big-endian numbers")  # noqa: TRY301  told below
            self._places = {key.decode(): _place(value) for key, value in entries.items()}
        except OSError as error:
            raise CheckpointError(f"{self.index}: {error.strerror}") from error
        except (KeyError, IndexError, ValueError, TypeError, struct.error) as error:
            raise CheckpointError(
                f"{self.index}: expected the index of a TensorFlow checkpoint: {error}"
            ) from error

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every variable."""
        return {name: place.shape for name, place in self._places.items()}

    def take(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """The float64 numbers of a variable.

        Raises:
            CheckpointError: naming file and variable, if it is missing, of another shape or type,
                NaN or infinite, or the data file is missing or too short.
        """
        place = self._places.get(name)
        expected = f"{self.index}: {name}: expected {shape}"
        if place is None:
            raise CheckpointError(f"{expected}, found no such variable")
        if place.shape != shape:
            raise CheckpointError(f"{expected}, got {place.shape}")
        if place.is_sliced or place.dtype not in FLOAT_TYPES:
            got = "slices" if place.is_sliced else f"TensorFlow's type {place.dtype}"
            raise CheckpointError(f"{expected} floating numbers in one piece, got {got}")
        dtype = np.dtype(FLOAT_TYPES[place.dtype])
        if place.size != math.prod(shape) * dtype.itemsize:
            raise CheckpointError(f"{expected}, {dtype}, got {place.size} bytes")
        values: FloatArray = np.frombuffer(self._read(place), dtype).astype(np.float64)
        if not np.isfinite(values).all():
            raise CheckpointError(f"{expected} finite numbers, got NaN or infinite ones")
        return values.reshape(shape)

    def _read(self, place: _Place) -> bytes:
        path = f"{self.prefix}.data-{place.shard:05d}-of-{self._n_shards:05d}"
        try:
            with Path(path).open("rb") as stream:
                stream.seek(place.offset)
                data = stream.read(place.size)
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}") from error
        except OverflowError as error:
            raise CheckpointError(f"{self.index}: expected a place in {path}: {error}") from error
        if len(data) < place.size:
            end = place.offset + place.size
            raise CheckpointError(f"{path}: expected at least {end} bytes, the file is cut off")
        return data


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a sorted table."""
    if len(data) < FOOTER_SIZE or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("its last bytes are others")
    footer = data[-FOOTER_SIZE:]
    _, at = _handle(footer, 0)
    where, _ = _handle(footer, at)
    for _, value in _block(data, *where):
        yield from _block(data, *_handle(value, 0)[0])


def _block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key shares its first bytes with the one before."""
    block, kind = data[start : start + size], data[start + size]
    if kind:
        raise ValueError("its table is compressed, which is not supported")
    (n_restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, len(block) - 4 - 4 * n_restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        if at + fresh + length > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Start and size of a block, and where the reading ended."""
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return (start, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where the reading ended."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _place(data: bytes) -> _Place:
    fields = _fields(data)
    shape = []
    for message in fields.get(2, []):
        for dimension in _fields(_bytes(message)).get(2, []):
            shape.append(_number(_fields(_bytes(dimension)), 1))
    dtype, shard, offset, size = (_number(fields, field) for field in (1, 3, 4, 5))
    return _Place(dtype, tuple(shape), shard, offset, size, is_sliced=7 in fields)


def _fields(data: bytes) -> Fields:
    """Fields of a protocol buffer by number."""
    fields: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(data, at)
        elif kind in (FIXED32, FIXED64, BYTES):
            length = {FIXED32: 4, FIXED64: 8}.get(kind)
            if length is None:
                length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"a field of unknown kind {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: Fields, field: int) -> int:
    """A number field; absent ones are zero."""
    (value,) = fields.get(field, [0])
    if not isinstance(value, int):
        raise TypeError(f"field {field} is no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a field is a number in place of a message")
    return value
