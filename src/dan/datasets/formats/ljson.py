"""Menpo's landmark JSON, ``.ljson``: one file an image, one named group a face.

- Coordinates count from 0, **y before x**. Versions 1, 2 and 3 are read; version 3 is written,
  the only one that menpo itself still writes. In versions 1 and 2 all points are one face.
- Kept: unknown points (``null``), full precision; the scheme's groups as labels and its edges, for
  menpo to draw; they are not read back.
- Lost: the image's name (the caller gives it), boxes, visibility, ``ignore``, sizes, attributes.
"""

import math
from typing import Any

import msgspec
import numpy as np

from dan.core.errors import ConfigError, FormatError
from dan.core.files import naming, read_bytes, write_text
from dan.core.types import FilePath, FloatArray
from dan.datasets.formats.annotations import AnnotationSet
from dan.datasets.formats.reading import as_bytes, refusing, shown
from dan.schemes import LandmarkScheme

_Point = list[float | None]


class _Landmarks(msgspec.Struct):
    points: list[_Point]


class _Group(msgspec.Struct):
    landmarks: _Landmarks


class _Version3(msgspec.Struct):
    groups: dict[str, _Group]


class _Landmark1(msgspec.Struct):
    point: _Point


class _Group1(msgspec.Struct):
    landmarks: list[_Landmark1]


class _Version1(msgspec.Struct):
    groups: list[_Group1]


class _AnyVersion(msgspec.Struct):
    version: int


def parse_ljson(
    data: bytes | str,
    image_name: str = "image",
    *,
    group: str | None = None,
    scheme: LandmarkScheme | None = None,
) -> AnnotationSet:
    """The faces of one image.

    Args:
        image_name: the name of the image, which the file does not hold.
        group: the group that is meant, where a version 3 file has several of different size;
            without it each group is a face.

    Raises:
        FormatError: if it is no such JSON, of an unknown version, in space, or its groups differ
            in their number of points.
    """
    try:
        faces = _faces(as_bytes(data), group)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected menpo's landmark JSON: {error}") from error
    except RecursionError as error:
        raise FormatError("expected menpo's landmark JSON, got one nested too deep") from error
    sizes = {len(points) for points in faces.values()}
    if len(sizes) > 1:
        raise FormatError(
            "groups: expected the same number of points in each, or to be told which group, got "
            f"{shown({name: len(points) for name, points in faces.items()})}"
        )
    n_landmarks = sizes.pop() if sizes else (scheme.n_landmarks if scheme else 0)
    with refusing():
        return AnnotationSet.build(
            [image_name],
            np.zeros(len(faces), dtype=np.int64),
            np.array(list(faces.values())).reshape(len(faces), n_landmarks, 2),
            scheme=scheme,
        )


def _faces(data: bytes, group: str | None) -> dict[str, FloatArray]:
    """(N, 2) x and y by group."""
    version = msgspec.json.decode(data, type=_AnyVersion).version
    if version == 1:
        groups = msgspec.json.decode(data, type=_Version1).groups
        rows = {"LJSON": [mark.point for part in groups for mark in part.landmarks]}
    elif version == 2:
        rows = {"LJSON": msgspec.json.decode(data, type=_Group).landmarks.points}
    elif version == 3:
        named = msgspec.json.decode(data, type=_Version3).groups
        rows = {name: part.landmarks.points for name, part in named.items()}
    else:
        raise FormatError(f"version: expected 1, 2 or 3, got {shown(version)}")
    if group is not None:
        if group not in rows:
            raise FormatError(f"groups: expected {shown(group)}, got {shown(list(rows))}")
        rows = {group: rows[group]}
    return {name: _points(name, points) for name, points in rows.items()}


def _points(group: str, rows: list[_Point]) -> FloatArray:
    for place, row in enumerate(rows):
        if len(row) != 2 or (row[0] is None) != (row[1] is None):
            raise FormatError(
                f"group {shown(group)}, point {place}: expected [y, x] or [null, null], "
                f"got {shown(row)}"
            )
    return np.array(rows, dtype=np.float64).reshape(-1, 2)[:, ::-1]  # None becomes NaN


def render_ljson(annotations: AnnotationSet) -> str:
    """The landmark file of one image; groups are named ``face_0``, ``face_1``, ...

    Raises:
        ConfigError: if the set holds another number of images than one.
    """
    if len(annotations.image_names) != 1:
        raise ConfigError(
            f"expected the faces of one image for a .ljson file, got {len(annotations.image_names)}"
        )
    labels: list[dict[str, Any]] = [{"label": "all", "mask": list(range(annotations.n_landmarks))}]
    edges: list[list[int]] = []
    if annotations.n_landmarks:
        scheme = annotations.or_plain_scheme()
        edges = [list(edge) for edge in scheme.edges]
        labels += [{"label": n, "mask": list(places)} for n, places in scheme.groups.items()]
    groups = {}
    for face, points in enumerate(annotations.points):
        rows = [[None, None] if math.isnan(x) else [y, x] for x, y in points.tolist()]
        landmarks = {"connectivity": edges, "points": rows}
        groups[f"face_{face}"] = {"labels": labels, "landmarks": landmarks}
    content = msgspec.json.encode({"groups": groups, "version": 3})
    return msgspec.json.format(content, indent=1).decode() + "\n"


def load_ljson(
    path: FilePath,
    image_name: str = "image",
    *,
    group: str | None = None,
    scheme: LandmarkScheme | None = None,
) -> AnnotationSet:
    """Read a ``.ljson`` file; see :func:`parse_ljson`. Errors name the file."""
    with naming(path):
        return parse_ljson(read_bytes(path), image_name, group=group, scheme=scheme)


def save_ljson(path: FilePath, annotations: AnnotationSet) -> None:
    """Write a ``.ljson`` file, whole or not at all; see :func:`render_ljson`."""
    write_text(path, render_ljson(annotations))
