"""dlib's image data sets (``imglab``): XML with ``image``, ``box`` and ``part`` elements.

::

    <dataset><images>
      <image file='a.jpg' width='640' height='480'>
        <box top='10' left='20' width='100' height='120'>
          <part name='00' x='25' y='60'/>
          ...

- Coordinates count from 0 and stand for pixel centres. A box holds its last row and column:
  ``x1 = left + width - 1``.
- Kept: several faces an image, images without faces, sizes of images, points that are left out
  (unknown), ``ignore``, ``difficult``, ``truncated``, ``occluded``.
- Lost: which points are occluded, names of points, and fractions: dlib itself reads whole pixels
  only, so they are rounded unless ``decimals`` says otherwise. A face without a box gets that of
  its known points, for dlib cannot do without. Faces of an image are written side by side.
- The points are the parts whose names are seen in the file, as dlib has it: a part that no box
  has is no point. Names made of digits are sorted as numbers, other names by their letters, as
  dlib does. Where a scheme is given, names are those of its points, or numbers that count them
  from 0 or 1.
- Never resolved: document types, entities, anything outside the file (defusedxml).
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import quoteattr

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from dan.core.errors import FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath, FloatArray
from dan.datasets.formats.annotations import AnnotationSet
from dan.datasets.formats.reading import as_bytes, refusing, shown
from dan.schemes import LandmarkScheme, scheme_of

_FLAGS = ("difficult", "truncated", "occluded", "ignore")
MAX_DIGITS = 9
"""Longer names of digits are no numbers."""
_NEVER_MEANT = 100
"""A table of faces and points that is this many times larger than the parts given is refused."""


def parse_dlib_xml(data: bytes | str, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Faces of a dlib data set.

    Args:
        data: the file's content. Bytes that are UTF-8 are read as such whatever the XML
            declaration says (dlib declares ISO-8859-1 and writes what it got).
        scheme: what the points are; without it, they are the parts whose names are seen.

    Raises:
        FormatError: naming the line, if it is no such XML, holds a document type or entities, or
            lacks or repeats something.
    """
    data = as_bytes(data)
    reader = _Reader("utf-8" if _is_utf8(data) else None)
    reader.read(data)
    with refusing():
        return reader.result(scheme)


def _is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


@dataclass
class _Face:
    """A box element and its parts, in the order of the file."""

    file: str
    box: list[float]  # left, top, width, height
    flags: list[bool]  # as _FLAGS
    parts: array[int] = field(default_factory=lambda: array("i"))  # which names
    points: array[float] = field(default_factory=lambda: array("d"))  # x and y of each


class _Reader:
    """What the XML parser calls at each element: it collects the faces, and no tree is built."""

    def __init__(self, encoding: str | None) -> None:
        self.depth = 0
        self.file: str | None = None
        self.face: _Face | None = None
        self.sizes: dict[str, tuple[int, int]] = {}
        self.faces: list[_Face] = []
        self.names: dict[str, int] = {}  # of parts, and their number by appearance
        self.parser = DefusedXMLParser(target=self, encoding=encoding, forbid_dtd=True)

    def read(self, data: bytes) -> None:
        try:
            self.parser.feed(data)
            self.parser.close()
        except FormatError:
            raise
        except DefusedXmlException as error:
            raise FormatError(
                f"expected XML without a document type and entities, got {shown(error)}"
            ) from error
        except (ParseError, ValueError, LookupError) as error:  # or an encoding nobody knows
            raise FormatError(f"expected XML: {error}") from error

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.depth and tag != "dataset":
            raise self.error(f"expected the root element dataset, got {shown(tag)}")
        self.depth += 1
        if tag == "image":
            self.start_image(attributes)
        elif tag == "box":
            self.start_box(attributes)
        elif tag == "part" and self.face is not None:
            name = self.text(tag, attributes, "name")
            self.face.parts.append(self.names.setdefault(name, len(self.names)))
            self.face.points.extend(self.numbers(tag, attributes, "x", "y"))

    def end(self, tag: str) -> None:
        self.depth -= 1
        if tag == "image":
            self.file = None
        elif tag == "box":
            self.face = None

    def close(self) -> None:
        """Part of the interface that the XML parser expects."""

    def start_image(self, attributes: dict[str, str]) -> None:
        if self.file is not None:
            raise self.error("expected image elements side by side, got one inside another")
        self.file = self.text("image", attributes, "file")
        width, height = 0.0, 0.0
        if "width" in attributes or "height" in attributes:
            width, height = self.numbers("image", attributes, "width", "height")
        if width < 0 or height < 0 or width % 1 or height % 1:
            raise self.error(f"image: expected a size in whole pixels, got {width} x {height}")
        if width or self.file not in self.sizes:
            self.sizes[self.file] = (int(width), int(height))

    def start_box(self, attributes: dict[str, str]) -> None:
        if self.file is None or self.face is not None:
            raise self.error("expected a box inside an image and outside of other boxes")
        box = self.numbers("box", attributes, "left", "top", "width", "height")
        if box[2] < 1 or box[3] < 1:
            raise self.error(f"box: expected a size of 1 or more, got {box[2]:g} x {box[3]:g}")
        flags = [attributes.get(name, "0") != "0" for name in _FLAGS]
        self.face = _Face(self.file, box, flags)
        self.faces.append(self.face)

    def text(self, element: str, attributes: dict[str, str], name: str) -> str:
        if name not in attributes:
            raise self.error(f"{element}: expected the attribute {name}")
        return attributes[name]

    def numbers(self, element: str, attributes: dict[str, str], *names: str) -> list[float]:
        try:
            values = [float(attributes[name]) for name in names]
        except (KeyError, ValueError):
            values = [math.nan]
        if not all(map(math.isfinite, values)):
            got = shown({name: attributes.get(name) for name in names})
            raise self.error(f"{element}: expected finite numbers, got {got}")
        return values

    def error(self, message: str) -> FormatError:
        return FormatError(f"line {self.parser.parser.CurrentLineNumber}: {message}")

    def result(self, scheme: LandmarkScheme | None) -> AnnotationSet:
        points = self.all_points(scheme)
        place_of = {name: place for place, name in enumerate(self.sizes)}
        boxes = np.array([face.box for face in self.faces], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] = boxes[:, :2] + (boxes[:, 2:] - 1)  # in this order 1 + x - 1 is x
        flags = np.array([face.flags for face in self.faces], dtype=bool).reshape(-1, len(_FLAGS))
        of_name = dict(zip(_FLAGS, flags.T, strict=True))
        return AnnotationSet.build(
            self.sizes,
            np.array([place_of[face.file] for face in self.faces], dtype=np.int64),
            points,
            boxes_xyxy=boxes,
            ignore=of_name.pop("ignore"),
            image_sizes_wh=np.array(list(self.sizes.values())).reshape(-1, 2),
            attributes={name: set_.astype(float) for name, set_ in of_name.items() if set_.any()},
            scheme=scheme,
        )

    def all_points(self, scheme: LandmarkScheme | None) -> FloatArray:
        """(F, N, 2) coordinates, NaN where a part is left out."""
        names, n_faces = list(self.names), len(self.faces)
        columns, n_landmarks = places_of_names(names, scheme)
        n_parts = sum(len(face.parts) for face in self.faces)
        if n_faces * n_landmarks > _NEVER_MEANT * (n_parts + _NEVER_MEANT):
            raise FormatError(
                f"expected about the same parts in each box, got {n_landmarks} names of parts, "
                f"but {n_parts} parts in {n_faces} boxes"
            )
        points = np.full((n_faces, n_landmarks, 2), np.nan)
        for place, face in enumerate(self.faces):
            own = [columns[part] for part in face.parts]
            if len(set(own)) < len(own):
                twice = next(i for i, column in enumerate(own) if column in own[:i])
                raise FormatError(
                    f"box {place} ({face.file}): expected each part once, "
                    f"got {shown(names[face.parts[twice]])} twice"
                )
            points[place, own] = np.reshape(face.points, (-1, 2))
        return points


def places_of_names(names: list[str], scheme: LandmarkScheme | None) -> tuple[list[int], int]:
    """The index of each landmark by its name, and how many landmarks there are.

    Raises:
        FormatError: if they are not those of the scheme, or nobody can tell which they are.
    """
    if scheme is not None and set(names) <= set(scheme.point_names):
        return [scheme.point_names.index(name) for name in names], scheme.n_landmarks
    numbered = all(name.isascii() and name.isdigit() and len(name) <= MAX_DIGITS for name in names)
    numbers = [int(name) for name in names] if numbered else []
    if numbered and scheme is not None:
        first = _first_number(numbers, scheme.n_landmarks)
        if first is not None:
            return [number - first for number in numbers], scheme.n_landmarks
    keys = [name.zfill(MAX_DIGITS) if numbered else name for name in names]  # sorted as numbers
    place_of = {key: place for place, key in enumerate(sorted(set(keys)))}
    _check_parts(len(place_of), numbers, scheme)
    return [place_of[key] for key in keys], scheme.n_landmarks if scheme else len(place_of)


def _check_parts(n_parts: int, numbers: list[int], scheme: LandmarkScheme | None) -> None:
    if scheme is not None:
        if n_parts > scheme.n_landmarks or (numbers and n_parts < scheme.n_landmarks):
            raise FormatError(
                f"expected parts of the {scheme.n_landmarks} landmarks of {scheme.name}, "
                f"got {n_parts}"
            )
    elif (
        numbers and max(numbers) - min(numbers) >= n_parts and scheme_of(n_parts).mirror is not None
    ):
        # A choice of parts; their number alone would pass them off as all those of that scheme.
        raise FormatError(
            f"expected parts that count through, or to be told the scheme, got {n_parts} numbers "
            f"from {min(numbers)} to {max(numbers)}"
        )


def _first_number(numbers: list[int], n_landmarks: int) -> int | None:
    """What numbers of a scheme's landmarks count from; None if they are not these numbers."""
    last = max(numbers, default=0)
    if last == n_landmarks and min(numbers) > 0:
        return 1
    return 0 if last < n_landmarks else None


def render_dlib_xml(annotations: AnnotationSet, *, decimals: int = 0) -> str:
    """The dlib data set of some faces.

    Args:
        decimals: of coordinates. dlib itself reads whole pixels only.

    Raises:
        FormatError: if a face has neither a box nor a known point.
    """
    faces = annotations.by_image()
    boxes = _whole_boxes(faces, decimals)
    forms = _part_forms(faces.n_landmarks, decimals)
    points = np.round(faces.points, decimals)
    flags = _rendered_flags(faces)
    rows: list[list[str]] = [[] for _ in faces.image_names]
    for face, image in enumerate(faces.image_index.tolist()):
        rows[image].append(
            _render_box(boxes[face], flags[face], decimals)
            + _render_parts(forms, points[face])
            + "    </box>\n"
        )
    images = []
    for name, size, inside in zip(
        faces.image_names, faces.image_sizes_wh.tolist(), rows, strict=True
    ):
        stated = f" width='{size[0]}' height='{size[1]}'" if any(size) else ""
        images.append(f"  <image file={quoteattr(name)}{stated}>\n{''.join(inside)}  </image>\n")
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n<dataset>\n<images>\n"
        f"{''.join(images)}</images>\n</dataset>\n"
    )


def _whole_boxes(faces: AnnotationSet, decimals: int) -> FloatArray:
    boxes = np.round(faces.boxes_or_points_boxes(), decimals)
    missing = np.isnan(boxes).any(axis=1)
    if missing.any():
        face = int(np.argmax(missing))
        raise FormatError(
            f"face {face} ({faces.face_names[face]}): expected a box or known points, got neither"
        )
    return boxes


def _rendered_flags(faces: AnnotationSet) -> list[str]:
    """What to write of each face into its box element."""
    values_of = {**faces.attributes, "ignore": faces.ignore}
    columns = {name: values_of[name] == 1 for name in _FLAGS if name in values_of}
    marks = np.full(len(faces), "", dtype=object)
    for name, values in columns.items():
        marks[values] += f" {name}='1'"
    texts: list[str] = marks.tolist()
    return texts


def _render_box(box_xyxy: FloatArray, flags: str, decimals: int) -> str:
    x0, y0, x1, y1 = box_xyxy.tolist()
    left, top, width, height = (
        f"{value:.{decimals}f}" for value in (x0, y0, x1 - x0 + 1, y1 - y0 + 1)
    )
    return f"    <box top='{top}' left='{left}' width='{width}' height='{height}'{flags}>\n"


def _part_forms(n_landmarks: int, decimals: int) -> list[str]:
    """The element of each landmark, with places for x and y."""
    width = max(2, len(str(max(n_landmarks - 1, 0))))
    number = f"%.{decimals}f"
    return [
        f"      <part name='{place:0{width}d}' x='{number}' y='{number}'/>\n"
        for place in range(n_landmarks)
    ]


def _render_parts(forms: list[str], points: FloatArray) -> str:
    known = ~np.isnan(points[:, 0])
    chosen = forms if known.all() else [forms[place] for place in np.flatnonzero(known)]
    text: str = "".join(chosen) % tuple(points[known].ravel().tolist())  # one call for all
    return text


def load_dlib_xml(path: FilePath, *, scheme: LandmarkScheme | None = None) -> AnnotationSet:
    """Read a dlib data set; see :func:`parse_dlib_xml`. Errors name the file."""
    with naming(path):
        return parse_dlib_xml(read_bytes(path), scheme=scheme)


def save_dlib_xml(path: FilePath, annotations: AnnotationSet, *, decimals: int = 0) -> None:
    """Write a dlib data set, whole or not at all; see :func:`render_dlib_xml`."""
    write_text(path, render_dlib_xml(annotations, decimals=decimals))
