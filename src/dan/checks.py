"""The one shape guard, with one form of message."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dan.errors import ShapeError
from dan.types import Box, Points


def check_shape(name: str, array: npt.ArrayLike, expected: Sequence[int | str]) -> None:
    """Check an array's shape.

    Args:
        name: what the array is called in the message.
        array: the array to check.
        expected: one entry per axis; an integer must match, a letter stands for any length, and
            the same letter must stand for the same length wherever it appears.

    Raises:
        ShapeError: naming the expected and the actual shape.
    """
    shape = np.shape(array)
    lengths: dict[str, int] = {}
    fits = len(shape) == len(expected)
    for wanted, length in zip(expected, shape, strict=False):
        fits &= length == (
            lengths.setdefault(wanted, length) if isinstance(wanted, str) else wanted
        )
    if not fits:
        form = ", ".join(map(str, expected))
        raise ShapeError(f"{name}: expected shape ({form}), got {shape}")


def as_floats(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the values as a float64 array, or raise ShapeError where they are not numbers."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected an array of numbers: {error}") from error


def as_points(name: str, points: npt.ArrayLike, n_landmarks: int | None = None) -> Points:
    """Return ``points`` as a floating (N, 2) array, or raise ShapeError.

    Integer input becomes float32; floating input keeps its type and is not copied.
    """
    array = np.asarray(points)
    check_shape(name, array, ("N" if n_landmarks is None else n_landmarks, 2))
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
    return array


def as_box(name: str, box_xyxy: npt.ArrayLike) -> Box:
    """Return a (4,) float64 box with positive width and height, or raise ShapeError."""
    box = np.asarray(box_xyxy, dtype=np.float64)
    check_shape(name, box, (4,))
    if not (np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1]):
        raise ShapeError(f"{name}: expected x0 < x1 and y0 < y1, got {box.tolist()}")
    return box
