"""``dan merge``: annotated folders -> one flat folder, as the old scripts want it."""

from __future__ import annotations

from dan.cli import options as opt
from dan.cli.common import console, progress_bar, tell_left_out


@opt.with_options
def merge(
    data: opt.PartsArgument,
    out: opt.NewFolderOption,
    *,
    test: opt.TestOption = False,
    source: opt.SourceOptions,
) -> None:
    """Copy images and .pts files into one folder, named after where they were."""
    from dan.core.errors import DataError
    from dan.core.files import check_new_folder
    from dan.datasets.annotated import test_part, training_part
    from dan.datasets.merging import merge_images

    check_new_folder(out)
    images = (test_part if test else training_part)(source.find(data))
    if not images:
        found = f"only {words}" if (words := images.left_out_in_words()) else "none"
        raise DataError(f"{data}: expected {'test' if test else 'training'} faces, found {found}")
    tell_left_out(face.reason for face in images.left_out)
    with progress_bar("copying", len(images)) as on_face:
        merge_images(images, out, on_face)
    console.print(f"{len(images)} images with their points: {out}")
