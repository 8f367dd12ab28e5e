"""Cumulative error distribution and what is read off it; exact, no grid."""

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, ShapeError
from dan.core.types import FloatArray


def ced(errors: FloatArray, thresholds: npt.ArrayLike) -> FloatArray:
    """Share of the (F,) errors at or below each threshold."""
    ordered = np.sort(_checked(errors))
    share: FloatArray = np.searchsorted(ordered, np.asarray(thresholds), side="right") / len(
        ordered
    )
    return share


def area_under_ced(errors: FloatArray, threshold: float) -> float:
    """Area under the CED from 0 to ``threshold``, over ``threshold``: mean(max(0, 1 - e/t))."""
    if not threshold > 0:
        raise ConfigError(f"threshold: expected a positive number, got {threshold}")
    return float(np.clip(1.0 - _checked(errors) / threshold, 0.0, None).mean())


def failure_rate(errors: FloatArray, threshold: float) -> float:
    """Share of the errors above ``threshold``."""
    return float((_checked(errors) > threshold).mean())


def _checked(errors: FloatArray) -> FloatArray:
    values = np.asarray(errors, dtype=np.float64)
    check_shape("errors", values, ("F",))
    if not len(values) or np.isnan(values).any():
        raise ShapeError(f"errors: expected at least one and no NaN, got {len(values)} values")
    return values
