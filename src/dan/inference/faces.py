"""The result of an alignment: one validated type, always the same, empty where there is no face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dan.checks import check_shape
from dan.errors import ConfigError
from dan.schemes import LandmarkScheme

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, eq=False)
class Faces:
    """F faces of one picture.

    Attributes:
        points_xy: (F, N, 2) float32 landmarks, pixels of the picture, 0-based, integer = centre.
        boxes_xyxy: (F, 4) float32 boxes that the search started from: those of the landmarks as
            the detector, the caller's boxes or the caller's points suggested them.
        scores: (F,) float32, of the detector; 1 where the caller gave the box.
        confidence: (F,) float32, how likely the mean error is under 8 % of the distance of the
            outer eye corners; NaN where the model does not say.
        scheme: what the N landmarks are.
    """

    points_xy: npt.NDArray[np.float32]
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    scheme: LandmarkScheme

    def __post_init__(self) -> None:
        count = len(self.points_xy)
        for name, values, shape in (
            ("points_xy", self.points_xy, (count, self.scheme.n_landmarks, 2)),
            ("boxes_xyxy", self.boxes_xyxy, (count, 4)),
            ("scores", self.scores, (count,)),
            ("confidence", self.confidence, (count,)),
        ):
            check_shape(name, values, shape)
            object.__setattr__(self, name, np.asarray(values, dtype=np.float32))

    @classmethod
    def empty(cls, scheme: LandmarkScheme) -> Faces:
        """No face."""
        none = np.empty(0, dtype=np.float32)
        return cls(none.reshape(0, scheme.n_landmarks, 2), none.reshape(0, 4), none, none, scheme)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.points_xy)

    def __getitem__(self, index: int | slice | npt.ArrayLike) -> Faces:
        """Some of the faces; one index gives a result with one face."""
        places = self._places(index)
        return Faces(
            self.points_xy[places],
            self.boxes_xyxy[places],
            self.scores[places],
            self.confidence[places],
            self.scheme,
        )

    def _places(self, index: int | slice | npt.ArrayLike) -> slice | npt.NDArray[Any]:
        """The index as one that keeps the axis of the faces."""
        if isinstance(index, slice):
            return index
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"face {index} of {len(self)}")
            index = [int(index)]
        places = np.asarray(index)
        return places if places.size else places.astype(np.int64)

    def __iter__(self) -> Iterator[Faces]:
        """One face after the other, each a result with one face."""
        return (self[index] for index in range(len(self)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; an unknown confidence is None."""
        return {
            "scheme": self.scheme.name,
            "faces": [
                {
                    "box_xyxy": _rounded(box),
                    "score": round(float(score), 4),
                    "confidence": None if np.isnan(sure) else round(float(sure), 4),
                    "points_xy": [_rounded(point) for point in points],
                }
                for points, box, score, sure in zip(
                    self.points_xy, self.boxes_xyxy, self.scores, self.confidence, strict=True
                )
            ],
        }

    def to_supervision(self) -> supervision.KeyPoints:
        """As ``supervision.KeyPoints``; every point has its face's confidence (1 if unknown).

        Needs supervision 0.29 or newer.

        Raises:
            ConfigError: if the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise ConfigError("to_supervision: pip install 'supervision>=0.29' first") from error
        sure = np.nan_to_num(self.confidence, nan=1.0)
        return supervision.KeyPoints(
            xy=self.points_xy,
            keypoint_confidence=np.repeat(sure[:, None], self.scheme.n_landmarks, axis=1),
            detection_confidence=self.scores,
        )


def _rounded(values: npt.NDArray[np.float32]) -> list[float]:
    """To a thousandth of a pixel."""
    return [round(value, 3) for value in values.astype(float).tolist()]
