"""Entries of an .npz file, each checked by its header before its numbers are read."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from dan.core.errors import CheckpointError
from dan.core.types import FilePath, FloatArray

SUFFIX = ".npy"


class NpzFile:
    """Arrays by name. An object array is refused by its header, so no pickle is ever loaded.

    Args:
        path: the file.

    Raises:
        CheckpointError: naming the file, if it is missing or no .npz.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = path
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: expected an .npz file, found none")
        with _naming_errors(path):
            self._archive = zipfile.ZipFile(path)
        self.names = [name.removesuffix(SUFFIX) for name in self._archive.namelist()]

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of an entry, None if there is none of that name."""
        return self._header(name)[0] if name in self.names else None

    def take(self, name: str, shape: tuple[int, ...], what: str) -> FloatArray:
        """The float64 numbers of an entry.

        Args:
            name: of the entry.
            shape: that it must have.
            what: it is, for the message.

        Raises:
            CheckpointError: naming the file and the entry, if it is missing or has another shape,
                no real floating numbers, or NaN or infinite ones.
        """
        place = f"{self.path}: {name}: expected {shape} {what}"
        if name not in self.names:
            raise CheckpointError(f"{place}, found no such entry")
        found, dtype = self._header(name)
        if dtype.hasobject:
            raise CheckpointError(f"{place}, got pickled objects, which are never loaded")
        if found != shape:
            raise CheckpointError(f"{place}, got {found}")
        if dtype.kind != "f":
            raise CheckpointError(f"{place}, floating numbers, got {dtype}")
        with _naming_errors(f"{self.path}: {name}"), self._archive.open(name + SUFFIX) as stream:
            values: FloatArray = npy.read_array(stream, allow_pickle=False).astype(np.float64)
        if not np.isfinite(values).all():
            raise CheckpointError(f"{place}, finite numbers, got NaN or infinite ones")
        return values

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
        with _naming_errors(f"{self.path}: {name}"), self._archive.open(name + SUFFIX) as stream:
            return _read_header(stream)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


@contextmanager
def _naming_errors(place: FilePath) -> Iterator[None]:
    """Errors of a file in one line; no warning that its headers are Python 2's, as they may be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    except (
        OSError,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{place}: expected a whole .npz file: {reason}") from error
