"""Folders of images with a ``.pts`` file beside each, as 300-W is released."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dan.errors import DataError
from dan.images import IMAGE_SUFFIXES
from dan.types import FilePath

TEST_FOLDER_NAMES = {"testset", "ibug", "300W"}
"""Folders of the 300-W release that no training may see."""


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and its annotation.

    Attributes:
        name: unique in the data set: the path below the data set's root, without suffix.
        image_path: the picture.
        points_path: the ``.pts`` file.
    """

    name: str
    image_path: Path
    points_path: Path


def find_annotated(root: FilePath) -> list[AnnotatedImage]:
    """Every image below ``root``, at any depth, that has a ``.pts`` file beside it, by name.

    Raises:
        DataError: if the folder is missing or holds none.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: expected a folder of images, found none")
    found = [
        AnnotatedImage(path.relative_to(root).with_suffix("").as_posix(), path, points)
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and (points := path.with_suffix(".pts")).is_file()
    ]
    if not found:
        raise DataError(f"{root}: expected images with a .pts file beside each, found none")
    return sorted(found, key=lambda image: image.name)


def training_part(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Those not in a test folder of the 300-W release."""
    return [image for image in images if not _is_test(image)]


def test_part(images: Iterable[AnnotatedImage]) -> list[AnnotatedImage]:
    """Those in a test folder of the 300-W release."""
    return [image for image in images if _is_test(image)]


def _is_test(image: AnnotatedImage) -> bool:
    # Folders below the data set's root only: the root itself may be called 300W.
    return not TEST_FOLDER_NAMES.isdisjoint(image.name.split("/")[:-1])


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
