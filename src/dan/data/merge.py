"""Many annotated folders copied into one flat folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from dan.data.annotated import AnnotatedImage
from dan.files import building_folder


def merge_images(
    images: Sequence[AnnotatedImage], out: Path, on_face: Callable[[], None] = lambda: None
) -> None:
    """Copy images and points to ``out``, as ``afw_NAME.jpg``: the old folders become part of names.

    Raises:
        DataError: if ``out`` is there and not empty; then nothing is written.
    """
    with building_folder(out) as folder:
        for image in images:
            name = image.name.replace("/", "_")
            shutil.copyfile(image.image_path, folder / f"{name}{image.image_path.suffix.lower()}")
            shutil.copyfile(image.points_path, folder / f"{name}.pts")
            on_face()
