"""Formats of one file an image (``.pts``, ``.ptv``, ``.ljson``) as sets of many faces.

The annotation of ``NAME.jpg`` is ``NAME.pts`` beside it, at any depth below the folder, or at the
same place of another folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

from dan.core.errors import ConfigError, DataError, FormatError
from dan.core.files import make_folder, naming
from dan.core.image_files import is_image_name
from dan.core.types import FilePath, FloatArray, Points
from dan.datasets.formats import (
    AnnotationSet,
    load_ljson,
    load_pts,
    load_ptv,
    save_ljson,
    save_pts,
    save_ptv,
)
from dan.datasets.formats.reading import refusing
from dan.schemes import LandmarkScheme

SUFFIXES = (".pts", ".ptv", ".ljson")


def annotated_pairs(
    root: FilePath, suffix: str, images: FilePath | None = None
) -> list[tuple[Path, Path]]:
    """Each picture that has an annotation file, by name, and that file.

    Args:
        images: folder of the pictures, with the same folders in it as ``root``; default: ``root``.

    Raises:
        DataError: if there is no such folder, or not one pair.
    """
    root = Path(root)
    home = root if images is None else Path(images)
    pairs = [
        (path, points)
        for path in sorted(home.rglob("*"))
        if is_image_name(path)
        and (points := (root / path.relative_to(home)).with_suffix(suffix)).is_file()
    ]
    if pairs:
        return pairs
    if images is not None:
        raise DataError(
            f"{root}: expected images in {home} with a {suffix} file at the same place of {root}, "
            "found none"
        )
    elsewhere = "; --images names their folder" if any(root.rglob(f"*{suffix}")) else ""
    raise DataError(
        f"{root}: expected images with a {suffix} file beside each, found none{elsewhere}"
    )


def load_folder(
    root: FilePath,
    suffix: str = ".pts",
    *,
    images: FilePath | None = None,
    first_pixel: int = 1,
    scheme: LandmarkScheme | None = None,
    on_bad: Callable[[Path, str], None] | None = None,
) -> AnnotationSet:
    """All faces of a folder of pictures with an annotation file beside each, by name.

    Args:
        root: the folder. Pictures without annotation, and annotations without picture, are passed
            over.
        images: folder of the pictures, below which their names are paths; default: ``root``.
        first_pixel: of ``.pts`` files; see :func:`dan.datasets.formats.parse_pts`.
        on_bad: is told of each damaged file and why, and the file is left out; without it, the
            first one is an error.

    Raises:
        DataError: if there is no such folder, or it holds none.
        FormatError: naming the file, if one is damaged or has another number of points than most.
    """
    _check_suffix(suffix)
    pairs = annotated_pairs(root, suffix, images)
    faces: list[tuple[int, FloatArray]] = []  # the place of the image, the points
    for place, (image, path) in enumerate(pairs):
        with _telling(image, path, on_bad):
            points_of_faces = _load_points(path, suffix, first_pixel)
            faces += [(place, points) for points in points_of_faces]
    faces = _of_one_count(pairs, faces, on_bad)
    names = [image.relative_to(images or root).as_posix() for image, _ in pairs]
    with naming(root), refusing():
        stacked = np.array([points for _, points in faces]) if faces else np.empty((0, 0, 2))
        return AnnotationSet.build(names, [place for place, _ in faces], stacked, scheme=scheme)


@contextmanager
def _telling(image: Path, path: Path, on_bad: Callable[[Path, str], None] | None) -> Iterator[None]:
    """Hand the error of a file to ``on_bad``, if there is one."""
    try:
        yield
    except FormatError as error:
        if on_bad is None:
            raise
        on_bad(image, str(error).removeprefix(f"{path}: "))


def _of_one_count(
    pairs: Sequence[tuple[Path, Path]],
    faces: Sequence[tuple[int, FloatArray]],
    on_bad: Callable[[Path, str], None] | None,
) -> list[tuple[int, FloatArray]]:
    """The faces with as many points as most of them have."""
    counts = Counter(len(points) for _, points in faces)
    wanted = max(counts, key=counts.__getitem__, default=0)
    kept = []
    for place, points in faces:
        image, path = pairs[place]
        with _telling(image, path, on_bad):
            if len(points) != wanted:
                raise FormatError(
                    f"{path}: expected {wanted} points as in other files, got {len(points)}"
                )
            kept.append((place, points))
    return kept


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
        suffix: ``.pts``, ``.ptv`` or ``.ljson``. Only the last takes several faces an image;
            ``.ptv`` takes no unknown points.
        first_pixel: of ``.pts`` files; see :func:`dan.datasets.formats.parse_pts`.

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
