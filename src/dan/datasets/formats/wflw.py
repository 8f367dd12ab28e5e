"""WFLW's text files: one face a line, numbers and an image name with spaces between.

::

    x0 y0 ... x97 y97  x_min y_min x_max y_max  pose expression ... blur  24--Soldier/24_a.jpg

- Coordinates count from 0 and stand for pixel centres; boxes are ``x0 y0 x1 y1``.
- Kept: the detector's box in whole pixels, the six attributes (0 or 1), six decimals. The short
  form without box and attributes (``list_98pt_test.txt``) is read, too.
- Lost: visibility, sizes of images, images without faces, ``ignore``. A face without a box gets
  that of its points. There is no mark for unknown points, so faces with some are not written.
- The points are those of wflw98; ``scheme`` says otherwise.
"""

import numpy as np

from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath
from dan.datasets.formats.annotations import AnnotationSet, number_names
from dan.datasets.formats.reading import as_text, number_rows, refusing, shown
from dan.schemes import WFLW98, LandmarkScheme

ATTRIBUTES = ("pose", "expression", "illumination", "make_up", "occlusion", "blur")


def parse_wflw(data: bytes | str, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Faces of a WFLW list.

    Args:
        scheme: what the points are; without it, wflw98.

    Raises:
        FormatError: naming the line, if numbers are missing or malformed.
    """
    scheme = WFLW98 if scheme is None else scheme
    n_landmarks = scheme.n_landmarks
    lines = [line.strip() for line in as_text(data).split("\n")]
    places = [place for place, line in enumerate(lines, start=1) if line]
    lines = [line for line in lines if line]
    n_numbers = 2 * n_landmarks
    if lines and _is_long(lines[0], n_landmarks):
        n_numbers += 4 + len(ATTRIBUTES)
    rows, names = [], []
    for place, line in zip(places, lines, strict=True):
        words = line.split(None, n_numbers)
        if len(words) != n_numbers + 1:
            raise FormatError(
                f"line {place}: expected {n_numbers} numbers and an image name, "
                f"got {len(words)} words: {shown(line)}"
            )
        rows.append(words[:-1])
        names.append(words[-1])
    values = number_rows(rows, places, n_numbers)
    image_names, image_index = number_names(names)
    points, box, attributes = np.split(values, [2 * n_landmarks, 2 * n_landmarks + 4], axis=1)
    with refusing():
        return AnnotationSet.build(
            image_names,
            image_index,
            points.reshape(-1, n_landmarks, 2),
            boxes_xyxy=box if box.size else None,
            attributes=dict(zip(ATTRIBUTES, attributes.T, strict=False)),
            scheme=scheme,
        )


def _is_long(line: str, n_landmarks: int) -> bool:
    """Whether a line has a box and attributes; a name is taken for numbers by no chance."""
    more = line.split()[2 * n_landmarks : 2 * n_landmarks + 4 + len(ATTRIBUTES)]
    return len(more) == 4 + len(ATTRIBUTES) and all(
        word.replace(".", "").lstrip("-").isdigit() for word in more
    )


def render_wflw(annotations: AnnotationSet) -> str:
    """The WFLW list of some faces; a number of points other than 98 is written all the same.

    Raises:
        FormatError: if a point is unknown, or a name begins or ends with white space.
    """
    if not annotations.known.all():
        face = int(np.argmin(annotations.known.all(axis=1)))
        raise FormatError(
            f"face {face} ({annotations.face_names[face]}): expected every point to be known, "
            "for WFLW has no mark for others"
        )
    boxes = np.round(annotations.boxes_or_points_boxes())
    nothing = np.zeros(len(annotations))
    columns = [np.nan_to_num(annotations.attributes.get(name, nothing)) for name in ATTRIBUTES]
    figures = np.concatenate([boxes, np.stack(columns, axis=1)], axis=1)
    lines = []
    for face, name in enumerate(annotations.face_names):
        if name != name.strip():
            raise FormatError(f"image name: expected no white space at its ends, got {name!r:.80}")
        points = " ".join(f"{value:.6f}" for value in annotations.points[face].ravel().tolist())
        lines.append(f"{points} {' '.join(f'{v:.0f}' for v in figures[face].tolist())} {name}\n")
    return "".join(lines)


def load_wflw(path: FilePath, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Read a WFLW list; see :func:`parse_wflw`. Errors name the file."""
    with naming(path):
        return parse_wflw(read_bytes(path), scheme=scheme)


def save_wflw(path: FilePath, annotations: AnnotationSet) -> None:
    """Write a WFLW list, whole or not at all; see :func:`render_wflw`."""
    write_text(path, render_wflw(annotations))
