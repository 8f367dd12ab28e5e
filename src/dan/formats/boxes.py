"""Face boxes by image name: JSON ``{"NAME.jpg": [x0, y0, x1, y1], ...}``, 0-based pixels."""

import json

import numpy as np

from dan.checks import as_box
from dan.errors import FormatError, ShapeError
from dan.files import read_text
from dan.types import Box, FilePath


def parse_boxes(text: str) -> dict[str, Box]:
    """Boxes by image file name, (4,) float64 ``xyxy`` each.

    Raises:
        FormatError: if it is no such object, or a box is not four numbers with x0 < x1, y0 < y1.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers or nesting beyond Python's limits
        raise FormatError(f"expected JSON: {error}") from error
    if not isinstance(entries, dict):
        raise FormatError(f"expected an object of boxes by name, got {type(entries).__name__}")
    boxes = {}
    for name, values in entries.items():
        try:
            boxes[name] = as_box("box", np.array(values, dtype=np.float64))
        except (ShapeError, ValueError, TypeError, OverflowError) as error:
            raise FormatError(f"{name}: {error}") from error
    return boxes


def load_boxes(path: FilePath) -> dict[str, Box]:
    """Read a boxes file; errors name the file."""
    text = read_text(path)
    try:
        return parse_boxes(text)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
