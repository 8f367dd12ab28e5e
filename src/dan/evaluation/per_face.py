"""What report and figures share: errors of a subset, and those of other methods on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.core.types import FloatArray
from dan.datasets.formats import load_pts
from dan.evaluation.metrics import Normaliser, normalised_errors, usable_normalisers
from dan.evaluation.predictions import Predictions
from dan.schemes import LandmarkScheme


def errors_of(
    predictions: Predictions, normaliser: Normaliser | None = None, stage: int = -1
) -> FloatArray:
    """(F,) errors after a stage, by default the last, by the first usable normaliser."""
    scheme = predictions.scheme
    kind = normaliser or usable_normalisers(scheme)[0]
    return normalised_errors(predictions.estimates[stage], predictions.truth, scheme, kind)


def mean_percent(errors: FloatArray) -> float:
    """Mean of the faces that were found, percent."""
    found = errors[np.isfinite(errors)]
    return 100 * float(found.mean()) if len(found) else float("nan")


def peer_points(
    folder: Path, predictions: Predictions, scheme: LandmarkScheme
) -> npt.NDArray[np.float32]:
    """(F, N, 2) points of another method; NaN where it has no file, or no such point, for a face.

    Raises:
        DataError: if it has none at all, or a file has another number of points.
    """
    found = np.full(predictions.truth.shape, np.nan, dtype=np.float32)
    for place, image in enumerate(predictions.images):
        names = (f"{image.name}.pts", f"{image.image_path.stem}.pts")
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            continue
        points = load_pts(path)
        if len(points) != scheme.n_landmarks:
            raise DataError(f"{path}: expected {scheme.n_landmarks} points, got {len(points)}")
        found[place] = points
    if np.isnan(found).all():
        raise DataError(f"{folder}: expected .pts files named as the faces are, found none")
    return found


def peer_errors(predictions: Predictions, folder: Path) -> FloatArray:
    """(F,) errors of another method's points; see :func:`peer_points`."""
    scheme = predictions.scheme
    points = peer_points(folder, predictions, scheme)
    return normalised_errors(points, predictions.truth, scheme, usable_normalisers(scheme)[0])
