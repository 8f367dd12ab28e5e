"""Annotated images, one face each: of 300-W's release, or of annotations of any other kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError, FormatError
from dan.core.types import FilePath, FloatArray
from dan.datasets.annotation_files import AS_USUAL, Reading, kind_of, load_annotations
from dan.datasets.folders import annotated_pairs
from dan.datasets.formats import AnnotationSet, load_pts
from dan.datasets.formats.annotations import TOO_FEW_POINTS, WITHOUT_POINTS, has_too_few
from dan.datasets.locating import locate_images

TEST_FOLDER_NAMES = {"testset", "ibug", "300w"}
"""Folders of the 300-W release that no training may see, in small letters."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and the landmarks of one face in it.

    Attributes:
        name: unique in the data set: the path below the data set's root, without suffix.
        points_path: the ``.pts`` file, or the file that holds all annotations.
        points: (N, 2) landmarks, pixels of the image; None: ``points_path`` was not read yet, or
            is damaged.
        first_pixel: what ``points_path`` counts from.
        visibility: (N,) uint8, as in :class:`~dan.datasets.formats.AnnotationSet`; None: each
            point that has a position is seen.
    """

    name: str
    image_path: Path
    points_path: Path
    points: FloatArray | None = None
    first_pixel: int = 1
    visibility: npt.NDArray[np.uint8] | None = None

    def load_points(self) -> FloatArray:
        """(N, 2) landmarks, pixels of the image; NaN where a point is not annotated.

        Raises:
            FormatError: naming the file, if it is missing or damaged.
        """
        if self.points is not None:
            return self.points
        return load_pts(self.points_path, self.first_pixel)


@dataclass(frozen=True)
class LeftOut:
    """A face that training and scoring cannot use.

    Attributes:
        image: its image, a path below the data set's root.
        reason: one of those of :meth:`dan.datasets.formats.AnnotationSet.why_unusable`.
        face: its index in a file of many faces.
    """

    image: str
    reason: str
    face: int = 0


@dataclass(frozen=True)
class AnnotatedFaces(Sequence[AnnotatedImage]):
    """The usable faces of a source, and what was left out."""

    images: tuple[AnnotatedImage, ...]
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, place: int) -> AnnotatedImage: ...
    @overload
    def __getitem__(self, place: slice) -> AnnotatedFaces: ...
    def __getitem__(self, place: int | slice) -> AnnotatedImage | AnnotatedFaces:
        """One face, or some of them; what was left out stays so."""
        if isinstance(place, slice):
            return replace(self, images=self.images[place])
        return self.images[place]

    @property
    def n_landmarks(self) -> int:
        """How many points most of the faces have; 0 where every annotation is damaged."""
        counts = Counter(len(image.points) for image in self.images if image.points is not None)
        return max(counts, key=counts.__getitem__, default=0)

    def left_out_in_words(self) -> str:
        """How many were left out for which reason; empty if none."""
        return counts_in_words(face.reason for face in self.left_out)


def counts_in_words(reasons: Iterable[str]) -> str:
    """``2 faces with points missing, 1 face without points``: how many for each reason."""
    return ", ".join(
        f"{count} {'face' if count == 1 else 'faces'} {reason}"
        for reason, count in Counter(reasons).most_common()
    )


def find_annotated(source: FilePath, said: Reading = AS_USUAL) -> AnnotatedFaces:
    """Every face of a source with enough of its points annotated, by name.

    Of a folder of ``.pts`` files, at any depth, those are taken that belong to an image; where one
    is damaged, the face is among the others, and reading its points raises. Faces that are marked
    to be ignored, or that have too few points, are left out and listed.

    Raises:
        DataError: if the source is missing or holds none, not even a damaged one.
        FormatError: naming the file, if one of many faces is damaged.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: expected a folder of images, found none")
    chosen = kind_of(source, said.kind, images=said.images)
    if chosen.name == "pts" and said.category is None:
        found = _in_folder(source, said.images, 1 if said.first_pixel is None else said.first_pixel)
    else:
        faces, root = load_located(source, said)
        check_landmarks(faces, source)
        found = faces_of(faces, source, root)
    if not found:
        if found.left_out:
            raise DataError(
                f"{source}: expected faces with enough of their points annotated, "
                f"found only {found.left_out_in_words()}"
            )
        raise DataError(f"{source}: expected {chosen.title}, found no annotated face")
    return replace(found, images=tuple(sorted(found, key=lambda image: image.name)))


def _in_folder(root: Path, images: FilePath | None, first_pixel: int) -> AnnotatedFaces:
    home = root if images is None else Path(images)
    found, left_out = [], []
    for path, points_path in annotated_pairs(root, ".pts", images):
        name = path.relative_to(home).with_suffix("").as_posix()
        image = _read_if_good(AnnotatedImage(name, path, points_path, first_pixel=first_pixel))
        known = np.isfinite(np.zeros(1) if image.points is None else image.points[:, 0])
        if known.any() and not has_too_few(known[None]).any():
            found.append(image)
        else:
            reason = TOO_FEW_POINTS if known.any() else WITHOUT_POINTS
            left_out.append(LeftOut(path.relative_to(home).as_posix(), reason))
    return AnnotatedFaces(tuple(found), tuple(left_out))


def load_located(source: FilePath, said: Reading = AS_USUAL) -> tuple[AnnotationSet, Path]:
    """The faces of a source, and the folder that their image names start from.

    Errors as of :func:`dan.datasets.annotation_files.load_annotations`.
    """
    source = Path(source)
    faces = load_annotations(source, said)
    root = said.images or (source if source.is_dir() else source.parent)
    return locate_images(faces, root, find=said.find_images, allow_outside=said.allow_outside)


def check_landmarks(faces: AnnotationSet, source: FilePath) -> None:
    """Refuse faces of which only boxes are known.

    Raises:
        DataError: naming the source.
    """
    if len(faces) and not faces.n_landmarks:
        raise DataError(
            f"{source}: expected landmarks, such as dlib's <part> elements in each <box> or COCO's "
            f"keypoints, found boxes alone ({len(faces)})"
        )


def _read_if_good(image: AnnotatedImage) -> AnnotatedImage:
    """With its points, unless they are damaged: those who load them can tell why."""
    try:
        return replace(image, points=image.load_points())
    except FormatError:
        return image


def faces_of(annotations: AnnotationSet, source: Path, root: FilePath) -> AnnotatedFaces:
    """The usable faces of a set; the second one of an image is called ``NAME#2``.

    Args:
        root: folder that the image names start from.

    Raises:
        DataError: if the name of an image leads out of ``root``.
    """
    paths = annotations.image_paths(root)
    stems = [Path(name).with_suffix("").as_posix() for name in annotations.image_names]
    images_of = Counter(stems)
    reasons = annotations.why_unusable()
    seen: dict[int, int] = {}
    found, left_out = [], []
    for face, place in enumerate(annotations.image_index.tolist()):
        if reasons[face]:
            left_out.append(LeftOut(annotations.image_names[place], reasons[face], face))
            continue
        seen[place] = seen.get(place, 0) + 1
        name = stems[place] if images_of[stems[place]] == 1 else annotations.image_names[place]
        name += f"#{seen[place]}" if seen[place] > 1 else ""
        found.append(
            AnnotatedImage(
                name,
                paths[place],
                source,
                annotations.points[face],
                visibility=annotations.visibility[face],
            )
        )
    return AnnotatedFaces(tuple(found), tuple(left_out))


def files_of(faces: AnnotatedFaces, source: Path, images: Path | None = None) -> Iterator[Path]:
    """Every file that these faces, and those left out, were read from.

    Args:
        images: folder that the image names start from; default: the folder of the source.
    """
    for face in faces:
        yield from (face.image_path, face.points_path)
    home = images or (source if source.is_dir() else source.parent)
    for left_out in faces.left_out:
        yield from (home / left_out.image, (source / left_out.image).with_suffix(".pts"))


def training_part(faces: AnnotatedFaces) -> AnnotatedFaces:
    """Those not in a test folder of the 300-W release."""
    return _part(faces, is_test=False)


def test_part(faces: AnnotatedFaces) -> AnnotatedFaces:
    """Those in a test folder of the 300-W release."""
    return _part(faces, is_test=True)


def _part(faces: AnnotatedFaces, *, is_test: bool) -> AnnotatedFaces:
    return AnnotatedFaces(
        tuple(image for image in faces if _is_test(image.name) == is_test),
        tuple(face for face in faces.left_out if _is_test(face.image) == is_test),
    )


def _is_test(name: str) -> bool:
    # Folders below the data set's root only: the root itself may be called 300W.
    return not TEST_FOLDER_NAMES.isdisjoint(name.lower().split("/")[:-1])


def split_parts(
    faces: AnnotatedFaces, most_training: int, most_test: int
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Training and test images, thinned evenly by name; without test folders, every fifth is test.

    Raises:
        DataError: if one of them would be empty.
    """
    training, test = list(training_part(faces)), list(test_part(faces))
    if not test:
        training, test = [face for i, face in enumerate(faces) if i % 5 != 4], list(faces[4::5])
    if not training or not test:
        raise DataError(f"expected training and test faces, got {len(training)} and {len(test)}")
    return _thinned(training, most_training), _thinned(test, most_test)


def _thinned(images: list[AnnotatedImage], most: int) -> list[AnnotatedImage]:
    count = min(len(images), most)
    return [images[place * len(images) // count] for place in range(count)]
