"""The key points of the YouTube Faces frames: CSV, an image name and ``x0, y0, x1, y1, ...``.

::

    image,0,1,2,...,135
    Luis_Fonsi_21.jpg,45.0,98.0,47.0,...

- Coordinates count from 0 (the known files hold whole pixels). Any number of points is read.
- Kept: several faces an image (one line each), unknown points (empty, as pandas writes and reads
  them), three decimals.
- Lost: boxes, visibility, ``ignore``, sizes of images, images without faces, attributes.
"""

import math

from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath
from dan.datasets.formats.annotations import AnnotationSet, number_names
from dan.datasets.formats.reading import (
    csv_rows,
    csv_text,
    number_rows,
    refusing,
    shown,
)
from dan.schemes import LandmarkScheme


def parse_youtube_csv(data: bytes | str, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Faces of a key point table.

    Raises:
        FormatError: naming the line, if it is no such table.
    """
    heading, rows, places = csv_rows(data)
    wanted = [str(column) for column in range(len(heading) - 1)]
    if len(heading) % 2 == 0 or heading[1:] != wanted:
        raise FormatError(
            "heading: expected an image column and an even number of columns 0, 1, 2, ..., "
            f"got {shown(heading)}"
        )
    values = number_rows([row[1:] for row in rows], places, len(wanted))
    names, image_index = number_names([row[0] for row in rows])
    with refusing():
        points = values.reshape(len(rows), len(wanted) // 2, 2)
        return AnnotationSet.build(names, image_index, points, scheme=scheme)


def render_youtube_csv(annotations: AnnotationSet) -> str:
    """The key point table of some faces, three decimals."""
    heading = ["image", *map(str, range(2 * annotations.n_landmarks))]
    rows = [
        [name, *point_words(points.ravel().tolist())]
        for name, points in zip(annotations.face_names, annotations.points, strict=True)
    ]
    return csv_text([heading, *rows])


def point_words(values: list[float]) -> list[str]:
    """Numbers as words, three decimals; nothing for NaN."""
    return ["" if math.isnan(value) else f"{value:.3f}" for value in values]


def load_youtube_csv(path: FilePath, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Read a key point table; see :func:`parse_youtube_csv`. Errors name the file."""
    with naming(path):
        return parse_youtube_csv(read_bytes(path), scheme=scheme)


def save_youtube_csv(path: FilePath, annotations: AnnotationSet) -> None:
    """Write a key point table, whole or not at all; see :func:`render_youtube_csv`."""
    write_text(path, render_youtube_csv(annotations))
