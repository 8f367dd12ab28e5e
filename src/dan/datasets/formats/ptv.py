"""The old scripts' ``.ptv`` format: rows of comma-separated numbers, 0-based pixels.

One ``x,y`` line a landmark; ``imgs_mean.ptv`` and ``imgs_std.ptv`` hold one image row a line.
"""

import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import FormatError
from dan.core.files import naming, read_text, write_text
from dan.core.types import FilePath, FloatArray


def parse_ptv(text: str, n_columns: int | None = 2) -> FloatArray:
    """The (rows, columns) float32 array of a ``.ptv`` text.

    Args:
        n_columns: how many numbers a line must have; None takes any number, the same in each line.

    Raises:
        FormatError: if there is nothing, lines differ in length, or a number is not finite.
    """
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if not rows:
        raise FormatError("expected lines of comma-separated numbers, got nothing")
    wanted = len(rows[0]) if n_columns is None else n_columns
    for number, row in enumerate(rows, start=1):
        if len(row) != wanted:
            raise FormatError(f"line {number}: expected {wanted} numbers, got {len(row)}")
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise FormatError(f"expected numbers: {error}") from error
    finite = (np.abs(values) <= np.finfo(np.float32).max).all(axis=1)
    if not finite.all():
        raise FormatError(f"line {int(np.argmin(finite)) + 1}: expected finite numbers")
    return values.astype(np.float32)


def render_ptv(values: FloatArray) -> str:
    """The ``.ptv`` text of a (rows, columns) array, six decimals.

    Raises:
        ShapeError: if it has another number of axes.
        FormatError: if it is empty, or a number is not finite; such a file could not be read.
    """
    values = np.asarray(values)
    check_shape("values", values, ("rows", "columns"))
    if not values.size or not np.isfinite(values).all():
        raise FormatError("values: expected at least one and finite ones only")
    rows, columns = values.shape
    line = ",".join(["%.6f"] * columns) + "\n"
    text: str = (line * rows) % tuple(values.ravel().tolist())  # one call: a third of the time
    return text


def load_ptv(path: FilePath, n_rows: int | None = None, n_columns: int | None = 2) -> FloatArray:
    """Read a ``.ptv`` file; errors name the file.

    Args:
        n_rows: how many lines are expected (for landmarks: how many points); None takes any.
        n_columns: see :func:`parse_ptv`.
    """
    with naming(path):
        values = parse_ptv(read_text(path), n_columns)
        if n_rows is not None and len(values) != n_rows:
            raise FormatError(f"expected {n_rows} lines, got {len(values)}")
    return values


def save_ptv(path: FilePath, values: FloatArray) -> None:
    """Write a ``.ptv`` file, whole or not at all."""
    write_text(path, render_ptv(values))
