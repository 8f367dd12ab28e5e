"""Annotations of any kind behind one door: folders of ``.pts`` files, files of many faces.

A kind is guessed from what lies there; where that is not enough, the caller names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.core.errors import ConfigError, DataError, FormatError
from dan.core.files import read_bytes
from dan.core.image_files import image_suffixes
from dan.core.types import FilePath
from dan.datasets.folders import SUFFIXES, load_folder, save_folder
from dan.datasets.foreign import foreign_form
from dan.datasets.formats import (
    HIDDEN,
    AnnotationSet,
    load_coco,
    load_dlib_xml,
    load_hrnet_csv,
    load_theano_npz,
    load_wflw,
    load_youtube_csv,
    save_coco,
    save_dlib_xml,
    save_hrnet_csv,
    save_wflw,
    save_youtube_csv,
)
from dan.schemes import WFLW98, LandmarkScheme


@dataclass(frozen=True)
class Reading:
    """What is said of a source that its files do not say.

    Attributes:
        kind: see :func:`kind_of`.
        images: folder that the image names start from; default: that of the source.
        find_images: look for images below it by the end of their names; see
            :func:`dan.datasets.locating.locate_images`.
        allow_outside: take image names that lead out of it as they stand.
        first_pixel: what coordinates count from, 0 or 1; None: what their kind usually does.
        category: the category of a COCO file that is meant, where several have keypoints.
        scheme: what the points are.
    """

    kind: str | None = None
    images: FilePath | None = None
    find_images: bool = False
    allow_outside: bool = False
    first_pixel: int | None = None
    category: str | None = None
    scheme: LandmarkScheme | None = None


AS_USUAL = Reading()
"""Nothing: the files say all, or it is as usual."""


@dataclass(frozen=True)
class Kind:
    """A form in which annotations are kept.

    Attributes:
        name: by which users name it.
        title: what it is, for messages.
        load: path, what is said of it, number of the first pixel -> faces.
        save: path, faces, number of the first pixel; None where it is never written.
        first_pixel: what such files count from unless told otherwise; None where the form says it.
        keeps: what it holds besides points and image names, by the words of :func:`losses`.
        suffix: what the name of such a file ends in; None for folders. It tells the kind.
        recognises: whether a file starts as this kind does, where several have that suffix: the
            first kind that recognises a file is taken, otherwise the first with that suffix.
    """

    name: str
    title: str
    load: Callable[[Path, Reading, int], AnnotationSet]
    save: Callable[[Path, AnnotationSet, int], None] | None
    first_pixel: int | None = None
    keeps: frozenset[str] = frozenset()
    suffix: str | None = None
    recognises: Callable[[bytes], bool] = lambda start: False

    @property
    def is_folder(self) -> bool:
        """Whether annotations lie beside the images, a file each."""
        return f".{self.name}" in SUFFIXES


_FOLDER_KEEPS = {
    ".pts": frozenset({"unknown points"}),
    ".ptv": frozenset[str](),
    ".ljson": frozenset({"several faces an image", "unknown points"}),
}


def _folder(suffix: str) -> Kind:
    return Kind(
        suffix.lstrip("."),
        f"a folder of images with a {suffix} file beside each",
        lambda path, said, first: load_folder(
            path, suffix, images=said.images, first_pixel=first, scheme=said.scheme
        ),
        lambda path, faces, first: save_folder(path, faces, suffix, first_pixel=first),
        1 if suffix == ".pts" else None,
        _FOLDER_KEEPS[suffix],
    )


def _save_wflw(path: Path, faces: AnnotationSet) -> None:
    if faces.n_landmarks != WFLW98.n_landmarks:
        raise DataError(
            f"WFLW: expected faces of {WFLW98.n_landmarks} points, got {faces.n_landmarks}"
        )
    save_wflw(path, faces)


_MANY = frozenset({"several faces an image", "unknown points"})

KINDS = {
    kind.name: kind
    for kind in (
        *map(_folder, SUFFIXES),
        Kind(
            "coco",
            "COCO keypoints (.json)",
            lambda path, said, _: load_coco(path, category=said.category, scheme=said.scheme),
            lambda path, faces, _: save_coco(path, faces),
            keeps=_MANY
            | {"occluded points", "boxes", "image sizes", "ignored faces", "attributes"}
            | {"images without faces"},
            suffix=".json",
        ),
        Kind(
            "dlib",
            "dlib's imglab (.xml)",
            lambda path, said, _: load_dlib_xml(path, scheme=said.scheme),
            lambda path, faces, _: save_dlib_xml(path, faces),
            keeps=_MANY | {"boxes", "image sizes", "ignored faces", "images without faces"},
            suffix=".xml",
        ),
        Kind(
            "wflw",
            "WFLW (.txt)",
            lambda path, said, _: load_wflw(path, scheme=said.scheme),
            lambda path, faces, _: _save_wflw(path, faces),
            keeps=frozenset({"several faces an image", "boxes"}),
            suffix=".txt",
        ),
        Kind(
            "hrnet",
            "HRNet's 300-W table (.csv)",
            lambda path, said, first: load_hrnet_csv(path, first_pixel=first, scheme=said.scheme),
            lambda path, faces, first: save_hrnet_csv(path, faces, first_pixel=first),
            0,
            _MANY | {"boxes"},
            suffix=".csv",
        ),
        Kind(
            "youtube",
            "YouTube Faces' table (.csv)",
            lambda path, said, _: load_youtube_csv(path, scheme=said.scheme),
            lambda path, faces, _: save_youtube_csv(path, faces),
            keeps=_MANY,
            suffix=".csv",
            recognises=lambda start: start.startswith(b"image,"),
        ),
        Kind(
            "theano",
            "the Theano version's data set (.npz)",
            lambda path, _, __: load_theano_npz(path),
            None,
            keeps=_MANY | {"boxes"},
            suffix=".npz",
        ),
    )
}
"""All kinds by name."""

_FIRST_BYTES = 4096
"""Of a file, that :attr:`Kind.recognises` is shown."""


def kind_of(
    path: FilePath,
    name: str | None = None,
    *,
    must_exist: bool = True,
    images: FilePath | None = None,
) -> Kind:
    """The kind of a folder or file.

    Args:
        name: the user's word for it; None guesses from suffix and contents.
        images: folder of the pictures; default: that of the annotations.

    Raises:
        ConfigError: if the name is unknown or nothing can be guessed.
        DataError: if nothing is there.
    """
    path = Path(path)
    if must_exist and not path.exists():
        raise DataError(f"{path}: expected annotations, found nothing there")
    if name is not None:
        if name not in KINDS:
            raise ConfigError(f"kind: expected one of {', '.join(KINDS)}, got {name}")
        return KINDS[name]
    if path.is_dir() or (not must_exist and not path.suffix):
        return KINDS[_suffix_in(path, path if images is None else Path(images)).lstrip(".")]
    kinds = [kind for kind in KINDS.values() if kind.suffix == path.suffix.lower()]
    if not kinds:
        suffixes = dict.fromkeys(kind.suffix for kind in KINDS.values() if kind.suffix)
        raise ConfigError(
            f"{path}: expected a folder, or a file that ends in {', '.join(suffixes)}; "
            f"or name its format, --kind or --to: {', '.join(KINDS)}"
        )
    start = read_bytes(path)[:_FIRST_BYTES] if must_exist and len(kinds) > 1 else b""
    return next((kind for kind in kinds if kind.recognises(start)), kinds[0])


def _suffix_in(folder: Path, images: Path) -> str:
    """Of the first kind of file that belongs to an image."""
    for suffix in SUFFIXES:
        for path in folder.rglob(f"*{suffix}"):
            place = images / path.relative_to(folder)
            if any(place.with_suffix(image).is_file() for image in image_suffixes()):
                return suffix
    return SUFFIXES[0]


def load_annotations(path: FilePath, said: Reading = AS_USUAL) -> AnnotationSet:
    """Read annotations of any kind; their images are not looked for.

    Raises:
        DataError: if nothing is there, or a folder holds no annotated image.
        FormatError: naming the file, if one is damaged, or another program's own form that is
            not read.
        ConfigError: if the kind is unknown, says itself what it counts from, or has no categories.
    """
    path, images = Path(path), said.images
    chosen = kind_of(path, said.kind, images=images)
    if images is not None and not Path(images).is_dir():
        raise DataError(f"{images}: expected a folder of images, found none")
    if said.category is not None and chosen.name != "coco":
        raise ConfigError(f"--category: expected COCO keypoints, got {chosen.title}: {path}")
    try:
        return chosen.load(path, said, _first_pixel(chosen, said.first_pixel))
    except FormatError as error:
        if (form := foreign_form(path)) is None:
            raise
        raise FormatError(f"{path}: {form}") from error


def save_annotations(
    path: FilePath,
    annotations: AnnotationSet,
    kind: str | None = None,
    *,
    first_pixel: int | None = None,
) -> None:
    """Write annotations as the kind says; see :func:`load_annotations`.

    Raises:
        ConfigError: if the kind is unknown or never written.
        DataError, FormatError: if it cannot hold these faces.
    """
    chosen = kind_of(path, kind, must_exist=False)
    if chosen.save is None:
        raise ConfigError(f"{path}: {chosen.title} is read, never written")
    try:
        chosen.save(Path(path), annotations, _first_pixel(chosen, first_pixel))
    except (DataError, FormatError) as error:
        text = str(error).removeprefix(f"{path}: ")
        raise type(error)(f"{path}: {text}") from error


def _first_pixel(kind: Kind, first_pixel: int | None) -> int:
    if first_pixel is None:
        return kind.first_pixel or 0
    if kind.first_pixel is None and first_pixel != 0:
        raise ConfigError(f"first pixel: {kind.title} counts from 0 by its own rules")
    if first_pixel not in (0, 1):
        raise ConfigError(f"first pixel: expected 0 or 1, got {first_pixel}")
    return first_pixel


def files_of(annotations: AnnotationSet, source: Path, root: Path | None = None) -> Iterator[Path]:
    """The images of a set, and the annotation files of a source that is a folder.

    Args:
        root: folder that the image names start from; default: where the source lies.
    """
    suffixes = SUFFIXES if source.is_dir() else ()
    start = root or (source if source.is_dir() else source.parent)
    for name in annotations.image_names:
        yield start / name
        yield from ((source / name).with_suffix(suffix) for suffix in suffixes)


def losses(annotations: AnnotationSet, kind: Kind) -> list[str]:
    """What of these annotations a kind does not hold, in words."""
    has = {
        "occluded points": bool((annotations.visibility == HIDDEN).any()),
        "boxes": bool(np.isfinite(annotations.boxes_xyxy).any()),
        "image sizes": bool(annotations.image_sizes_wh.any()),
        "ignored faces": bool(annotations.ignore.any()),
        "attributes": bool(annotations.attributes),
        "images without faces": len(np.unique(annotations.image_index))
        < len(annotations.image_names),
        "several faces an image": len(np.unique(annotations.image_index)) < len(annotations),
        "unknown points": not annotations.known.all(),
        "points that no face has": not annotations.known.any(axis=0).all()
        and len(annotations) > 0
        and kind.name == "dlib",
        "fractions of a pixel": bool((np.nan_to_num(annotations.points) % 1).any())
        and kind.name == "dlib",
    }
    return [what for what, present in has.items() if present and what not in kind.keeps]
