"""Picture files: read whole, upright and in 8 bits, or refused with one clear line."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import cv2
import numpy as np
import numpy.typing as npt

from dan.checks import check_shape
from dan.errors import ConfigError, DataError, ImageError, ShapeError
from dan.files import write_bytes
from dan.types import ColourImage, FilePath, GreyImage

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "FilePath | npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | Image"
"""A path, an array or a PIL image; see :func:`as_rgb`."""

Channels = Literal["rgb", "bgr"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

MAX_PIXELS = 178_956_970
"""Larger pictures are refused: a small file may unpack to any amount of memory.

This is where Pillow itself refuses: a third of 2 GiB of RGB, twice the size that it warns of.
"""

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "DIB", "JPEG2000", "AVIF")
"""What is opened, whatever a file is called. Pillow knows more, some of it little tested, and it
would start Ghostscript for a PostScript file."""

DECODING_ERRORS = (
    *(SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError),
    *(RuntimeError, MemoryError, ArithmeticError, struct.error, zlib.error),
)
"""What Pillow raises, beside OSError, while it decodes a damaged file."""

_ORIENTATION = 0x0112  # of EXIF
_STRIP_PIXELS = 1 << 20

_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})


class _Quiet:
    """Holds warnings back while at least one thread is inside.

    ``warnings.catch_warnings`` alone swaps a list that all threads share, so threads whose stays
    overlap would leave warnings switched off for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()


def read_grey(path: FilePath) -> GreyImage:
    """The (H, W) grey levels of a picture file, turned upright as its EXIF entry says.

    Colours become ITU-R 601 luma. Transparent parts are laid on white. 16-bit pictures keep their
    upper eight bits; whole numbers and floats of 32 bits count as 16-bit, cut off at 0 and 65535.

    Raises:
        ImageError: naming the file, if it is missing, damaged, cut short, or above ``MAX_PIXELS``.
    """
    with _opened(path) as image:
        if image.format == "JPEG" and image.mode == "RGB":
            image.draft("L", image.size)  # decodes the luma alone: two thirds of the time
        return np.array(_flattened(image).convert("L"))


def read_rgb(path: FilePath) -> ColourImage:
    """The (H, W, 3) RGB levels of a picture file; see :func:`read_grey`."""
    with _opened(path) as image:
        return _levels(image)


@contextmanager
def _opened(path: FilePath) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        # The warnings are of damaged metadata, and of sizes: checked below.
        with _quiet, Image.open(path, formats=_formats()) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{path}: expected at most {MAX_PIXELS} pixels, got {width} x {height}"
                )
            yield image
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: expected a picture, got another or a damaged file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: expected at most {MAX_PIXELS} pixels: {error}") from error
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except DECODING_ERRORS as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: expected a whole picture: {error}") from error


@cache
def _formats() -> list[str]:
    """Those of ``FORMATS`` that this Pillow has; AVIF came late."""
    has_avif = find_spec("PIL.AvifImagePlugin") is not None
    return [name for name in FORMATS if name != "AVIF" or has_avif]


def _levels(image: Image) -> ColourImage:
    """(H, W, 3) RGB; in strips, as Pillow would hold a large picture three times on the way."""
    flat = _flattened(image)
    flat = flat if flat.mode == "RGB" else flat.convert("RGB")
    width, height = flat.size
    levels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        levels[top:bottom] = np.asarray(flat.crop((0, top, width, bottom)))
    return levels


def _flattened(image: Image) -> Image:
    """Upright, 8 bits, no transparency; an image that is so already is not copied."""
    from PIL import Image as pil
    from PIL import ImageOps

    turned = image.getexif().get(_ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if turned else image
    if upright.mode in _SIXTEEN_BIT_MODES:
        levels = np.nan_to_num(np.asarray(upright)).clip(0, 65535).astype(np.uint16)
        return pil.fromarray((levels >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        white = pil.new("RGBA", layered.size, "white")
        return pil.alpha_composite(white, layered).convert("RGB")
    return upright


def as_rgb(picture: Picture, channels: Channels = "rgb") -> ColourImage:
    """Any kind of picture as (H, W, 3) RGB, uint8; an array that is so already is not copied.

    Args:
        picture: path, PIL image, or array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or
            uint16 (whose upper eight bits count).
        channels: order of three or four channels in an array, ``rgb`` or ``bgr``.

    Raises:
        ImageError: naming the file, if it cannot be read; or the picture, if it is too large.
        ShapeError: if an array has another shape or type.
    """
    if channels not in get_args(Channels):
        raise ConfigError(f"channels: expected rgb or bgr, got {channels}")
    if isinstance(picture, str | PathLike):
        return read_rgb(picture)
    if not isinstance(picture, np.ndarray):
        return _rgb_of_pil(picture)
    has_depth = picture.ndim == 3 and picture.shape[2] in (1, 3, 4)
    if not (picture.ndim == 2 or has_depth) or 0 in picture.shape:
        raise ShapeError(
            f"picture: expected shape (H, W), (H, W, 3) or (H, W, 4), got {picture.shape}"
        )
    if picture.dtype not in (np.uint8, np.uint16):
        raise ShapeError(f"picture: expected uint8 or uint16 levels, got {picture.dtype}")
    if picture.shape[0] * picture.shape[1] > MAX_PIXELS:
        raise ImageError(f"picture: expected at most {MAX_PIXELS} pixels, got {picture.shape}")
    levels = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    if levels.ndim == 2 or levels.shape[2] == 1:
        return np.repeat(levels.reshape(*levels.shape[:2], 1), 3, axis=2)
    rgb = levels[:, :, :3] if channels == "rgb" else levels[:, :, 2::-1]
    return np.ascontiguousarray(rgb)


def _rgb_of_pil(picture: Image) -> ColourImage:
    from PIL import Image as pil

    if not isinstance(picture, pil.Image):
        raise ShapeError(
            f"picture: expected a path, an array or a PIL image, got {type(picture).__name__}"
        )
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(f"picture: expected at most {MAX_PIXELS} pixels, got {picture.size}")
    try:
        return _levels(picture)
    except (OSError, *DECODING_ERRORS) as error:  # decoded only now
        raise ImageError(f"picture: expected a whole picture: {error}") from error


def list_images(folder: FilePath) -> list[Path]:
    """Picture files directly in a folder, by name.

    Raises:
        DataError: if the folder is missing or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder of images, found none")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"{folder}: expected images, found none")
    return found


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """The PNG file of an (H, W) grey or (H, W, 3) RGB picture.

    Raises:
        ShapeError: if it has another shape or no pixels.
    """
    if image.ndim != 2:
        check_shape("image", image, ("H", "W", 3))
    if not image.size:
        raise ShapeError(f"image: expected at least one pixel, got shape {image.shape}")
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", ordered)
    return data.tobytes()


def write_png(path: FilePath, image: npt.NDArray[np.uint8]) -> None:
    """Write an (H, W) grey or (H, W, 3) RGB picture, whole or not at all."""
    write_bytes(path, encode_png(image))
