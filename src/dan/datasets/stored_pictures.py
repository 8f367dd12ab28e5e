"""Pictures of a face pack that stay in its file, each read and decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

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
    _threads: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)

    @classmethod
    def find(cls, path: Path, starts: IntArray, sizes: IntArray) -> StoredPictures:
        """Pictures as large as the first.

        Raises:
            DataError: if that does not decode.
        """
        side = _read(path, int(starts[0]), int(sizes[0])).shape[0]
        return cls(path, starts, sizes, side)

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

        for _ in self._threads.map(decode, range(len(self))):
            pass
        return pictures


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
