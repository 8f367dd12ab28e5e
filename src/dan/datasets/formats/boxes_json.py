"""Face boxes by image name: JSON ``{"NAME.jpg": [x0, y0, x1, y1], ...}``, 0-based pixels.

The Theano version kept the same in pickled dictionaries (``.pkl``). Those are not read, for a
pickle can run any program; the published ``*_boxes.json`` hold what they held.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dan.core.checks import as_box
from dan.core.errors import FormatError, ShapeError
from dan.core.files import naming, read_text, write_text
from dan.core.types import Box, FilePath
from dan.datasets.formats.annotations import AnnotationSet


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


def render_boxes(boxes: Mapping[str, Box]) -> str:
    """The boxes file, numbers to the last digit.

    Raises:
        ShapeError: if a box is not four numbers with x0 < x1, y0 < y1; such a file could not be
            read.
    """
    return json.dumps({name: as_box(name, box).tolist() for name, box in boxes.items()}, indent=1)


def with_boxes(annotations: AnnotationSet, boxes: Mapping[str, Box]) -> AnnotationSet:
    """The same faces with the boxes of a boxes file, found by the image's name without folders.

    Faces whose image is not listed have no box.

    Raises:
        FormatError: if a listed image holds several faces, for the file cannot tell which is meant.
    """
    places = [name.replace("\\", "/").rsplit("/", 1)[-1] for name in annotations.face_names]
    listed = [name for name in places if name in boxes]
    if len(set(listed)) != len(listed):
        double = Counter(listed).most_common(1)[0][0]
        raise FormatError(f"{double}: expected one face of that name, for there is one box")
    found = np.full((len(annotations), 4), np.nan)
    for face, name in enumerate(places):
        if name in boxes:
            found[face] = boxes[name]
    return replace(annotations, boxes_xyxy=found)


def boxes_of(annotations: AnnotationSet) -> dict[str, Box]:
    """Boxes by image name, for a boxes file; faces without a box are left out.

    Raises:
        FormatError: if an image has several faces with a box.
    """
    boxes: dict[str, Box] = {}
    for name, box in zip(annotations.face_names, annotations.boxes_xyxy, strict=True):
        if name in boxes:
            raise FormatError(f"{name}: expected one face with a box, got several")
        if not np.isnan(box[0]):
            boxes[name] = box
    return boxes


def load_boxes(path: FilePath) -> dict[str, Box]:
    """Read a boxes file; errors name the file."""
    text = read_text(path)
    with naming(path):
        return parse_boxes(text)


def save_boxes(path: FilePath, boxes: Mapping[str, Box]) -> None:
    """Write a boxes file, whole or not at all."""
    write_text(path, render_boxes(boxes))
