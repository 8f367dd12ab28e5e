"""Many annotated folders copied into one flat folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from dan.core.errors import DataError
from dan.core.files import building_folder
from dan.datasets.annotated import AnnotatedImage
from dan.datasets.formats import save_pts


def merge_images(
    images: Sequence[AnnotatedImage], out: Path, on_face: Callable[[], None] = lambda: None
) -> None:
    """Copy images and points to ``out``, as ``afw_NAME.jpg``: the old folders become part of names.

    Raises:
        DataError: if ``out`` is there and not empty, or names collide; then nothing is written.
    """
    names = [image.name.replace("/", "_") for image in images]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{out}: expected different names, two images would be called {twice}")
    with building_folder(out) as folder:
        for image, name in zip(images, names, strict=True):
            shutil.copyfile(image.image_path, folder / f"{name}{image.image_path.suffix.lower()}")
            own_file = image.points_path == image.image_path.with_suffix(".pts")
            if own_file and image.first_pixel == 1:
                shutil.copyfile(image.points_path, folder / f"{name}.pts")
            else:
                save_pts(folder / f"{name}.pts", image.load_points())
            on_face()
