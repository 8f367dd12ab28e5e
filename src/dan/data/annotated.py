"""Annotated images, one face each: of 300-W's release, or of annotations of any other kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dan.data.kinds import kind_of, load_annotations
from dan.errors import DataError
from dan.formats import AnnotationSet, load_pts
from dan.image_files import is_image_name
from dan.schemes import LandmarkScheme
from dan.types import FilePath, FloatArray

TEST_FOLDER_NAMES = {"testset", "ibug", "300w"}
"""Folders of the 300-W release that no training may see, in small letters."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and the landmarks of one face in it.

    Attributes:
        name: unique in the data set: the path below the data set's root, without suffix.
        image_path: the picture.
        points_path: the ``.pts`` file, or the file that holds all annotations.
        points: (N, 2) landmarks where they were read already; None: they lie in ``points_path``.
        first_pixel: what ``points_path`` counts from.
    """

    name: str
    image_path: Path
    points_path: Path
    points: FloatArray | None = None
    first_pixel: int = 1

    def load_points(self) -> FloatArray:
        """(N, 2) landmarks, pixels of the image.

        Raises:
            FormatError: naming the file, if it is missing or damaged.
        """
        if self.points is not None:
            return self.points
        return load_pts(self.points_path, self.first_pixel)


def find_annotated(
    source: FilePath,
    kind: str | None = None,
    *,
    images: FilePath | None = None,
    first_pixel: int | None = None,
    scheme: LandmarkScheme | None = None,
) -> list[AnnotatedImage]:
    """Every annotated face of a source, by name.

    Of a folder of ``.pts`` files, at any depth, those are taken that lie beside an image; they are
    read later, one by one. All other kinds are read now; faces that are marked to be ignored, or
    that lack a point, are passed over.

    Args:
        source: a folder or a file; see :mod:`dan.data.kinds`.
        kind: its kind; None guesses.
        images: folder that the image names start from; default: the folder of the source.
        first_pixel: what the files count from; None: what their kind usually does.
        scheme: what the points are.

    Raises:
        DataError: if the source is missing or holds none.
        FormatError: naming the file, if one of many faces is damaged.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: expected a folder of images, found none")
    chosen = kind_of(source, kind)
    if chosen.name == "pts":
        found = _beside_images(source, 1 if first_pixel is None else first_pixel)
    else:
        faces = load_annotations(source, kind, first_pixel=first_pixel, scheme=scheme)
        root = images or (source if source.is_dir() else source.parent)
        found = faces_of(faces, source, root)
    if not found:
        raise DataError(f"{source}: expected {chosen.title}, found no annotated face")
    return sorted(found, key=lambda image: image.name)


def _beside_images(root: Path, first_pixel: int) -> list[AnnotatedImage]:
    found = [
        AnnotatedImage(
            path.relative_to(root).with_suffix("").as_posix(),
            path,
            points,
            first_pixel=first_pixel,
        )
        for path in root.rglob("*")
        if is_image_name(path) and (points := path.with_suffix(".pts")).is_file()
    ]
    if not found:
        raise DataError(f"{root}: expected images with a .pts file beside each, found none")
    return found


def faces_of(annotations: AnnotationSet, source: Path, root: FilePath) -> list[AnnotatedImage]:
    """The whole faces of a set; the second one of an image is called ``NAME#2``.

    Args:
        annotations: faces.
        source: the file that they come from, for messages.
        root: folder that the image names start from.

    Raises:
        DataError: if the name of an image leads out of ``root``.
    """
    paths = annotations.image_paths(root)
    stems = [Path(name).with_suffix("").as_posix() for name in annotations.image_names]
    images_of = Counter(stems)
    whole = annotations.known.all(axis=1) & ~annotations.ignore
    seen: dict[int, int] = {}
    found = []
    for face, place in enumerate(annotations.image_index.tolist()):
        if not whole[face]:
            continue
        seen[place] = seen.get(place, 0) + 1
        name = stems[place] if images_of[stems[place]] == 1 else annotations.image_names[place]
        name += f"#{seen[place]}" if seen[place] > 1 else ""
        found.append(AnnotatedImage(name, paths[place], source, annotations.points[face]))
    return found


def training_part(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Those not in a test folder of the 300-W release."""
    return [image for image in images if not _is_test(image)]


def test_part(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Those in a test folder of the 300-W release."""
    return [image for image in images if _is_test(image)]


def _is_test(image: AnnotatedImage) -> bool:
    # Folders below the data set's root only: the root itself may be called 300W.
    return not TEST_FOLDER_NAMES.isdisjoint(image.name.lower().split("/")[:-1])


def split_parts(
    images: Iterable[AnnotatedImage], most_training: int, most_test: int
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Training and test images, thinned evenly by name; without test folders, every fifth is test.

    Raises:
        DataError: if one of them would be empty.
    """
    images = list(images)
    test = test_part(images)
    training = training_part(images)
    if not test:
        training, test = [image for i, image in enumerate(images) if i % 5 != 4], images[4::5]
    if not training or not test:
        raise DataError(f"expected training and test faces, got {len(training)} and {len(test)}")
    return _thinned(training, most_training), _thinned(test, most_test)


def _thinned(images: list[AnnotatedImage], most: int) -> list[AnnotatedImage]:
    count = min(len(images), most)
    return [images[place * len(images) // count] for place in range(count)]
