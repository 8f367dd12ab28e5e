"""The 300-W ``.pts`` format: 1-based (MATLAB) coordinates on disk, 0-based in memory.

Files that other tools wrote without that shift count from 0: nothing in them tells, so the caller
says ``first_pixel=0``. One face a file, three decimals; boxes, visibility and all else are lost.
A point that is not annotated stands as ``-1 -1``, whatever the file counts from, or ``nan nan``.

::

    version: 1
    n_points: 68
    {
    233.872 195.230
    ...
    }
"""

import re

import numpy as np

from dan.core.checks import as_points
from dan.core.errors import FormatError
from dan.core.files import naming, read_text, write_text
from dan.core.types import FilePath, Points
from dan.datasets.formats.reading import check_first_pixel

_HEADER = re.compile(r"\s*version:\s*\S+\s+n_points:\s*(\d{1,9})\s*\{(.*)", re.DOTALL)
NOT_ANNOTATED = -1.0
"""Both coordinates of a point that is not annotated, on disk. 0 0 is no mark: files that count from
0 have a pixel there."""
MAX_POINTS = 100_000
MAX_COORDINATE = float(np.finfo(np.float32).max)


def parse_pts(text: str, first_pixel: int = 1) -> Points:
    """Landmarks of a ``.pts`` text.

    Windows line ends and commas between the coordinates are taken.

    Args:
        first_pixel: the number that the file gives the centre of the first pixel, 1 or 0.

    Returns:
        (N, 2) float32, pixels, 0-based; NaN where the point is not annotated.

    Raises:
        FormatError: on a missing header or closing brace, a wrong count, or a coordinate that is
            neither a finite number nor part of such a mark.
    """
    check_first_pixel(first_pixel)
    header = _HEADER.match(text)
    if header is None:
        raise FormatError("expected 'version: 1', 'n_points: N' and '{', got another header")
    n_points, body = int(header[1]), header[2]
    if not 0 < n_points <= MAX_POINTS:
        raise FormatError(f"n_points: expected 1..{MAX_POINTS}, got {n_points}")
    inside, brace, _ = body.partition("}")
    if not brace:
        raise FormatError("expected a closing '}', got the end of the file")
    points = _parse_rows(inside)
    if len(points) != n_points:
        raise FormatError(f"expected {n_points} points as n_points says, got {len(points)}")
    points[(points == NOT_ANNOTATED).all(axis=1)] = np.nan
    return (points - float(first_pixel)).astype(np.float32)


def _parse_rows(text: str) -> Points:
    """(N, 2) float64 of lines of two numbers within float32, parted by white space or a comma.

    ``nan nan`` is taken, too.
    """
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise FormatError(f"point {number}: expected 2 numbers, got {' '.join(row)!r}")
    try:
        points = np.array(rows, dtype=np.float64).reshape(-1, 2)
    except ValueError as error:
        raise FormatError(f"expected numbers: {error}") from error
    right = (np.abs(points) <= MAX_COORDINATE).all(axis=1) | np.isnan(points).all(axis=1)
    if not right.all():
        number = int(np.argmin(right))
        raise FormatError(f"point {number + 1}: expected finite numbers, got {rows[number]}")
    return points


def render_pts(points: Points, first_pixel: int = 1) -> str:
    """The ``.pts`` text of (N, 2) points, three decimals; see :func:`parse_pts`.

    A point that is NaN on both axes is written as not annotated, and one that lies where the mark
    does would be read so.

    Raises:
        FormatError: if there are no points, or one is neither finite nor NaN on both axes.
    """
    check_first_pixel(first_pixel)
    points = as_points("points", points)
    unknown = np.isnan(points).all(axis=1, keepdims=True)
    if not len(points) or not (np.isfinite(points) | unknown).all():
        raise FormatError("points: expected at least one and finite ones only")
    on_disk = np.where(unknown, NOT_ANNOTATED, points.astype(np.float64) + float(first_pixel))
    rows = "".join(f"{x:.3f} {y:.3f}\n" for x, y in on_disk.tolist())
    return f"version: 1\nn_points: {len(points)}\n{{\n{rows}}}\n"


def load_pts(path: FilePath, first_pixel: int = 1) -> Points:
    """Read a ``.pts`` file; see :func:`parse_pts`. Errors name the file."""
    text = read_text(path)
    with naming(path):
        return parse_pts(text, first_pixel)


def save_pts(path: FilePath, points: Points, first_pixel: int = 1) -> None:
    """Write a ``.pts`` file, whole or not at all."""
    write_text(path, render_pts(points, first_pixel))
