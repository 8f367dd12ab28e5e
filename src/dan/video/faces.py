"""The faces of one frame, with the ids by which they are known from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.checks import check_shape
from dan.inference.faces import Faces
from dan.schemes import LandmarkScheme


@dataclass(frozen=True, eq=False)
class TrackedFaces(Faces):
    """F faces of one frame, oldest first.

    ``boxes_xyxy`` are tight around the landmarks of this frame; ``scores`` are those of the last
    detection of each face. The other attributes are those of :class:`~dan.inference.faces.Faces`.

    Attributes:
        ids: (F,) int64, 1 and up in the order in which faces were first seen; a face keeps its id.
    """

    ids: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shape("ids", self.ids, (len(self.points_xy),))
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=np.int64))

    @classmethod
    def empty(cls, scheme: LandmarkScheme) -> TrackedFaces:
        """No face."""
        return cls.of(Faces.empty(scheme), np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, faces: Faces, ids: npt.ArrayLike) -> TrackedFaces:
        """Faces with their (F,) ids."""
        return cls(
            faces.points_xy,
            faces.boxes_xyxy,
            faces.scores,
            faces.confidence,
            faces.scheme,
            np.asarray(ids, dtype=np.int64),
        )

    def __getitem__(self, index: int | slice | npt.ArrayLike) -> TrackedFaces:
        """Some of the faces; one index gives a result with one face."""
        return TrackedFaces.of(super().__getitem__(index), self.ids[self._places(index)])

    def __iter__(self) -> Iterator[TrackedFaces]:
        """One face after the other, each a result with one face."""
        return (self[index] for index in range(len(self)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an unknown confidence is None."""
        plain = super().to_dict()
        for face, track_id in zip(plain["faces"], self.ids.tolist(), strict=True):
            face["id"] = track_id
        return plain
