"""Faces as rows of a CSV table: what the tables of pictures and those of videos share."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from dan.schemes import LandmarkScheme

COLUMNS = ("score", "confidence", "box_x0", "box_y0", "box_x1", "box_y1")
"""Of every table, between those that say which face it is and ``x0, y0, x1, …``."""


def csv_head(keys: Iterable[str], scheme: LandmarkScheme) -> str:
    """The first line; ``keys`` name the columns that say which face it is."""
    points = [f"{axis}{place}" for place in range(scheme.n_landmarks) for axis in "xy"]
    return _line([*keys, *COLUMNS, *points])


def csv_row(keys: Iterable[object], face: Mapping[str, Any]) -> str:
    """The line of a face, as :meth:`dan.inference.faces.Face.to_dict` gives it.

    An unknown confidence is left empty.
    """
    confidence = "" if face["confidence"] is None else face["confidence"]
    points = [value for point in face["points_xy"] for value in point]
    return _line([*keys, face["score"], confidence, *face["box_xyxy"], *points])


def _line(values: list[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
