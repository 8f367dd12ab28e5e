"""Formats of one file an image (``.pts``, ``.ptv``, ``.ljson``) as sets of many faces.

The annotation of ``NAME.jpg`` is ``NAME.pts`` beside it, at any depth below the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from dan.errors import ConfigError, DataError, FormatError
from dan.files import make_folder
from dan.formats import (
    AnnotationSet,
    load_ljson,
    load_pts,
    load_ptv,
    save_ljson,
    save_pts,
    save_ptv,
)
from dan.formats.reading import naming, refusing
from dan.image_files import is_image_name
from dan.schemes import LandmarkScheme
from dan.types import FilePath, FloatArray, Points

SUFFIXES = (".pts", ".ptv", ".ljson")


def load_folder(
    root: FilePath,
    suffix: str = ".pts",
    *,
    first_pixel: int = 1,
    scheme: LandmarkScheme | None = None,
    on_bad: Callable[[Path, str], None] | None = None,
) -> AnnotationSet:
    """All faces of a folder of pictures with an annotation file beside each, by name.

    Args:
        root: the folder; names of images are paths below it. Pictures without annotation, and
            annotations without picture, are passed over.
        suffix: ``.pts``, ``.ptv`` or ``.ljson``.
        first_pixel: of ``.pts`` files; see :func:`dan.formats.parse_pts`.
        scheme: what the points are.
        on_bad: is told of each damaged file and why, and the file is left out; without it, the
            first one is an error.

    Raises:
        DataError: if there is no such folder, or it holds none.
        FormatError: naming the file, if one is damaged or has another number of points than the
            first.
    """
    _check_suffix(suffix)
    root = Path(root)
    images = sorted(
        path
        for path in root.rglob("*")
        if is_image_name(path) and path.with_suffix(suffix).is_file()
    )
    if not images:
        raise DataError(f"{root}: expected images with a {suffix} file beside each, found none")
    faces: list[FloatArray] = []
    image_index: list[int] = []
    for place, path in enumerate(images):
        try:
            for points in _load_points(path.with_suffix(suffix), suffix, first_pixel):
                _check_count(path.with_suffix(suffix), points, faces)
                faces.append(points)
                image_index.append(place)
        except FormatError as error:
            if on_bad is None:
                raise
            on_bad(path, str(error).removeprefix(f"{path.with_suffix(suffix)}: "))
    names = [path.relative_to(root).as_posix() for path in images]
    with naming(root), refusing():
        stacked = np.array(faces) if faces else np.empty((0, 0, 2))
        return AnnotationSet.build(names, image_index, stacked, scheme=scheme)


def _check_count(path: Path, points: FloatArray, faces: Sequence[FloatArray]) -> None:
    if faces and points.shape != faces[0].shape:
        raise FormatError(
            f"{path}: expected {len(faces[0])} points as in the first file, got {len(points)}"
        )


def _load_points(path: Path, suffix: str, first_pixel: int) -> FloatArray:
    if suffix == ".ljson":
        return load_ljson(path).points
    points: Points = load_pts(path, first_pixel) if suffix == ".pts" else load_ptv(path)
    return points.astype(np.float64)[None]


def save_folder(
    root: FilePath, annotations: AnnotationSet, suffix: str = ".pts", *, first_pixel: int = 1
) -> None:
    """Write an annotation file for each image that has a face; the images are not touched.

    Args:
        root: where the images lie, or shall lie; folders are made as needed.
        annotations: the faces.
        suffix: ``.pts``, ``.ptv`` or ``.ljson``. Only the last takes several faces an image, or
            unknown points.
        first_pixel: of ``.pts`` files; see :func:`dan.formats.parse_pts`.

    Raises:
        DataError: if the name of an image leads out of the folder, two names differ in their
            suffix only, or an image has several faces and the format takes one.
        FormatError: if a point is unknown and the format has no mark for it.
    """
    _check_suffix(suffix)
    writers: dict[str, Callable[[Path, AnnotationSet], None]] = {
        ".pts": lambda path, one: save_pts(path, one.points[0], first_pixel),
        ".ptv": lambda path, one: save_ptv(path, one.points[0]),
        ".ljson": save_ljson,
    }
    paths = [path.with_suffix(suffix) for path in annotations.image_paths(root)]
    if len(set(paths)) != len(paths):
        raise DataError(f"{root}: expected image names that differ without their suffix")
    for place, path in enumerate(paths):
        one = _one_image(annotations, place)
        if not len(one):
            continue
        if len(one) > 1 and suffix != ".ljson":
            name = annotations.image_names[place]
            raise DataError(f"{name}: expected one face for a {suffix} file, got {len(one)}")
        make_folder(path.parent)
        writers[suffix](path, one)


def _one_image(annotations: AnnotationSet, place: int) -> AnnotationSet:
    faces = annotations.select(annotations.image_index == place)
    return AnnotationSet.build(
        [PurePosixPath(annotations.image_names[place]).name],
        np.zeros(len(faces), dtype=np.int64),
        faces.points,
        scheme=faces.scheme,
    )


def _check_suffix(suffix: str) -> None:
    if suffix not in SUFFIXES:
        raise ConfigError(f"suffix: expected one of {', '.join(SUFFIXES)}, got {suffix!r}")
