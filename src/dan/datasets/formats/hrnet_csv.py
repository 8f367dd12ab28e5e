"""HRNet's face landmark tables (300-W, WFLW, AFLW): CSV with a place, a scale and the points.

::

    image_name,scale,center_w,center_h,original_0_x,original_0_y,...
    helen/trainset/a.jpg,1.2,250.0,240.5,130.1,201.3,...

- HRNet's own code takes coordinates as they stand for 0-based pixels, and so does this reader.
  Tables that were made from ``.pts`` files without a correction count from 1: say
  ``first_pixel=1``.
- The box is a square around ``center_w, center_h`` with sides of 200 times ``scale``. Columns
  beyond these (``image_id``, ``box_size``) are ignored.
- Kept: several faces an image (one line each), unknown points (empty, which pandas reads as NaN),
  three decimals (of the scale six).
- Lost: the box's shape (it becomes a square of its larger side; a face without a box gets that of
  its points), visibility, ``ignore``, sizes of images, images without faces, attributes.
"""

import numpy as np

from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath
from dan.datasets.formats.annotations import AnnotationSet, number_names
from dan.datasets.formats.reading import (
    check_first_pixel,
    csv_rows,
    csv_text,
    number_rows,
    refusing,
    shown,
)
from dan.datasets.formats.youtube_csv import point_words
from dan.schemes import LandmarkScheme

PIXELS_OF_SCALE_1 = 200
_PLACE = ("scale", "center_w", "center_h")


def parse_hrnet_csv(
    data: bytes | str, *, first_pixel: int = 0, scheme: LandmarkScheme | None = None
) -> AnnotationSet:
    """Faces of an HRNet table.

    Args:
        first_pixel: the number that the file gives the centre of the first pixel, 0 or 1.
        scheme: what the points are; without it, their number is that of the heading.

    Raises:
        FormatError: naming the line, if it is no such table.
    """
    check_first_pixel(first_pixel)
    heading, rows, places = csv_rows(data)
    n_landmarks = sum(column.startswith("original_") for column in heading) // 2
    wanted = [*_PLACE, *_point_columns(n_landmarks)]
    column_of = {name: place for place, name in enumerate(heading)}
    if heading[0] != "image_name" or not column_of.keys() >= set(wanted):
        raise FormatError(
            "heading: expected image_name, scale, center_w, center_h, original_0_x, "
            f"original_0_y, ..., got {shown(heading)}"
        )
    columns = [column_of[name] for name in wanted]
    values = number_rows([[row[c] for c in columns] for row in rows], places, len(columns))
    names, image_index = number_names([row[0] for row in rows])
    half, centre = values[:, :1] * (PIXELS_OF_SCALE_1 / 2), values[:, 1:3] - first_pixel
    with refusing():
        return AnnotationSet.build(
            names,
            image_index,
            values[:, 3:].reshape(len(rows), n_landmarks, 2) - first_pixel,
            boxes_xyxy=np.concatenate([centre - half, centre + half], axis=1),
            scheme=scheme,
        )


def _point_columns(n_landmarks: int) -> list[str]:
    return [f"original_{point}_{axis}" for point in range(n_landmarks) for axis in "xy"]


def render_hrnet_csv(annotations: AnnotationSet, *, first_pixel: int = 0) -> str:
    """The HRNet table of some faces; see :func:`parse_hrnet_csv` for ``first_pixel``."""
    check_first_pixel(first_pixel)
    boxes = annotations.boxes_or_points_boxes()
    scales = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0) / PIXELS_OF_SCALE_1
    scales[np.isnan(boxes[:, 0])] = np.nan
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + first_pixel
    rows = []
    for face, name in enumerate(annotations.face_names):
        scale = scales[face]
        points = (annotations.points[face] + first_pixel).ravel().tolist()
        stated = "" if np.isnan(scale) else f"{scale:.6f}"
        rows.append([name, stated, *point_words([*centres[face].tolist(), *points])])
    return csv_text([["image_name", *_PLACE, *_point_columns(annotations.n_landmarks)], *rows])


def load_hrnet_csv(
    path: FilePath, *, first_pixel: int = 0, scheme: LandmarkScheme | None = None
) -> AnnotationSet:
    """Read an HRNet table; see :func:`parse_hrnet_csv`. Errors name the file."""
    with naming(path):
        return parse_hrnet_csv(read_bytes(path), first_pixel=first_pixel, scheme=scheme)


def save_hrnet_csv(path: FilePath, annotations: AnnotationSet, *, first_pixel: int = 0) -> None:
    """Write an HRNet table, whole or not at all; see :func:`render_hrnet_csv`."""
    write_text(path, render_hrnet_csv(annotations, first_pixel=first_pixel))
