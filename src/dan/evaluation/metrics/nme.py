"""Point-to-point errors divided by a length of the ground-truth face.

Normalisers (protocol of 300-W and of the papers):
    ``inter_ocular``: distance of the outer eye corners.
    ``inter_pupil``: distance of the eye centres, each the mean of the eye's points.
    ``diagonal``: diagonal of the landmarks' bounding box.
    ``box_size``: square root of that box's width times height, as for AFLW and MERL-RAV.

A ground-truth point that is NaN has no position: it does not count.
"""

from typing import Literal, get_args

import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.types import FloatArray
from dan.schemes import LandmarkScheme

Normaliser = Literal["inter_ocular", "inter_pupil", "diagonal", "box_size"]
NORMALISERS: tuple[Normaliser, ...] = get_args(Normaliser)


def usable_normalisers(scheme: LandmarkScheme) -> list[Normaliser]:
    """Those that the scheme's points allow, the customary one first."""
    usable = list(NORMALISERS)
    if scheme.eyes is None or scheme.eyes.outer_corners is None:
        usable.remove("inter_ocular")
    if scheme.eyes is None:
        usable.remove("inter_pupil")
    return usable


def common_normalisers(truth: FloatArray, scheme: LandmarkScheme) -> list[Normaliser]:
    """The usable ones whose points all of (F, N, 2) ground-truth faces have, and the box's."""
    return [
        name
        for name in usable_normalisers(scheme)
        if name in ("diagonal", "box_size") or not np.isnan(_spans(truth, scheme, name)).any()
    ]


def normaliser_lengths(
    truth: FloatArray, scheme: LandmarkScheme, normaliser: Normaliser
) -> FloatArray:
    """(F,) lengths, pixels, of (F, N, 2) ground-truth points.

    Raises:
        ConfigError: if the scheme does not know its eyes and the normaliser needs them.
        DegenerateShapeError: if a face has length zero or lacks a point that the length needs, or
            a point is infinite.
    """
    truth = np.asarray(truth, dtype=np.float64)
    check_shape("truth", truth, ("F", scheme.n_landmarks, 2))
    spans = _spans(truth, scheme, normaliser)
    right = ~np.isnan(spans).any(axis=1) & ~np.isinf(truth).any(axis=(1, 2))
    if not right.all():
        raise DegenerateShapeError(
            f"truth: expected finite points, and all that {normaliser} needs, got others in face "
            f"{int(np.argmin(right))}"
        )
    lengths: FloatArray = (
        np.sqrt(spans[:, 0] * spans[:, 1])
        if normaliser == "box_size"
        else np.hypot(spans[:, 0], spans[:, 1])
    )
    if not (lengths > 0).all():
        face = int(np.argmin(lengths))
        raise DegenerateShapeError(
            f"truth: expected a positive {normaliser} length, got {lengths[face]} in face {face}"
        )
    return lengths


def _spans(truth: FloatArray, scheme: LandmarkScheme, normaliser: Normaliser) -> FloatArray:
    """(F, 2) what the normaliser is the length of; NaN where a point is missing for it."""
    if normaliser in ("diagonal", "box_size"):
        box: FloatArray = np.fmax.reduce(truth, axis=1) - np.fmin.reduce(truth, axis=1)
        return box
    if normaliser not in NORMALISERS:
        raise ConfigError(f"normaliser: expected one of {', '.join(NORMALISERS)}, got {normaliser}")
    if scheme.eyes is None:
        raise ConfigError(
            f"normaliser {normaliser}: expected a scheme that knows its eyes, "
            f"got {scheme.name}; use the diagonal"
        )
    spans: FloatArray
    if normaliser == "inter_ocular":
        if scheme.eyes.outer_corners is None:
            raise ConfigError(
                f"normaliser {normaliser}: expected a scheme with outer eye corners, "
                f"got {scheme.name}; use inter_pupil or the diagonal"
            )
        left, right = scheme.eyes.outer_corners
        spans = truth[:, right] - truth[:, left]
    else:
        eyes = scheme.eyes
        spans = truth[:, eyes.right].mean(axis=1) - truth[:, eyes.left].mean(axis=1)
    return spans


def mean_distances(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """(F,) mean distance of (F, N, 2) points to those of the truth that have a position, pixels.

    NaN where such a point is not predicted, or none has a position.
    """
    offsets = np.where(np.isnan(truth), 0, np.asarray(predicted, dtype=np.float64) - truth)
    n_known = (~np.isnan(truth).any(axis=2)).sum(axis=1)
    n_known = np.where(n_known, n_known, np.nan)
    distances: FloatArray = np.linalg.norm(offsets, axis=2).sum(axis=1) / n_known
    return distances


def normalised_errors(
    predicted: FloatArray, truth: FloatArray, scheme: LandmarkScheme, normaliser: Normaliser
) -> FloatArray:
    """(F,) mean point-to-point distance of each face over the normaliser's length.

    Args:
        predicted: (F, N, 2) points, any frame in pixels; a face that was missed is all NaN.
        truth: (F, N, 2) points, the same frame; NaN where one has no position.
        normaliser: see the module.

    Returns:
        Fractions, not percent; infinite for a missed face.
    """
    predicted = np.asarray(predicted, dtype=np.float64)
    lengths = normaliser_lengths(truth, scheme, normaliser)
    check_shape("predicted", predicted, np.shape(truth))
    distances = mean_distances(predicted, truth)
    errors: FloatArray = np.where(np.isnan(distances), np.inf, distances / lengths)
    return errors
