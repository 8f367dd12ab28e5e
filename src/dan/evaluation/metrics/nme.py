"""Point-to-point errors divided by a length of the ground-truth face.

Normalisers (protocol of 300-W and of the papers):
    ``inter_ocular``: distance of the outer eye corners.
    ``inter_pupil``: distance of the eye centres, each the mean of the eye's points.
    ``diagonal``: diagonal of the landmarks' bounding box.
"""

from typing import Literal, get_args

import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.types import FloatArray
from dan.schemes import LandmarkScheme

Normaliser = Literal["inter_ocular", "inter_pupil", "diagonal"]
NORMALISERS: tuple[Normaliser, ...] = get_args(Normaliser)


def usable_normalisers(scheme: LandmarkScheme) -> list[Normaliser]:
    """Those that the scheme's points allow, the customary one first."""
    usable = list(NORMALISERS)
    if scheme.eyes is None or scheme.eyes.outer_corners is None:
        usable.remove("inter_ocular")
    if scheme.eyes is None:
        usable.remove("inter_pupil")
    return usable


def normaliser_lengths(
    truth: FloatArray, scheme: LandmarkScheme, normaliser: Normaliser
) -> FloatArray:
    """(F,) lengths, pixels, of (F, N, 2) ground-truth points.

    Raises:
        ConfigError: if the scheme does not know its eyes and the normaliser needs them.
        DegenerateShapeError: if a face has length zero, or a point is not finite.
    """
    truth = np.asarray(truth, dtype=np.float64)
    check_shape("truth", truth, ("F", scheme.n_landmarks, 2))
    finite = np.isfinite(truth).all(axis=(1, 2))
    if not finite.all():
        raise DegenerateShapeError(
            f"truth: expected finite points, got others in face {int(np.argmin(finite))}"
        )
    if normaliser == "diagonal":
        spans = truth.max(axis=1) - truth.min(axis=1)  # (F, 2)
    elif normaliser not in NORMALISERS:
        raise ConfigError(f"normaliser: expected one of {', '.join(NORMALISERS)}, got {normaliser}")
    elif scheme.eyes is None:
        raise ConfigError(
            f"normaliser {normaliser}: expected a scheme that knows its eyes, "
            f"got {scheme.name}; use the diagonal"
        )
    elif normaliser == "inter_ocular":
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
    lengths: FloatArray = np.hypot(spans[:, 0], spans[:, 1])
    if not (lengths > 0).all():
        face = int(np.argmin(lengths))
        raise DegenerateShapeError(
            f"truth: expected a positive {normaliser} length, got {lengths[face]} in face {face}"
        )
    return lengths


def normalised_errors(
    predicted: FloatArray, truth: FloatArray, scheme: LandmarkScheme, normaliser: Normaliser
) -> FloatArray:
    """(F,) mean point-to-point distance of each face over the normaliser's length.

    Args:
        predicted: (F, N, 2) points, any frame in pixels; a face that was missed is all NaN.
        truth: (F, N, 2) points, the same frame.
        normaliser: see the module.

    Returns:
        Fractions, not percent; infinite for a missed face.
    """
    predicted = np.asarray(predicted, dtype=np.float64)
    lengths = normaliser_lengths(truth, scheme, normaliser)
    check_shape("predicted", predicted, np.shape(truth))
    distances = np.linalg.norm(predicted - truth, axis=2).mean(axis=1)
    errors: FloatArray = np.where(np.isnan(distances), np.inf, distances / lengths)
    return errors
