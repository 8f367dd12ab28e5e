"""What report and figures share: errors of a subset, and other methods' points on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.core.types import FloatArray
from dan.datasets.formats import load_pts
from dan.evaluation.metrics import (
    Normaliser,
    mean_distances,
    normalised_errors,
    normaliser_lengths,
)
from dan.evaluation.predictions import Predictions
from dan.schemes import LandmarkScheme

REGIONS = {
    "jaw": ("jaw",),
    "brows": ("left_brow", "right_brow"),
    "nose": ("nose_bridge", "nostrils"),
    "eyes": ("left_eye", "right_eye"),
    "mouth": ("outer_lips", "inner_lips"),
}
"""Regions of the report's tables, as groups of the scheme."""


def regions_of(scheme: LandmarkScheme) -> dict[str, list[int]]:
    """The points of each region that the scheme has."""
    regions = {
        name: [index for group in groups for index in scheme.groups.get(group, ())]
        for name, groups in REGIONS.items()
    }
    return {name: places for name, places in regions.items() if places}


def errors_of(
    predictions: Predictions, normaliser: Normaliser | None = None, stage: int = -1
) -> FloatArray:
    """(F,) errors after a stage, by default the last, by the first normaliser that there is."""
    found, truth = predictions.estimates[stage], predictions.truth
    kind = normaliser or predictions.normalisers[0]
    return normalised_errors(found, truth, predictions.scheme, kind)


def errors_over(predictions: Predictions, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """(F,) errors after the last stage over chosen points alone, fractions of the box size.

    Args:
        chosen: (F, N) which points of each face.

    Returns:
        Infinite for a missed face, NaN for one that has none of its points chosen.
    """
    truth = predictions.truth
    own = np.where(chosen[..., None], truth, np.nan)
    lengths = normaliser_lengths(truth, predictions.scheme, "box_size")
    errors = mean_distances(predictions.estimates[-1], own) / lengths
    has_some = np.isfinite(own).any(axis=(1, 2))
    return np.where(np.isnan(errors) & has_some, np.inf, errors)


def mean_percent(errors: FloatArray) -> float:
    """Mean of the faces that were found, percent."""
    found = errors[np.isfinite(errors)]
    return 100 * float(found.mean()) if len(found) else float("nan")


def peer_predictions(predictions: Predictions, folder: Path) -> Predictions:
    """The points of another method on the same faces, read from its ``.pts`` files.

    They are NaN for a face of which it has no file, and where a file leaves a point out.

    Raises:
        DataError: if it has none at all, or a file has another number of points.
    """
    found = np.full(predictions.truth.shape, np.nan, dtype=np.float32)
    for place, image in enumerate(predictions.images):
        names = (f"{image.name}.pts", f"{image.image_path.stem}.pts")
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            continue
        points, n_landmarks = load_pts(path), predictions.scheme.n_landmarks
        if len(points) != n_landmarks:
            raise DataError(f"{path}: expected {n_landmarks} points, got {len(points)}")
        found[place] = points
    if np.isnan(found).all():
        raise DataError(f"{folder}: expected .pts files named as the faces are, found none")
    return replace(
        predictions, estimates=found[None], box_source="own", covariance=None, visibility=None
    )
