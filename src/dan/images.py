"""Picture files: read whole, upright and in 8 bits, or refused with one clear line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from dan.errors import DataError, ImageError
from dan.files import write_bytes
from dan.types import ColourImage, FilePath, GreyImage

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

MAX_PIXELS = 200_000_000
"""Larger pictures are refused: a small file may unpack to any amount of memory."""

_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def read_grey(path: FilePath) -> GreyImage:
    """The (H, W) grey levels of a picture file, turned upright as its EXIF entry says.

    Colours become ITU-R 601 luma. Transparent parts are laid on white. 16-bit pictures keep their
    upper eight bits.

    Raises:
        ImageError: naming the file, if it is missing, damaged, cut short, or above ``MAX_PIXELS``.
    """
    with _opened(path) as image:
        if image.format == "JPEG" and image.mode == "RGB":
            image.draft("L", image.size)  # decodes the luma alone: two thirds of the time
        return np.asarray(_flattened(image).convert("L"))


def read_rgb(path: FilePath) -> ColourImage:
    """The (H, W, 3) RGB levels of a picture file; see :func:`read_grey`."""
    with _opened(path) as image:
        return np.asarray(_flattened(image).convert("RGB"))


@contextmanager
def _opened(path: FilePath) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, and of sizes: checked below
            with Image.open(path) as image:
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
    except (SyntaxError, ValueError, EOFError, KeyError, IndexError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: expected a whole picture: {error}") from error


def _flattened(image: Image) -> Image:
    """Upright, 8 bits, no transparency."""
    from PIL import Image as pil
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode in _SIXTEEN_BIT_MODES:
        levels = np.asarray(upright)
        return pil.fromarray(np.clip(levels >> 8, 0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        white = pil.new("RGBA", layered.size, "white")
        return pil.alpha_composite(white, layered).convert("RGB")
    return upright


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


def write_png(path: FilePath, image: npt.NDArray[np.uint8]) -> None:
    """Write an (H, W) grey or (H, W, 3) RGB picture, whole or not at all."""
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    fine, data = cv2.imencode(".png", ordered)
    if not fine:
        raise ImageError(f"{path}: expected a picture that PNG can hold, got {image.shape}")
    write_bytes(path, data.tobytes())
