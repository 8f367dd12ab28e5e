"""Picture files: read whole, upright and in 8 bits, or refused with one clear line."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, get_args

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import as_array, check_shape
from dan.core.errors import ConfigError, ImageError, ShapeError
from dan.core.files import write_bytes
from dan.core.image_files import formats_of, what_is_missing
from dan.core.types import ColourImage, FilePath, GreyImage

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "FilePath | npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | Image"
"""A path, an array or a PIL image; see :func:`as_rgb`."""

Channels = Literal["rgb", "bgr"]

MAX_PIXELS = 178_956_970
"""Larger pictures are refused: a small file may unpack to any amount of memory.

This is where Pillow itself refuses: a third of 2 GiB of RGB, twice the size that it warns of.
"""

STRIP_PIXELS = 1 << 20
"""Of a picture that are taken out of Pillow at a time."""

_PNG_SETTINGS = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
"""A tenth less time than OpenCV's default, which looks for runs; photographs have none."""

DECODING_ERRORS = (
    *(SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError),
    *(RuntimeError, MemoryError, ArithmeticError, struct.error, zlib.error, cv2.error),
)
"""What Pillow and OpenCV raise, beside OSError, while they decode a damaged file."""

_ORIENTATION = 0x0112  # of EXIF

_DEPTHS = (8, 10, 12, 14, 16)
_DARK = 1 << 14 - 8  # most that what holds 14 bits or fewer comes to, where it is rounded up
_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_MODES_OF_32_BITS = {"I": "whole numbers", "F": "floats"}


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

    Colours become ITU-R 601 luma. Transparent parts are laid on white. Levels of 16 bits become
    8; see :func:`eight_bits`.

    Raises:
        ImageError: naming the file, if it is missing, damaged, cut short, above ``MAX_PIXELS``, or
            of 32 bits or floats, whose range no file tells.
    """
    with _opened_file(path) as (file, image):
        if image.format == "JPEG" and image.mode == "RGB":
            image.draft("L", image.size)  # decodes the luma alone: two thirds of the time
        return np.array(_converted(_upright(file, image), "L"))


def read_rgb(path: FilePath) -> ColourImage:
    """The (H, W, 3) RGB levels of a picture file; see :func:`read_grey`."""
    with _opened_file(path) as (file, image):
        return _levels(_upright(file, image))


def decode_rgb(
    data: bytes,
    name: FilePath = "picture",
    *,
    formats: Collection[str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ColourImage:
    """The (H, W, 3) RGB levels of a picture file's content; see :func:`read_grey`.

    Args:
        data: of the file.
        name: for errors.
        formats: Pillow's names of those that are accepted; None: all that :func:`read_rgb` reads.
        max_pixels: larger pictures are refused before they are decoded.
    """
    file = BytesIO(data)
    with _naming(name), _opened(file, name, formats, max_pixels) as image:
        return _levels(_upright(file, image))


def eight_bits(levels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Levels of 16 bits as those of 8, in proportion.

    Cameras keep 10, 12 or 14 bits in files of 16, and neither the tags of TIFF nor PNG's sBIT
    tell how these are to be shown. So levels count as of the fewest of 8, 10, 12, 14 and 16 bits
    that hold the largest of them, and the upper eight of these are kept.
    """
    largest = int(levels.max(initial=0))
    depth = next(depth for depth in _DEPTHS if largest < 1 << depth)
    return (levels >> (depth - 8)).astype(np.uint8)


@contextmanager
def _opened_file(path: FilePath) -> Iterator[tuple[BinaryIO, Image]]:
    with (
        _naming(path),
        Path(path).open("rb") as file,
        _opened(file, path, None, MAX_PIXELS) as image,
    ):
        yield file, image


@contextmanager
def _opened(
    file: BinaryIO, name: FilePath, formats: Collection[str] | None, max_pixels: int
) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    with _quiet:  # the warnings are of damaged metadata, and of sizes: checked below
        try:
            opened = Image.open(file, formats=list(formats or formats_of(name)))
        except UnidentifiedImageError as error:
            found = "another kind or a damaged file"
            expected = f"expected a picture of 8 or 16 bits, got {found}"
            raise ImageError(what_is_missing(file) or expected) from error
        with opened as image:
            _check_size(image.size, max_pixels)
            yield image


@contextmanager
def _naming(name: FilePath) -> Iterator[None]:
    """Whatever goes wrong inside becomes an ImageError that names the picture."""
    from PIL import Image

    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: expected at most {MAX_PIXELS} pixels: {error}") from error
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror or error}") from error
    except DECODING_ERRORS as error:
        raise ImageError(f"{name}: expected a whole picture: {error}") from error


def _check_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width * height > max_pixels:
        raise ImageError(f"expected at most {max_pixels} pixels, got {width} x {height}")


def _upright(file: BinaryIO, image: Image) -> Image:
    """A file's picture as its EXIF entry turns it, in 8 bits without transparency."""
    from PIL import ImageOps

    if image.mode in ("RGB", "RGBA") and _may_be_deep(image):
        image = _deep_colours(file, image)
    turned = image.getexif().get(_ORIENTATION, 1) != 1
    return _flattened(ImageOps.exif_transpose(image) if turned else image)


def _may_be_deep(image: Image) -> bool:
    """Whether the file may have 16 bits a colour; known before the picture is decoded."""
    return image.format == "PPM" or ";16" in str(getattr(image, "tile", ""))  # as in "RGB;16B"


def _deep_colours(file: BinaryIO, image: Image) -> Image:
    """The same picture, brightened by :func:`eight_bits` if the file has colours of 16 bits.

    Pillow gives their upper eight bits only; where these are dark, OpenCV is asked for all. Both
    turn TIFFs by their entry already, and nothing else.
    """
    from PIL import Image as pil

    if np.asarray(image.getextrema())[:3].max() > _DARK:
        return image
    file.seek(0)
    levels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype != np.uint16 or levels.shape[:2] != image.size[::-1]:
        return image
    rgb = np.asarray(levels[:, :, 2::-1], dtype=np.uint16)
    deep = pil.fromarray(eight_bits(rgb))
    if image.mode == "RGBA":
        deep.putalpha(image.getchannel("A"))
    deep.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return deep


def _levels(image: Image) -> ColourImage:
    """(H, W, 3) RGB; in strips, as Pillow would hold a large picture three times on the way."""
    flat = _converted(image, "RGB")
    width, height = flat.size
    levels = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        levels[top:bottom] = np.asarray(flat.crop((0, top, width, bottom)))
    return levels


def _flattened(image: Image) -> Image:
    """8 bits, no transparency; an image that is so already is not copied."""
    from PIL import Image as pil

    # PPM's reader brings what it gives in mode I to 16 bits, by the largest level the file states.
    if image.mode in _MODES_OF_32_BITS and (image.mode, image.format) != ("I", "PPM"):
        raise ImageError(
            f"expected levels of 8 or 16 bits, got {_MODES_OF_32_BITS[image.mode]} of 32 bits, "
            "whose range is unknown; convert the picture first"
        )
    if image.mode in _SIXTEEN_BIT_MODES:
        return pil.fromarray(eight_bits(np.asarray(image, dtype=np.uint16)))
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = pil.new("RGBA", layered.size, "white")
        return pil.alpha_composite(white, layered).convert("RGB")
    return image


def _converted(image: Image, mode: str) -> Image:
    return image if image.mode == mode else image.convert(mode)  # which copies in any case


def as_rgb(picture: Picture, channels: Channels = "rgb") -> ColourImage:
    """Any kind of picture as (H, W, 3) RGB, uint8; an array that is so already is not copied.

    Args:
        picture: path; PIL image, whose pixels count as they are, whatever its EXIF entry says; or
            array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16 (see
            :func:`eight_bits`).
        channels: order of three or four channels in an array, ``rgb`` or ``bgr``.

    Raises:
        ImageError: if a file or PIL image cannot be read, or a picture is too large.
        ShapeError: if an array has another shape or type.
    """
    if channels not in get_args(Channels):
        raise ConfigError(f"channels: expected rgb or bgr, got {channels}")
    if isinstance(picture, str | PathLike):
        return read_rgb(picture)
    if not isinstance(picture, np.ndarray):
        return _rgb_of_pil(picture)
    picture = as_array("picture", picture)
    has_depth = picture.ndim == 3 and picture.shape[2] in (1, 3, 4)
    if not (picture.ndim == 2 or has_depth) or 0 in picture.shape:
        raise ShapeError(
            f"picture: expected shape (H, W), (H, W, 3) or (H, W, 4), got {picture.shape}"
        )
    if picture.dtype not in (np.uint8, np.uint16):
        raise ShapeError(f"picture: expected uint8 or uint16 levels, got {picture.dtype}")
    with _naming("picture"):
        _check_size((picture.shape[1], picture.shape[0]), MAX_PIXELS)
    if picture.ndim == 2 or picture.shape[2] == 1:
        colours = np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    else:
        colours = picture[:, :, :3] if channels == "rgb" else picture[:, :, 2::-1]
    if colours.dtype == np.uint16:
        return eight_bits(np.asarray(colours, dtype=np.uint16))
    return np.ascontiguousarray(colours, dtype=np.uint8)


def _rgb_of_pil(picture: Image) -> ColourImage:
    from PIL import Image as pil

    if not isinstance(picture, pil.Image):
        raise ShapeError(
            f"picture: expected a path, an array or a PIL image, got {type(picture).__name__}"
        )
    with _naming("picture"):  # it may be decoded only now
        _check_size(picture.size, MAX_PIXELS)
        return _levels(_flattened(picture))


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """The PNG file of an (H, W) grey or (H, W, 3) RGB picture.

    Raises:
        ShapeError: if it has another shape or type, or no pixels.
    """
    image = as_array("image", image)
    if image.ndim != 2:
        check_shape("image", image, ("H", "W", 3))
    if image.dtype != np.uint8:
        raise ShapeError(f"image: expected uint8 levels, got {image.dtype}")
    if not image.size:
        raise ShapeError(f"image: expected at least one pixel, got shape {image.shape}")
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", ordered, _PNG_SETTINGS)
    return data.tobytes()


def write_png(path: FilePath, image: npt.NDArray[np.uint8]) -> None:
    """Write an (H, W) grey or (H, W, 3) RGB picture, whole or not at all."""
    write_bytes(path, encode_png(image))
