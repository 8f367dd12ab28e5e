"""Faces as rows of a table: what the tables of pictures and those of videos share."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from dan.schemes import LandmarkScheme

COLUMNS = ("score", "confidence", "box_x0", "box_y0", "box_x1", "box_y1")
"""Of every table, between those that say which face it is and ``x0, y0, x1, …``."""


def face_columns(
    keys: Iterable[str], scheme: LandmarkScheme, *, certainty: bool = False
) -> list[str]:
    """The columns; ``keys`` name those that say which face it is, all others hold numbers.

    With ``certainty``, ``xx0, xy0, yy0, xx1, …`` of the covariances follow, and ``visibility0, …``.
    """
    kinds = (("x", "y"), ("xx", "xy", "yy"), ("visibility",))[: 3 if certainty else 1]
    places = range(scheme.n_landmarks)
    columns = [f"{name}{place}" for kind in kinds for place in places for name in kind]
    return [*keys, *COLUMNS, *columns]


def face_values(keys: Iterable[object], face: Mapping[str, Any]) -> list[object]:
    """The row of a face, as :meth:`dan.inference.faces.Face.to_dict` gives it.

    What is not known is None.
    """
    values = [value for point in face["points_xy"] for value in point]
    if "covariance" in face:
        spread = face["covariance"] or [[None] * 3] * len(face["points_xy"])
        values += [value for elements in spread for value in elements]
        values += face["visibility"] or [None] * len(face["points_xy"])
    return [*keys, face["score"], face["confidence"], *face["box_xyxy"], *values]


def csv_line(values: Iterable[object]) -> str:
    """One line; None is left empty."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
