"""The faces of one frame, with the ids by which they are known from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.inference.faces import Face, Faces
from dan.schemes import LandmarkScheme


@dataclass(frozen=True, eq=False, repr=False)
class TrackedFaces(Faces):
    """F faces of one frame, oldest first.

    ``points_xy`` are smoothed where the tracker smooths; ``scores`` are those of the last detection
    of each face. The other attributes are those of :class:`~dan.inference.faces.Faces`.

    Attributes:
        ids: (F,) int64, 1 and up in the order in which faces were first seen; a face keeps its id.
    """

    ids: npt.NDArray[np.int64] = field(kw_only=True)

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
        own = {attribute.name: getattr(faces, attribute.name) for attribute in fields(Faces)}
        return cls(**own, ids=np.asarray(ids, dtype=np.int64))

    def _face(self, place: int) -> Face:
        return replace(super()._face(place), id=int(self.ids[place]))

    def _some(self, places: slice | npt.NDArray[Any]) -> TrackedFaces:
        return TrackedFaces.of(super()._some(places), self.ids[places])
