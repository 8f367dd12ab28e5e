"""Which files are pictures: by suffix, by what this installation can decode, and in folders."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from dan.core.errors import DataError
from dan.core.types import FilePath

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
    | {".jp2", ".j2k", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"}
)
"""What every installation reads; :func:`image_suffixes` has the others, too."""

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "DIB", "JPEG2000")
"""What is opened, whatever a file is called. Pillow knows more, some of it little tested, and it
would start Ghostscript for a PostScript file."""

HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
AVIF_SUFFIXES = frozenset({".avif"})

HEIC_NEEDS = "HEIC needs a plugin: pip install pillow-heif"
AVIF_NEEDS = "AVIF needs Pillow 11.3 or newer: pip install --upgrade pillow"

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_COMPANIONS = frozenset(
    {".pts", ".ptv", ".ljson", ".json", ".jsonl", ".xml", ".txt", ".csv", ".npz", ".md", ".html"}
)
"""Annotations and notes, which may lie beside pictures; nobody takes them for pictures."""

_MOST_SUFFIXES = 8


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of the pictures that this installation reads, in small letters."""
    heic = HEIC_SUFFIXES if has_heic() else frozenset()
    return IMAGE_SUFFIXES | heic | (AVIF_SUFFIXES if has_avif() else frozenset())


def is_image_name(path: Path) -> bool:
    """Whether a file of this name is read as a picture where it is found in a folder."""
    return path.suffix.lower() in image_suffixes()


@cache
def has_heic() -> bool:
    """Whether the optional plugin for HEIC is installed."""
    return find_spec("pillow_heif") is not None


@cache
def has_avif() -> bool:
    """Whether this Pillow decodes AVIF; that came with 11.3, and some builds leave it out."""
    from PIL import features

    return find_spec("PIL.AvifImagePlugin") is not None and bool(features.check("avif"))


def formats_of(name: FilePath) -> list[str]:
    """Pillow's names of the formats that this file may have; HEIC's plugin is made known to it."""
    formats = [*FORMATS, *(["AVIF"] if has_avif() else [])]
    if has_heic():
        _register_heic()
        formats.append("HEIF")
    if Path(name).suffix.lower() == ".tga":  # it has no signature: any noise could be one
        formats.append("TGA")
    return formats


@cache
def _register_heic() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def what_is_missing(file: BinaryIO) -> str | None:
    """What has to be installed to read this file; None if it is neither HEIC nor AVIF."""
    file.seek(0)
    head = file.read(12)
    if head[4:8] != b"ftyp":
        return None
    if head[8:] in _HEIC_BRANDS and not has_heic():
        return HEIC_NEEDS
    return AVIF_NEEDS if head[8:] in _AVIF_BRANDS and not has_avif() else None


def list_images(folder: FilePath) -> list[Path]:
    """Picture files directly in a folder, by name.

    Raises:
        DataError: if the folder is missing or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images, found none")
    found = sorted(path for path in folder.iterdir() if is_image_name(path))
    if not found:
        raise DataError(f"{folder}: expected images, found none")
    return found


def passed_over(inputs: Iterable[FilePath], leave_out: Path | None = None) -> str | None:
    """What of these folders and patterns is not read, in words: ``"3 .cr2, 1 .mp4"``.

    Hidden files, annotations and notes are not counted; nor are files that are given by name.

    Args:
        inputs: as users give them; what is not there counts nothing.
        leave_out: folder whose files are not counted.

    Returns:
        None where everything is read.
    """
    found = {
        path.resolve(): path.suffix.lower()
        for given in inputs
        for path in _files_of(str(given))
        if _is_passed_over(path) and (leave_out is None or leave_out not in path.resolve().parents)
    }
    counts = Counter(found.values())
    if not counts:
        return None
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{n} {suffix or 'without suffix'}" for suffix, n in ordered]
    more = len(parts) - _MOST_SUFFIXES
    parts = [*parts[:_MOST_SUFFIXES], *([f"{more} other kinds"] if more > 0 else [])]
    needs = [HEIC_NEEDS] if counts.keys() & HEIC_SUFFIXES else []
    needs += [AVIF_NEEDS] if counts.keys() & AVIF_SUFFIXES else []
    return "; ".join([", ".join(parts), *needs])


def _files_of(given: str) -> Iterator[Path]:
    """Of a folder, at any depth, or of a pattern; what cannot be looked up is told elsewhere."""
    try:
        if Path(given).is_dir():
            yield from _seen_in(Path(given))
        elif not Path(given).exists() and glob.has_magic(given):
            for match in map(Path, glob.iglob(given, recursive=True)):  # noqa: PTH207  absolute too
                yield from _seen_in(match) if match.is_dir() else [match]
    except (OSError, ValueError, RuntimeError):
        return


def _seen_in(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _is_passed_over(path: Path) -> bool:
    is_known = is_image_name(path) or path.suffix.lower() in _COMPANIONS
    return not is_known and path.is_file()
