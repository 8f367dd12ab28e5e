"""Faults of annotated data: of pictures, of pairs, of shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dan.core.errors import DanError, DegenerateShapeError
from dan.core.files import read_bytes
from dan.core.image_files import is_image_name
from dan.core.images import read_grey
from dan.core.types import FloatArray, Points
from dan.datasets.folders import load_folder
from dan.datasets.formats import AnnotationSet
from dan.datasets.formats.annotations import TOO_FEW_POINTS, WITHOUT_POINTS
from dan.datasets.hashes import PictureHash, hash_picture, same_pictures
from dan.geometry import align_shape, box_of_points, box_size_wh, mean_shape_of
from dan.schemes import LandmarkScheme

Fault = Literal[
    "unreadable image",
    "missing image",
    "no annotation",
    "damaged annotation",
    "same picture",
    "points missing",
    "points outside",
    "collapsed",
    "mirrored",
    "wrong order",
    "odd shape",
]

OUTSIDE_SHARE = 0.03
"""A point may lie so far outside the image, as a share of the face's larger side, and a pixel."""

THINNEST = 0.15
"""Least ratio of the sides of a landmark box; a profile of 300-W has 0.5."""

MIRRORED_RATIO = 0.6
"""A shape is mirrored if, mirrored back, it lies this much nearer to the mean. 300-W: above 2.7."""

ODD_SHARE = 0.15
"""Distance to the mean shape (root mean square, after alignment), as a share of the face's larger
side, from which a shape is odd. 300-W's training faces: median 0.053, largest 0.140; with both eyes
or brows exchanged, or all points moved on by one, they have 0.178 or more."""

ODD_SPREAD = 2.5
"""Or this times the median of the faces at hand, whichever is larger."""

SCATTERED = 0.28
"""From this distance on no face has its points in order: shuffled faces of 300-W have 0.3 or more,
faces with a part out of place less."""

FEWEST_SHAPES = 10
"""With fewer faces there is no mean shape to compare with."""


@dataclass(frozen=True)
class Source:
    """Annotations and where their images lie.

    Attributes:
        root: folder that the image names start from.
        lists_all: whether images without annotation in ``root`` are a fault (folders of ``.pts``).
        damaged: image -> why its annotation could not be read, for such folders.
        points_root: where the annotations of such a folder lie; None: beside the images.
    """

    name: str
    annotations: AnnotationSet
    root: Path
    lists_all: bool
    damaged: Mapping[str, str] = field(default_factory=dict)
    points_root: Path | None = None

    @classmethod
    def of_folder(
        cls, folder: Path, *, images: Path | None = None, first_pixel: int | None = None
    ) -> Source:
        """A folder of ``.pts`` files, the damaged ones among them.

        Args:
            images: folder of the images; None: they lie beside the annotations.
            first_pixel: what the files count from; None: 1.
        """
        damaged: dict[str, str] = {}
        root = images or folder

        def on_bad(image: Path, reason: str) -> None:
            damaged[image.relative_to(root).as_posix()] = reason

        first = 1 if first_pixel is None else first_pixel
        faces = load_folder(folder, images=images, first_pixel=first, on_bad=on_bad)
        points_root = folder if images else None
        return cls(str(folder), faces, root, True, damaged, points_root)


@dataclass(frozen=True)
class Suspect:
    """Something that a person should look at.

    Attributes:
        face: index in the source's annotations; None: the image itself.
    """

    source: str
    image: str
    fault: Fault
    detail: str
    face: int | None = None


def check_sources(
    sources: Sequence[Source], on_image: Callable[[], None] = lambda: None
) -> list[Suspect]:
    """All suspects of some sources, and the pictures that are in them twice.

    Args:
        sources: what to check; pictures are compared across all of them.
    """
    suspects, hashes, places = [], [], []
    for source in sources:
        paths = source.annotations.image_paths(source.root)
        suspects += _missing_pairs(source, paths)
        suspects += [
            Suspect(source.name, image, "damaged annotation", reason)
            for image, reason in source.damaged.items()
        ]
        with ThreadPoolExecutor() as threads:
            pictures = threads.map(_fingerprint, paths)
            sizes = np.zeros((len(paths), 2))
            for place, (name, picture) in enumerate(
                zip(source.annotations.image_names, pictures, strict=True)
            ):
                if isinstance(picture, str):
                    fault: Fault = "unreadable image" if paths[place].exists() else "missing image"
                    suspects.append(Suspect(source.name, name, fault, picture))
                else:
                    hashes.append(picture[0])
                    places.append((source.name, name))
                    sizes[place] = picture[1]
                on_image()
        suspects += _incomplete(source) + _outside(source, sizes) + _shapes(source)
    return suspects + _twice(hashes, places)


def twins_of(
    paths: Sequence[Path], on_image: Callable[[], None] = lambda: None
) -> list[tuple[int, int]]:
    """Pairs of places of images that look the same; images that cannot be read have no twin."""
    hashes, places = [], []
    with ThreadPoolExecutor() as threads:
        for place, picture in enumerate(threads.map(_fingerprint, paths)):
            if not isinstance(picture, str):
                hashes.append(picture[0])
                places.append(place)
            on_image()
    return [(places[i], places[j]) for i, j, _ in same_pictures(hashes)]


def _fingerprint(path: Path) -> tuple[PictureHash, tuple[int, int]] | str:
    """Fingerprints and size of a picture, or what is wrong with it."""
    try:
        grey = read_grey(path)
        return hash_picture(read_bytes(path), grey), (grey.shape[1], grey.shape[0])
    except DanError as error:
        return str(error).removeprefix(f"{path}: ")


def _missing_pairs(source: Source, paths: Sequence[Path]) -> list[Suspect]:
    if not source.lists_all:
        return []
    listed, root = set(paths), source.points_root or source.root
    found = [
        Suspect(
            source.name,
            path.relative_to(source.root).as_posix(),
            "no annotation",
            "no file of points" + ("" if source.points_root else " beside it"),
        )
        for path in source.root.rglob("*")
        if is_image_name(path) and path not in listed
    ]
    for path in root.rglob("*.pts"):
        name = path.relative_to(root).as_posix()
        image = source.root / name
        if not any(image.with_suffix(suffix).exists() for suffix in _suffixes_of(listed)):
            found.append(Suspect(source.name, name, "missing image", "points without an image"))
    return sorted(found, key=lambda suspect: suspect.image)


def _suffixes_of(paths: set[Path]) -> set[str]:
    return {path.suffix for path in paths}


def _twice(hashes: list[PictureHash], places: list[tuple[str, str]]) -> list[Suspect]:
    found = []
    for i, j, exact in same_pictures(hashes):
        (first_source, first), (source, name) = places[i], places[j]
        where = first if first_source == source else f"{first} of {first_source}"
        how = "the very file of" if exact else "looks like"
        found.append(Suspect(source, name, "same picture", f"{how} {where}"))
    return found


def _incomplete(source: Source) -> list[Suspect]:
    """Faces that lack points."""
    faces, found = source.annotations, []
    n_missing = (~faces.known).sum(axis=1)
    for face, reason in enumerate(faces.why_unusable(least_known=1.0)):
        if reason == WITHOUT_POINTS:
            found.append(_face(source, face, "points missing", "no point annotated"))
        elif reason == TOO_FEW_POINTS:
            detail = f"{n_missing[face]} of {faces.n_landmarks} points not annotated"
            found.append(_face(source, face, "points missing", detail))
    return found


def _outside(source: Source, sizes_wh: FloatArray) -> list[Suspect]:
    faces, found = source.annotations, []
    for face, points in enumerate(faces.points):
        place = int(faces.image_index[face])
        known = points[faces.known[face]]
        if faces.ignore[face] or not len(known) or not sizes_wh[place].any():
            continue
        room = 1 + OUTSIDE_SHARE * float(np.ptp(known, axis=0).max())
        beyond = np.maximum(-0.5 - known, known - (sizes_wh[place] - 0.5)).max(axis=1)
        if beyond.max() > room:
            detail = f"{(beyond > room).sum()} points, up to {beyond.max():.0f} px"
            found.append(_face(source, face, "points outside", detail))
    return found


def _shapes(source: Source) -> list[Suspect]:
    """Collapsed, mirrored, disordered and odd shapes, by comparison with the mean shape."""
    faces, found = source.annotations, []
    whole = []
    for face in np.flatnonzero(faces.whole).tolist():
        sides = np.ptp(faces.points[face], axis=0)
        distinct = len(np.unique(np.round(faces.points[face], 2), axis=0))
        if sides.min() <= THINNEST * sides.max() or distinct <= faces.n_landmarks / 2:
            detail = f"{sides[0]:.0f} x {sides[1]:.0f} px, {distinct} different points"
            found.append(_face(source, face, "collapsed", detail))
        else:
            whole.append(face)
    if len(whole) < FEWEST_SHAPES or faces.n_landmarks < 3:
        return found
    mean_shape = _upright_way_round(_robust_mean(faces.points[whole]), faces.or_plain_scheme())
    distances = _distances(faces.points[whole], mean_shape)
    back = _distances(faces.points[whole] * [-1, 1], mean_shape)
    orders = _other_orders(faces.or_plain_scheme())
    limit = max(ODD_SHARE, ODD_SPREAD * float(np.median(distances)))
    for face, distance, mirrored in zip(whole, distances, back, strict=True):
        detail = f"{distance:.2f} of the face's size from the mean shape"
        if mirrored < MIRRORED_RATIO * distance and mirrored < limit:
            found.append(_face(source, face, "mirrored", f"{detail}, mirrored {mirrored:.2f}"))
        elif distance > limit:
            others = (_distances(faces.points[face][order][None], mean_shape) for order in orders)
            disordered = distance > SCATTERED or any(other[0] < limit for other in others)
            fault: Fault = "wrong order" if disordered else "odd shape"
            found.append(_face(source, face, fault, detail))
    return found


def _face(source: Source, face: int, fault: Fault, detail: str) -> Suspect:
    return Suspect(source.name, source.annotations.face_names[face], fault, detail, face)


def _robust_mean(shapes: FloatArray) -> Points:
    """Procrustes mean of the shapes nearest to a first mean, three quarters of them."""
    distances = _distances(shapes, mean_shape_of(shapes))
    return mean_shape_of(shapes[distances <= np.percentile(distances, 75)])


def _upright_way_round(mean_shape: Points, scheme: LandmarkScheme) -> Points:
    """The mean shape, mirrored back where most faces are mirrored and the scheme can tell."""
    if scheme.eyes is None:
        return mean_shape
    left, right = (
        mean_shape[list(eye)].mean(axis=0) for eye in (scheme.eyes.left, scheme.eyes.right)
    )
    along, down = right - left, mean_shape.mean(axis=0) - (left + right) / 2
    # With the left eye on the left, the face lies below the line from left to right.
    turned = along[0] * down[1] - along[1] * down[0] < 0
    return mean_shape * [-1, 1] if turned else mean_shape


def _distances(shapes: FloatArray, mean_shape: Points) -> npt.NDArray[np.float64]:
    """(F,) distance of aligned shapes to the mean, as a share of its larger side."""
    size = float(box_size_wh(box_of_points(mean_shape)).max())
    return np.array([_distance(shape, mean_shape) / size for shape in shapes])


def _distance(shape: Points, mean_shape: Points) -> float:
    try:
        aligned = align_shape(shape, mean_shape)
    except DegenerateShapeError:
        return float("inf")
    return float(np.sqrt(np.square(aligned - mean_shape).sum(axis=1).mean()))


def _other_orders(scheme: LandmarkScheme) -> list[npt.NDArray[np.int64]]:
    """(N,) indices each: orders that are often taken for the right one."""
    plain = np.arange(scheme.n_landmarks)
    orders = [plain[::-1], np.roll(plain, 1), np.roll(plain, -1)]
    mirror = scheme.mirror
    if mirror is None:
        return orders
    orders.append(mirror)  # left and right exchanged, the picture not flipped
    for group in scheme.groups.values():
        one, other = np.array(group), np.sort(mirror[list(group)])
        if set(one) != set(other):
            exchanged, crossed = plain.copy(), plain.copy()
            exchanged[one], exchanged[other] = other, one
            crossed[one], crossed[other] = mirror[one], mirror[other]
            orders += [exchanged, crossed]
    return orders
