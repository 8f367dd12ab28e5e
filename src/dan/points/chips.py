"""Chips: crops of faces as other programs want them, each with the transform that made it.

Every template is a rule from landmarks to a similarity, ``chip_from_picture``. The numbers are
those of the programs that read such crops:

- ``arcface112``: InsightFace's ``face_align.py``, five points by least squares, black border; other
  sizes are multiples of 112, or of 128, where the face lies centred in eight parts more a side.
- ``dlib150``: dlib's ``get_face_chip`` (``interpolation.h``), to its very pixel grid.
- ``ffhq256``: the oriented square of FFHQ (Karras, Laine and Aila 2019, appendix A).
- ``lips96``: the mouth, as lip readers want it (Martinez et al. 2020): scale and turn by the eyes
  and the base of the nose, place by the lips.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from dan.core.errors import ConfigError, DegenerateShapeError, FormatError
from dan.core.files import naming, read_text
from dan.core.structs import build_struct
from dan.core.types import ColourImage, FilePath, FloatArray, GreyImage, Points
from dan.geometry import Similarity, estimate_similarity, warp_image
from dan.schemes import FACE5, FACE68, LandmarkScheme, convert_points
from dan.schemes.conversions import point_named

MAX_SIZE = 8192
"""Pixels a side."""

Beyond = Literal["black", "edge", "reflect", "blur"]
"""What a chip shows beyond the picture: black, the edge repeated, a reflection, or a reflection
that is blurred and fades into the median colour, as FFHQ has it."""

Fit = Callable[[Points, LandmarkScheme], Similarity]
"""``chip_from_picture`` from (N, 2) landmarks, pixels of the picture."""

ARCFACE_112 = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
"""(5, 2) where InsightFace has the points of ``face5``, pixels of a chip of 112."""

DLIB_POINTS = (*range(27, 55), *range(60, 65))
"""Of face68: dlib leaves jaw, brows and the lower lip out."""

DLIB_MEAN = np.fromstring(
    """
    0.490127 0.203352 0.490127 0.307009 0.490127 0.409805 0.490127 0.515625 0.366880 0.587326
    0.426036 0.609345 0.490127 0.628106 0.554217 0.609345 0.613373 0.587326 0.121737 0.216423
    0.187122 0.178758 0.265825 0.179852 0.334606 0.231733 0.260918 0.245099 0.182743 0.244077
    0.645647 0.231733 0.714428 0.179852 0.793132 0.178758 0.858516 0.216423 0.797510 0.244077
    0.719335 0.245099 0.254149 0.780233 0.340985 0.745405 0.428858 0.727388 0.490127 0.742578
    0.551395 0.727388 0.639268 0.745405 0.726104 0.780233 0.290379 0.784792 0.428096 0.778746
    0.490127 0.785343 0.552157 0.778746 0.689874 0.784792
    """,
    sep=" ",
).reshape(33, 2)
"""(33, 2) dlib's mean of :data:`DLIB_POINTS`, shares of the chip without its padding."""

LIPS_SCALE = 104.0
"""Pixels of ``lips96`` for one unit of :data:`DLIB_MEAN`: the mouth is half as wide as the chip."""


@dataclass(frozen=True)
class Template:
    """How faces are cut.

    Attributes:
        size: side of the chip, pixels.
        fit: see :data:`Fit`.
        beyond: see :data:`Beyond`.
        grey: whether chips are grey.

    Raises:
        ConfigError: if the size is out of range.
    """

    name: str
    size: int
    fit: Fit
    beyond: Beyond = "black"
    grey: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIZE:
            raise ConfigError(f"{self.name}: expected 1 to {MAX_SIZE} pixels, got {self.size}")


@dataclass(frozen=True, eq=False)
class Chip:
    """The crop of a face.

    Attributes:
        image: (S, S, 3) RGB uint8; (S, S) of a grey template.
        chip_from_picture: takes pixels of the picture to those of the chip; its ``inverse()`` back.
    """

    image: ColourImage | GreyImage
    chip_from_picture: Similarity


def cut_chip(
    picture: ColourImage, points: Points, scheme: LandmarkScheme, template: str | Template
) -> Chip:
    """Cut one face; where it becomes smaller, pixels are averaged first, so that nothing aliases.

    >>> points = 10 + 2 * ARCFACE_112
    >>> chip = cut_chip(np.zeros((300, 300, 3), np.uint8), points, FACE5, "arcface112")
    >>> chip.image.shape, chip.chip_from_picture.apply(points)[0].round(4).tolist()
    ((112, 112, 3), [38.2946, 51.6963])

    Args:
        picture: (H, W, 3) RGB uint8.
        points: (N, 2) landmarks, pixels of the picture.
        template: one, or the name of one; see :func:`template_of`.

    Raises:
        ConfigError: if there is no such template, or the scheme lacks a landmark that it needs.
        DegenerateShapeError: if the landmarks that count coincide or are not finite.
    """
    template = template_of(template)
    move = template.fit(points, scheme)
    if not 0 < move.scale < math.inf:
        raise DegenerateShapeError(
            f"{template.name}: expected points of a face, got a scale of {move.scale}"
        )
    border = "reflect" if template.beyond == "blur" else template.beyond
    wh = template.size, template.size
    image = warp_image(picture, move, wh, to_grey=template.grey, border=border)
    if template.beyond == "blur":
        image = _blurred_beyond(image, move, (picture.shape[1], picture.shape[0]))
    return Chip(image, move)


def template_of(given: str | Template) -> Template:
    """A template by name: ``arcface112``, ``dlib150``, ``dlib200:0.5``, ``ffhq512``, ``lips96``.

    The number is the size; dlib's may be followed by its padding, else 0.25. What ends in ``.toml``
    or ``.json`` is a file; see :func:`load_template`.

    Raises:
        ConfigError: if there is none of that name.
        FormatError: if the file is no template.
    """
    if isinstance(given, Template):
        return given
    if given.endswith((".toml", ".json")):
        return load_template(given)
    if given == "lips96":
        return _lips()
    known = re.fullmatch(r"(arcface|dlib|ffhq)(\d{1,9})(?::(\d+\.?\d*))?", given)
    if known is not None and (known[3] is None or known[1] == "dlib"):
        size = int(known[2])
        if known[1] == "dlib":
            return dlib_template(size, float(known[3] or 0.25))
        return arcface_template(size) if known[1] == "arcface" else ffhq_template(size)
    raise ConfigError(
        "template: expected arcface112, dlib150, ffhq256, lips96, another size of the first three, "
        f"or a file (.toml, .json), got {given}"
    )


def arcface_template(size: int = 112) -> Template:
    """InsightFace's; the size is a multiple of 112 or of 128."""
    if size % 112 and size % 128:
        raise ConfigError(f"arcface: expected a multiple of 112 or 128 pixels, got {size}")
    scale, shift = (size / 112, 0.0) if size % 112 == 0 else (size / 128, 8.0)
    targets = (ARCFACE_112 + np.array([shift, 0])) * scale
    return _onto(f"arcface{size}", size, dict(zip(FACE5.point_names, targets, strict=True)))


def dlib_template(size: int = 150, padding: float = 0.25) -> Template:
    """That of dlib's ``get_face_chip(size, padding)``; for face68, or what converts to it.

    dlib fits the mean shape onto the face, not the face onto the mean shape. It counts the chip's
    middle half a pixel further than its pixels reach, gives the outer rows of pixels to the edge
    of the area, and halves large pictures first, each time moved by half a pixel: all that is
    repeated here, so that both see the same (measured against dlib 20.0).
    """

    def fit(points: Points, scheme: LandmarkScheme) -> Similarity:
        face = convert_points(points, scheme, FACE68)[list(DLIB_POINTS)]
        picture_from_mean = estimate_similarity(mean, face)
        middle = picture_from_mean.apply(np.full((1, 2), size / 2))[0]
        scale = (size * picture_from_mean.scale - 1) / max(size - 1, 1)
        if not 0 < scale < math.inf:
            raise DegenerateShapeError(f"dlib{size}: expected a face larger than that, got {scale}")
        shift = (2.0 ** max(0, math.floor(math.log2(scale))) - 1) / 2
        return Similarity.about(
            [(size - 1) / 2] * 2,
            scale=scale,
            angle_deg=picture_from_mean.angle_deg,
            move_to_xy=middle + np.array([-shift, shift]),
        ).inverse()

    mean = (DLIB_MEAN + padding) / (2 * padding + 1) * size
    return Template(f"dlib{size}", size, fit)


def ffhq_template(size: int = 256) -> Template:
    """The square of FFHQ.

    Its x axis is the mean of the line between the eyes and the one across that from eyes to mouth;
    half its side is twice the distance of the eyes, or 1.8 times that to the mouth if that is more;
    its centre lies below the eyes by a tenth of the way to the mouth. Pixels lie as areas, so the
    square's edge is the outer edge of the outer pixels.
    """

    def fit(points: Points, scheme: LandmarkScheme) -> Similarity:
        left, right, _, *mouth = convert_points(points, scheme, FACE5)
        eyes, across = (left + right) / 2, right - left
        down = np.mean(mouth, axis=0) - eyes
        x = across + np.array([down[1], -down[0]])
        length = float(np.hypot(*x))
        if not 0 < length < math.inf:
            raise DegenerateShapeError(f"ffhq{size}: expected eyes and mouth apart, got {length}")
        half = max(2.0 * float(np.hypot(*across)), 1.8 * float(np.hypot(*down)))
        return Similarity.about(
            [(size - 1) / 2] * 2,
            scale=2 * half / size,
            angle_deg=math.degrees(math.atan2(x[1], x[0])),
            move_to_xy=eyes + 0.1 * down,
        ).inverse()

    return Template(f"ffhq{size}", size, fit, beyond="blur")


def _lips() -> Template:
    stable = (33, 36, 39, 42, 45)  # base of the nose, corners of the eyes
    targets = {
        FACE68.point_names[point]: LIPS_SCALE * DLIB_MEAN[DLIB_POINTS.index(point)]
        for point in stable
    }
    lips = ("outer_lips", "inner_lips")
    return _onto("lips96", 96, targets, "edge", grey=True, centre=lips, scheme=FACE68)


def _onto(
    name: str,
    size: int,
    targets: Mapping[str, FloatArray | tuple[float, float]],
    beyond: Beyond = "black",
    *,
    grey: bool = False,
    centre: Iterable[str] = (),
    scheme: LandmarkScheme | None = None,
) -> Template:
    """Landmarks by name onto their places by least squares.

    Args:
        targets: landmarks of the scheme or of face5 -> where, pixels of the chip.
        centre: groups of the scheme; the mean of their points goes to the middle of the chip.
        scheme: to which the points are converted first; None: they stay as they are.
    """

    def fit(points: Points, given: LandmarkScheme) -> Similarity:
        own = given if scheme is None else scheme
        points = convert_points(points, given, own)
        found = np.array([point_named(points, own, one) for one in targets])
        move = estimate_similarity(found, np.array(list(targets.values()), dtype=np.float64))
        for group in centre:
            if group not in own.groups:
                raise ConfigError(f"{name}: expected a group of {own.name}, got {group}")
        middle = [point for group in centre for point in own.groups[group]]
        if not middle:
            return move
        shift = (size - 1) / 2 - move.apply(points[middle]).mean(axis=0)
        return Similarity.about([0, 0], move_to_xy=shift) @ move

    return Template(name, size, fit, beyond, grey)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE)]
    points: Annotated[dict[str, tuple[float, float]], Meta(min_length=2)]
    beyond: Beyond = "black"
    grey: bool = False
    centre: list[str] = []


def load_template(path: FilePath) -> Template:
    """A template of one's own, from a TOML or JSON file.

    ``size``: pixels a side; ``points``: landmarks by their names in the scheme, or of the five of
    face5 -> x, y in the chip, two or more. Optional: ``beyond`` (:data:`Beyond`, else black),
    ``grey`` (true or false), ``centre``: groups of the scheme whose mean is the chip's middle.

    Raises:
        FormatError: naming the file, the entry, what was expected and what came.
    """
    text = read_text(path)
    with naming(path):
        try:
            values = json.loads(text) if Path(path).suffix == ".json" else tomllib.loads(text)
            table = build_struct(_File, values)
        except (ValueError, RecursionError) as error:  # ConfigError is one, and both parsers' are
            raise FormatError(str(error)) from error
    name, look = Path(path).name, table.beyond
    return _onto(name, table.size, table.points, look, grey=table.grey, centre=table.centre)


def _blurred_beyond(
    image: ColourImage, chip_from_picture: Similarity, picture_wh: tuple[int, int]
) -> ColourImage:
    """Blur what lies beyond the picture, beginning a tenth of the chip before its edge.

    From 0.3 of the chip on beyond it, there is the median colour alone.
    """
    size = len(image)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2)
    places = chip_from_picture.inverse().apply(grid.astype(np.float32))
    outside = np.maximum(-places, places - (np.array(picture_wh) - 1)).max(axis=1)
    if outside.max() <= 0:
        return image
    beyond = (outside * chip_from_picture.scale / size).reshape(size, size, 1)
    levels = image.astype(np.float32)
    blurred = cv2.GaussianBlur(levels, (0, 0), 0.02 * size, borderType=cv2.BORDER_REFLECT_101)
    levels += (blurred.reshape(levels.shape) - levels) * np.clip(1 + beyond / 0.1, 0, 1)
    levels += (np.median(levels, axis=(0, 1)) - levels) * np.clip(beyond / 0.3, 0, 1)
    return np.rint(levels).astype(np.uint8)
