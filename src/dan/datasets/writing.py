"""Annotations written in a form of the user's choice, with their images where it wants them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dan.core.errors import ConfigError, DataError
from dan.core.files import building_folder, check_new_folder, check_outputs, make_folder
from dan.core.types import FilePath
from dan.datasets.annotation_files import Kind, losses, save_annotations
from dan.datasets.formats import AnnotationSet


def check_targets(
    outs: Sequence[Path], targets: Sequence[Kind], inputs: Iterable[FilePath]
) -> None:
    """Refuse, before the work, what cannot be written, and files that are read."""
    files = []
    for out, target in zip(outs, targets, strict=True):
        if target.is_folder:
            check_new_folder(out)
        elif out.is_dir():
            raise ConfigError(f"{out}: expected a file to write, got a folder")
        else:
            files.append(out)
    check_outputs(files, inputs)


def count_steps(target: Kind, faces: AnnotationSet) -> int:
    """How often :func:`write_annotations` calls back."""
    return len(set(faces.image_index.tolist())) if target.is_folder else 1


def write_annotations(
    out: Path,
    target: Kind,
    faces: AnnotationSet,
    root: Path,
    *,
    tell: Callable[[str], None],
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Write annotations, and copies of their images where they have to lie beside them.

    Args:
        root: folder that the image names start from.
        tell: called with what a user should know: what is lost, where images are.
        on_step: called after each image that is copied, or once the file is written.

    Raises:
        DataError: if an image to copy is missing; see :func:`save_annotations` for others.
    """
    for what in losses(faces, target):
        tell(f"not kept in {target.title}: {what}")
    if not target.is_folder:
        save_annotations(out, _named_from(out.parent, faces, root, tell), target.name)
        on_step()
        return
    used = sorted(set(faces.image_index.tolist()))
    paths = faces.image_paths(root)
    missing = next((paths[place] for place in used if not paths[place].is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: expected an image to lay the annotations beside, found none")
    with building_folder(out) as folder:
        for place in used:
            copy = folder / faces.image_names[place]
            make_folder(copy.parent)
            shutil.copyfile(paths[place], copy)
            on_step()
        save_annotations(folder, faces, target.name)


def _named_from(
    folder: Path, faces: AnnotationSet, root: Path, tell: Callable[[str], None]
) -> AnnotationSet:
    """The faces with image names that start from a folder, where the images lie below it."""
    if folder.resolve() == root.resolve():
        return faces
    try:
        way = root.resolve().relative_to(folder.resolve())
    except ValueError:
        tell(f"image names start from {root}: say so with --images {root}")
        return faces
    return replace(faces, image_names=tuple((way / name).as_posix() for name in faces.image_names))
