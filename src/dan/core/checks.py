"""The guards of arrays: shape, kind and values, with one form of message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.errors import ShapeError
from dan.core.types import Box, Points


def check_shape(name: str, array: npt.ArrayLike, expected: Sequence[int | str]) -> None:
    """Check an array's shape.

    Args:
        expected: one entry per axis; an integer must match, a letter stands for any length, and
            the same letter must stand for the same length wherever it appears.
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


def as_array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the values as an array proper: a matrix or the like has rules of its own.

    Raises:
        ShapeError: if they are ragged, or some of a masked array are masked: these have no value.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected an array of numbers: {error}") from error
    if isinstance(values, np.ma.MaskedArray) and (missing := int(np.sum(values.mask))):
        raise ShapeError(
            f"{name}: expected values everywhere, got a masked array with {missing} masked; "
            "filled() gives them values"
        )
    return array


def as_floats(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the values as a float64 array, or raise ShapeError where they are not numbers."""
    array = as_array(name, values)
    if array.dtype.kind in "cmM":  # these would lose a part, or their meaning, in silence
        raise ShapeError(f"{name}: expected an array of numbers, got {array.dtype}")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected an array of numbers: {error}") from error


def as_points(name: str, points: npt.ArrayLike, n_landmarks: int | None = None) -> Points:
    """Return ``points`` as a floating (N, 2) array, or raise ShapeError.

    Integer input becomes float32; floating input keeps its type and is not copied.
    """
    array = as_array(name, points)
    check_shape(name, array, ("N" if n_landmarks is None else n_landmarks, 2))
    return array if array.dtype.kind == "f" else as_floats(name, array).astype(np.float32)


def as_box(name: str, box_xyxy: npt.ArrayLike) -> Box:
    """Return a (4,) float64 box with positive width and height, or raise ShapeError."""
    box = as_floats(name, box_xyxy)
    check_shape(name, box, (4,))
    if not (np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1]):
        raise ShapeError(f"{name}: expected x0 < x1 and y0 < y1, got {box.tolist()}")
    return box
