"""The one type that all formats of many faces read into and write from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import DataError, ShapeError
from dan.core.types import FilePath, FloatArray, IntArray
from dan.schemes import LandmarkScheme, scheme_of

UNKNOWN, HIDDEN, VISIBLE = 0, 1, 2
"""Visibility of a landmark, by COCO's numbers: not annotated; annotated but occluded; seen."""

MAX_COORDINATE = 1e9
"""Pixels; anything beyond is damage."""

# Line ends of any kind, other control characters, halves of surrogate pairs, and what XML forbids:
# a name with one of these could not be written by every format.
_FORBIDDEN_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

IGNORED, WITHOUT_POINTS, TOO_FEW_POINTS = (
    "marked to be ignored",
    "without points",
    "with too few points",
)
"""Why training and scoring pass over a face; see :meth:`AnnotationSet.why_unusable`."""

LEAST_KNOWN = 1 / 3
"""Share of its points that a face needs for training and scoring, which then go by these points."""

_BLOCK = 4096
_DTYPES: dict[str, npt.DTypeLike] = {
    "image_index": np.int64,
    "points": np.float64,
    "visibility": np.uint8,
    "boxes_xyxy": np.float64,
    "ignore": np.bool_,
    "image_sizes_wh": np.int64,
}


@dataclass(frozen=True, eq=False)
class AnnotationSet:
    """Landmarks of F faces in I images, checked and read-only.

    :meth:`build` fills in what is not known; arrays given are not copied where they fit.

    Attributes:
        image_names: I unique names as the file has them, with folders if it has them; nothing
            is opened by them here (see :meth:`image_paths`). Images without a face may be listed.
        image_index: (F,) int64, which image a face is in.
        points: (F, N, 2) float64, pixels, 0-based, integer = pixel centre; NaN where unknown.
        visibility: (F, N) uint8, :data:`UNKNOWN`, :data:`HIDDEN` or :data:`VISIBLE`.
        boxes_xyxy: (F, 4) float64, pixels; NaN where there is none.
        ignore: (F,) bool, faces that training and scoring should pass over.
        image_sizes_wh: (I, 2) int64, pixels; 0 where not stated.
        attributes: other figures by name, (F,) float64 each, NaN where not stated.
        scheme: what the points are, where the file or the caller says so.

    Raises:
        ShapeError: if shapes disagree.
        DataError: if a name repeats or cannot be written, an index is out of range, a known
            coordinate is not a number in reach, or a box is turned round.
    """

    image_names: tuple[str, ...]
    image_index: IntArray
    points: FloatArray
    visibility: npt.NDArray[np.uint8]
    boxes_xyxy: FloatArray
    ignore: npt.NDArray[np.bool_]
    image_sizes_wh: IntArray
    attributes: Mapping[str, FloatArray]
    scheme: LandmarkScheme | None = None

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, _read_only(name, getattr(self, name), dtype))
        read_only = {key: _read_only(key, v, np.float64) for key, v in self.attributes.items()}
        object.__setattr__(self, "attributes", read_only)
        n_images, n_faces = len(self.image_names), len(self.image_index)
        n_landmarks = self.scheme.n_landmarks if self.scheme is not None else "N"
        check_shape("image_index", self.image_index, (n_faces,))
        check_shape("points", self.points, (n_faces, n_landmarks, 2))
        check_shape("visibility", self.visibility, self.points.shape[:2])
        check_shape("boxes_xyxy", self.boxes_xyxy, (n_faces, 4))
        check_shape("ignore", self.ignore, (n_faces,))
        check_shape("image_sizes_wh", self.image_sizes_wh, (n_images, 2))
        for name, values in self.attributes.items():
            check_shape(f"attribute {name}", values, (n_faces,))
        _check_names(self.image_names)
        if n_faces and not 0 <= self.image_index.min() <= self.image_index.max() < n_images:
            raise DataError(f"image_index: expected 0..{n_images - 1}")
        if n_images and self.image_sizes_wh.min() < 0:
            raise DataError("image_sizes_wh: expected no negative size")
        _check_points(self)
        _check_boxes(self)

    @classmethod
    def build(
        cls,
        image_names: Iterable[str],
        image_index: npt.ArrayLike,
        points: npt.ArrayLike,
        *,
        visibility: npt.ArrayLike | None = None,
        boxes_xyxy: npt.ArrayLike | None = None,
        ignore: npt.ArrayLike | None = None,
        image_sizes_wh: npt.ArrayLike | None = None,
        attributes: Mapping[str, npt.ArrayLike] | None = None,
        scheme: LandmarkScheme | None = None,
    ) -> AnnotationSet:
        """A set from what is known; see the attributes of the class.

        Without ``visibility``, points are visible unless both coordinates are NaN. With it, the
        coordinates of unknown points become NaN (in a copy).
        """
        names = tuple(image_names)
        xy = np.asarray(points, dtype=np.float64)
        check_shape("points", xy, ("F", "N", 2))
        n_faces = len(xy)
        if visibility is None:
            seen = np.where(np.isnan(xy).all(axis=2), np.uint8(UNKNOWN), np.uint8(VISIBLE))
        else:
            seen = _read_only("visibility", visibility, np.uint8)
            check_shape("visibility", seen, xy.shape[:2])
        unknown = seen == UNKNOWN
        if unknown.any() and not np.isnan(xy[unknown]).all():
            xy = np.where(unknown[:, :, None], np.nan, xy)
        boxes = np.full((n_faces, 4), np.nan) if boxes_xyxy is None else boxes_xyxy
        sizes = np.zeros((len(names), 2)) if image_sizes_wh is None else image_sizes_wh
        return cls(
            image_names=names,
            image_index=np.asarray(image_index),
            points=xy,
            visibility=seen,
            boxes_xyxy=np.asarray(boxes),
            ignore=np.asarray(np.zeros(n_faces, np.bool_) if ignore is None else ignore),
            image_sizes_wh=np.asarray(sizes),
            attributes={name: np.asarray(values) for name, values in (attributes or {}).items()},
            scheme=scheme,
        )

    @classmethod
    def empty(cls, n_landmarks: int = 0) -> AnnotationSet:
        """No images, no faces."""
        return cls.build([], [], np.empty((0, n_landmarks, 2)))

    def __len__(self) -> int:
        return len(self.image_index)

    @property
    def n_landmarks(self) -> int:
        """How many points a face has."""
        return int(self.points.shape[1])

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(F, N) whether a point is annotated, seen or occluded."""
        known: npt.NDArray[np.bool_] = self.visibility != UNKNOWN
        return known

    def why_unusable(self, least_known: float = LEAST_KNOWN) -> tuple[str, ...]:
        """Why each face is passed over, F reasons; empty for a usable one.

        Args:
            least_known: share of its points that a usable face has at least.
        """
        known = self.known
        why = [self.ignore, ~known.any(axis=1), has_too_few(known, least_known)]
        reasons = np.select(why, [IGNORED, WITHOUT_POINTS, TOO_FEW_POINTS], "")
        return tuple(reasons.tolist())

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(F,) faces with enough points that are not to be ignored."""
        return np.array([not reason for reason in self.why_unusable()], dtype=np.bool_)

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """(F,) of the usable faces, those with every point known."""
        whole: npt.NDArray[np.bool_] = self.usable & self.known.all(axis=1)
        return whole

    @property
    def face_names(self) -> tuple[str, ...]:
        """The name of each face's image, F of them."""
        return tuple(self.image_names[index] for index in self.image_index.tolist())

    def or_plain_scheme(self) -> LandmarkScheme:
        """The scheme, or what so many points are when nobody says more.

        Raises:
            DataError: if a face has no points at all.
        """
        if self.scheme is None and not self.n_landmarks:
            raise DataError("expected faces of at least 1 landmark, got 0")
        return self.scheme or scheme_of(self.n_landmarks)

    def select(self, faces: npt.ArrayLike) -> AnnotationSet:
        """Some faces, by indices or a mask of F; all images stay listed."""
        wanted = np.asarray(faces)
        chosen = np.arange(len(self))[wanted if wanted.size else wanted.astype(np.int64)]
        per_face = ("image_index", "points", "visibility", "boxes_xyxy", "ignore")
        changes: dict[str, Any] = {name: getattr(self, name)[chosen] for name in per_face}
        changes["attributes"] = {name: v[chosen] for name, v in self.attributes.items()}
        return replace(self, **changes)

    def by_image(self) -> AnnotationSet:
        """The faces of an image side by side, images in their order, as grouping formats write."""
        if (np.diff(self.image_index) >= 0).all():
            return self
        return self.select(np.argsort(self.image_index, kind="stable"))

    def boxes_or_points_boxes(self) -> FloatArray:
        """(F, 4) the boxes; where there is none, that of the known points; NaN without any."""
        missing = np.isnan(self.boxes_xyxy[:, 0]) & self.known.any(axis=1)
        boxes: FloatArray = self.boxes_xyxy.copy()
        points = self.points[missing]
        if len(points):
            boxes[missing, :2] = np.nanmin(points, axis=1)
            boxes[missing, 2:] = np.nanmax(points, axis=1)
        return boxes

    def image_paths(self, root: FilePath) -> tuple[Path, ...]:
        """Where the images lie if their names are paths below ``root``.

        Raises:
            DataError: naming the image, if a name leads out of ``root``: absolute, with a
                drive letter, or with ``..`` in it. Links are not followed.
        """
        for name in self.image_names:
            if leads_out(name):
                raise DataError(
                    f"{name}: expected an image below {root}, got a path out of it; --images DIR "
                    "--find-images looks for it there, --allow-outside takes it as it stands"
                )
        return tuple(Path(root, name) for name in self.image_names)


def has_too_few(
    known: npt.NDArray[np.bool_], least_known: float = LEAST_KNOWN
) -> npt.NDArray[np.bool_]:
    """(F,) whether faces have fewer points than needed, of which of (F, N) points are known."""
    too_few: npt.NDArray[np.bool_] = known.sum(axis=1) < least_known * known.shape[1]
    return too_few


def leads_out(image_name: str) -> bool:
    """Whether a name is no path below a folder: absolute, with a drive letter, or with ``..``."""
    form = PureWindowsPath(image_name)  # takes both kinds of slashes
    return bool(form.anchor) or ".." in form.parts


def number_names(names: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """Each name once, in the order of appearance, and the place of each entry among them."""
    place_of = {name: place for place, name in enumerate(dict.fromkeys(names))}
    index = np.fromiter((place_of[name] for name in names), dtype=np.int64, count=len(names))
    return tuple(place_of), index


def same_annotations(a: AnnotationSet, b: AnnotationSet, atol: float = 0.0) -> bool:
    """Whether two sets hold the same, coordinates and figures within ``atol``."""
    for name in (field.name for field in fields(AnnotationSet)):
        ours, theirs = getattr(a, name), getattr(b, name)
        if isinstance(ours, np.ndarray):
            if not _close(ours, theirs, atol):
                return False
        elif name == "attributes":
            if ours.keys() != theirs.keys():
                return False
            if not all(_close(ours[key], theirs[key], atol) for key in ours):
                return False
        elif ours != theirs:
            return False
    return True


def _close(a: npt.NDArray[Any], b: npt.NDArray[Any], atol: float) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=atol, equal_nan=True)


def _read_only(name: str, values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A read-only view, or a copy where the numbers are stored in another way."""
    try:
        given = np.asarray(values)
        array = given.astype(dtype, copy=False).view()
    except (ValueError, TypeError, OverflowError) as error:
        raise ShapeError(f"{name}: expected numbers: {error}") from error
    if array.dtype.kind in "iu" and array.dtype != given.dtype and (array != given).any():
        raise DataError(f"{name}: expected whole numbers within {array.dtype}")
    array.flags.writeable = False
    return array


def _check_names(names: tuple[str, ...]) -> None:
    for name in names:
        if not name or _FORBIDDEN_IN_NAMES.search(name):
            raise DataError(f"image name: expected letters without control codes, got {name!r:.80}")
    if len(set(names)) != len(names):
        double, times = Counter(names).most_common(1)[0]
        raise DataError(f"image {double}: expected unique image names, got it {times} times")


def _check_points(faces: AnnotationSet) -> None:
    if faces.visibility.size and faces.visibility.max() > VISIBLE:
        raise DataError(f"visibility: expected 0, 1 or 2, got {faces.visibility.max()}")
    for start in range(0, len(faces), _BLOCK):
        points = faces.points[start : start + _BLOCK]
        known = faces.visibility[start : start + _BLOCK] != UNKNOWN
        # One comparison finds NaN, infinite and absurd; NaN is right where a point is unknown.
        in_reach = np.abs(points) <= MAX_COORDINATE
        right = (in_reach[..., 0] & in_reach[..., 1]) == known  # five times as fast as all()
        if not right.all():
            face, point = np.argwhere(~right)[0].tolist()
            raise DataError(
                f"{_face(faces, start + face)}, point {point}: expected finite coordinates up to "
                f"{MAX_COORDINATE:g}, got {points[face, point].tolist()}"
            )


def _check_boxes(faces: AnnotationSet) -> None:
    boxes = faces.boxes_xyxy
    none = np.isnan(boxes).all(axis=1)
    right = (np.abs(boxes) <= MAX_COORDINATE).all(axis=1) & (boxes[:, :2] <= boxes[:, 2:]).all(1)
    if not (none | right).all():
        face = int(np.argmin(none | right))
        raise DataError(
            f"{_face(faces, face)}: expected a box with x0 <= x1 and y0 <= y1, "
            f"got {boxes[face].tolist()}"
        )


def _face(faces: AnnotationSet, face: int) -> str:
    return f"face {face} ({faces.image_names[faces.image_index[face]]})"
