"""What every network looks like from outside: canonical crops in, landmarks of the crops out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError
from dan.core.types import Points
from dan.schemes import LandmarkScheme


@dataclass(frozen=True)
class CropLandmarks:
    """Landmarks of B crops.

    Attributes:
        points: (B, N, 2) float32, pixels of each crop.
        confidence: (B,) float32, how likely each is good, 0..1; NaN where the model does not say.
        stages: (n_stages, B, N, 2) estimates of each stage of a cascade; the last counts for
            nothing, ``points`` stand for it. None: there was one stage.
        covariance: (B, N, 2, 2) float32 of each point's error, square pixels of the crop; None:
            the model does not say.
        visibility: (B, N) float32, how likely each point can be seen, 0..1; likewise.
    """

    points: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    stages: npt.NDArray[np.float32] | None = None
    covariance: npt.NDArray[np.float32] | None = None
    visibility: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        points: npt.NDArray[np.float32],
        stages: npt.NDArray[np.float32],
        certainty: Mapping[str, npt.NDArray[np.float32]],
    ) -> CropLandmarks:
        """The landmarks of a cascade.

        Args:
            points: (B, N, 2).
            stages: (n_stages, B, N, 2).
            certainty: what else the model knows, by the names of the attributes.
        """
        unknown = np.full(len(points), np.nan, dtype=np.float32)
        return cls(points, stages=stages, **{"confidence": unknown, **certainty})

    @classmethod
    def joined(cls, parts: Sequence[CropLandmarks]) -> CropLandmarks:
        """The landmarks of several batches, of one model, as one; at least one batch."""

        def together(name: str) -> npt.NDArray[np.float32] | None:
            arrays = [getattr(part, name) for part in parts]
            axis = 1 if name == "stages" else 0
            return None if arrays[0] is None else np.concatenate(arrays, axis=axis)

        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            together("stages"),
            together("covariance"),
            together("visibility"),
        )

    def part(self, places: slice | npt.NDArray[Any]) -> CropLandmarks:
        """The landmarks of some of the crops."""
        return CropLandmarks(
            self.points[places],
            self.confidence[places],
            None if self.stages is None else self.stages[:, places],
            None if self.covariance is None else self.covariance[places],
            None if self.visibility is None else self.visibility[places],
        )

    def estimates(self) -> npt.NDArray[np.float32]:
        """(n_stages, B, N, 2) of each stage; the last are ``points``."""
        last = self.points[None]
        return last if self.stages is None else np.concatenate([self.stages[:-1], last])


class LandmarkModel(Protocol):
    """Anything that finds landmarks in canonical crops: a bundle, a checkpoint, a user's network.

    Attributes:
        name: for messages.
        scheme: what the N landmarks are.
        crop_size: side S of the crops, pixels.
        mean_shape: (N, 2) pixels of the crop; boxes and points are fitted to it.
        has_confidence: whether it tells its confidence.
    """

    name: str
    scheme: LandmarkScheme
    crop_size: int
    mean_shape: Points
    has_confidence: bool

    def __call__(self, crops: npt.NDArray[np.uint8]) -> CropLandmarks:
        """Landmarks of (B, S, S) grey crops, B >= 0; safe to call from several threads."""


def check_model(model: LandmarkModel) -> LandmarkModel:
    """The model, where it has all that a :class:`LandmarkModel` has.

    Raises:
        ConfigError: naming what it lacks.
    """
    wanted = ("name", "scheme", "crop_size", "mean_shape", "has_confidence")
    missing = [name for name in wanted if not hasattr(model, name)]
    if missing or not callable(model):
        lacks = ", ".join(missing) or "a way to be called"
        raise ConfigError(
            "model: expected a path, the name of a bundle, or a LandmarkModel, "
            f"got {type(model).__name__} without {lacks}"
        )
    return model


def check_confidence(model: LandmarkModel) -> None:
    """Raise ConfigError where a least confidence is asked of a model that does not know its own."""
    if not model.has_confidence:
        raise ConfigError(
            f"min_confidence: expected a model that knows its confidence, got {model.name}"
        )
