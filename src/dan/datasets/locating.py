"""Where the images of an annotation file lie, when their names alone do not lead to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from dan.core.errors import ConfigError, DataError
from dan.core.files import is_file
from dan.core.types import FilePath
from dan.datasets.formats import AnnotationSet
from dan.datasets.formats.annotations import leads_out


def locate_images(
    annotations: AnnotationSet,
    root: FilePath,
    *,
    find: bool = False,
    allow_outside: bool = False,
) -> tuple[AnnotationSet, Path]:
    """The same faces with image names that are paths below a folder, and that folder.

    Backslashes part folders, unless an image is really called so. Without an option nothing else
    changes, and :meth:`AnnotationSet.image_paths` refuses names that lead out of ``root``.

    Args:
        annotations: faces, with image names as their file has them.
        root: folder that the names start from.
        find: take the image below ``root`` whose path agrees with the end of the name: for names
            that were written on another computer. Names of which no image is found stay as
            they are but for what leads out.
        allow_outside: take names that are absolute or lead out by ``..`` for what they say. The
            folder is then the innermost that holds all images.

    Raises:
        ConfigError: if both options are given.
        DataError: naming the image, if several are found for one name, one for several names, or
            images lie on several drives.
    """
    root = Path(root)
    if find and allow_outside:
        raise ConfigError("expected --find-images or --allow-outside, got both")
    names = annotations.image_names
    if find:
        placed = _found_below(names, root)
    elif allow_outside and names:
        placed, root = _as_they_say(names, root)
    else:
        placed = [name if leads_out(name) else _with_slashes(name, root) for name in names]
    _check_one_each(names, placed, root)
    return replace(annotations, image_names=tuple(placed)), root


def _with_slashes(name: str, root: Path) -> str:
    if "\\" not in name or is_file(Path(root, name)):
        return name
    return name.replace("\\", "/")


def _inner_parts(name: str) -> tuple[str, ...]:
    """Folders and file name, without what leads out."""
    form = PureWindowsPath(name)  # takes both kinds of slashes
    return tuple(part for part in form.parts if part not in (form.anchor, ".."))


def _found_below(names: Sequence[str], root: Path) -> list[str]:
    wanted = [_inner_parts(name) for name in names]
    places: dict[str, list[tuple[str, ...]]] = {parts[-1]: [] for parts in wanted if parts}
    for path in root.rglob("*"):
        if path.name in places and path.is_file():
            places[path.name].append(path.relative_to(root).parts)
    return [
        "/".join(_best(name, parts, places.get(parts[-1], []), root)) if parts else name
        for name, parts in zip(names, wanted, strict=True)
    ]


def _best(
    name: str, parts: tuple[str, ...], places: Sequence[tuple[str, ...]], root: Path
) -> tuple[str, ...]:
    """The place that shares the longest end with the name."""
    if not places:
        return parts
    lengths = [_common_end(parts, place) for place in places]
    best = [place for place, n in zip(places, lengths, strict=True) if n == max(lengths)]
    if len(best) > 1:
        # Below the root itself nothing is left over: the root stands for the front of the name.
        best = [place for place in best if len(place) == max(lengths)] or best
    if len(best) > 1:
        two = " and ".join("/".join(place) for place in sorted(best)[:2])
        raise DataError(f"{name}: expected one such image below {root}, got {two}")
    return best[0]


def _common_end(a: Sequence[str], b: Sequence[str]) -> int:
    length = 0
    while length < min(len(a), len(b)) and a[-1 - length] == b[-1 - length]:
        length += 1
    return length


def _as_they_say(names: Sequence[str], root: Path) -> tuple[list[str], Path]:
    paths = [Path(root, _with_slashes(name, root)) for name in names]
    # Folders as they are, so that .. leads where the system says; an image may be a link.
    places = [Path(os.path.realpath(path.parent), path.name) for path in paths]
    try:
        common = Path(os.path.commonpath([place.parent for place in places]))
    except ValueError as error:
        raise DataError(f"--allow-outside: expected images on one drive: {error}") from error
    return [place.relative_to(common).as_posix() for place in places], common


def _check_one_each(names: Sequence[str], placed: Sequence[str], root: Path) -> None:
    taken: dict[str, str] = {}
    for name, place in zip(names, placed, strict=True):
        if place in taken:
            raise DataError(
                f"{taken[place]} and {name}: expected an image each, got {root / place} for both"
            )
        taken[place] = name
