"""Pictures of a face pack that lie in a file, each read and decoded when it is asked for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self, overload

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.core.types import IntArray


@dataclass(frozen=True)
class StoredPictures:
    """(F, S, S) uint8 grey levels, as JPEG in one file; ``np.asarray`` decodes them all.

    They are read, not mapped: what was read does not count as memory of the process.

    Attributes:
        path: of the file, which has to stay as it is.
        starts: (F,) where each begins in the file.
        sizes: (F,) bytes of each.
        side: S, pixels.
    """

    path: Path
    starts: IntArray
    sizes: IntArray
    side: int

    @classmethod
    def find(cls, path: Path, starts: IntArray, sizes: IntArray) -> StoredPictures:
        """Pictures as large as the first.

        Raises:
            DataError: if that does not decode.
        """
        side = _read(path, int(starts[0]), int(sizes[0])).shape[0]
        return cls(path, starts, sizes, side)

    def encoded(self) -> Iterator[bytes]:
        """Each as JPEG, as it lies in the file."""
        with self.path.open("rb") as file:
            for start, size in zip(self.starts.tolist(), self.sizes.tolist(), strict=True):
                file.seek(start)
                yield file.read(size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(F, S, S)."""
        return len(self.starts), self.side, self.side

    def __len__(self) -> int:
        """How many."""
        return len(self.starts)

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """One after the other, decoded."""
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, places: int) -> npt.NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, places: list[int] | IntArray) -> StoredPictures: ...
    def __getitem__(
        self, places: int | list[int] | IntArray
    ) -> npt.NDArray[np.uint8] | StoredPictures:
        """One, decoded; or several, which stay where they are.

        Raises:
            DataError: if the one does not decode, or has another size than the first.
        """
        if not isinstance(places, int):
            return replace(self, starts=self.starts[places], sizes=self.sizes[places])
        picture = _read(self.path, int(self.starts[places]), int(self.sizes[places]))
        if picture.shape != (self.side, self.side):
            raise _damage(self.path, f"expected pictures {self.side} x {self.side} pixels large")
        return picture

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:  # noqa: ANN401
        """All of them, decoded by several threads."""
        del copy  # it always is one
        pictures = np.empty(self.shape, np.uint8 if dtype is None else dtype)

        def decode(place: int) -> None:
            pictures[place] = self[place]

        for _ in _threads_of(os.getpid()).map(decode, range(len(self))):
            pass
        return pictures


@cache
def _threads_of(_: int) -> ThreadPoolExecutor:
    """The threads of a process, by its number: those of another one do not survive a fork."""
    return ThreadPoolExecutor()


def join_stored(parts: Sequence[StoredPictures]) -> StoredPictures:
    """Pictures of one file and one size, one part after the other."""
    starts, sizes = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("starts", "sizes")
    )
    return replace(parts[0], starts=starts, sizes=sizes)


class PictureStore:
    """A file for pictures while they are made, so that memory need not hold them.

    It is there in its ``with`` block only.

    Args:
        beside: it gets a temporary name in the folder of this one.
        jpeg_quality: 1..100.
    """

    def __init__(self, beside: Path, jpeg_quality: int) -> None:
        self.path = beside.with_name(f".{beside.name[:40]}.{secrets.token_hex(4)}.pictures")
        self.jpeg_quality = jpeg_quality
        self._file = self.path.open("wb")
        self._sizes: list[int] = []
        self._start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink()

    def append(self, picture: npt.NDArray[np.uint8]) -> None:
        """Add an (S, S) picture."""
        data = encode_jpeg(picture, self.jpeg_quality)
        self._file.write(data)
        self._sizes.append(len(data))

    def take(self) -> StoredPictures:
        """Those that were added since the last time, of which there is one at least."""
        self._file.flush()
        sizes = np.array(self._sizes, dtype=np.int64)
        ends = self._start + np.cumsum(sizes)
        self._sizes, self._start = [], int(ends[-1])
        return StoredPictures.find(self.path, ends - sizes, sizes)


def encode_jpeg(picture: npt.NDArray[np.uint8], quality: int) -> bytes:
    """A grey picture as JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _read(path: Path, start: int, size: int) -> npt.NDArray[np.uint8]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        data = file.read(size)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # no bytes at all
        picture = None
    if picture is None:
        raise _damage(path, "a picture in it does not decode")
    return np.asarray(picture, dtype=np.uint8)


def _damage(path: Path, what: str) -> DataError:
    return DataError(f"{path}: expected a face pack made by 'dan prepare': {what}")
