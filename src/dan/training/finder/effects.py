"""What scenes for the face finder look like: washes, covered faces, light, colour, blur, noise.

Each function takes random numbers in an order that is part of what a seed means.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.types import ColourImage
from dan.training.finder.recipe import SceneSettings

if TYPE_CHECKING:
    from cv2.typing import MatLike


def wash(rng: np.random.Generator, width: int, height: int) -> ColourImage:
    """(H, W, 3): a smooth wash of a few colours, or one colour."""
    cells = int(rng.integers(1, 5))
    colours = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
    washed = cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(washed, dtype=np.uint8)


def cover(rng: np.random.Generator, canvas: ColourImage, x: float, y: float, side: float) -> None:
    """Paint an ellipse or a bar over a part of a face, as hands, hair and glasses do.

    Args:
        rng: random numbers.
        canvas: (H, W, 3) RGB; painted on.
        x: of the face's centre, pixels.
        y: likewise.
        side: of the face, pixels.
    """
    colour = tuple(int(level) for level in rng.integers(0, 256, 3))
    if rng.random() < 0.5:  # a tone of the face itself: skin
        row, column = int(y), int(x)
        if 0 <= row < canvas.shape[0] and 0 <= column < canvas.shape[1]:
            colour = tuple(int(level) for level in canvas[row, column])
    angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.55) * side
    centre = int(x + distance * math.cos(angle)), int(y + distance * math.sin(angle))
    axes = tuple(max(int(axis * side), 1) for axis in rng.uniform(0.08, 0.35, 2))
    cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)


def develop(rng: np.random.Generator, canvas: ColourImage, settings: SceneSettings) -> ColourImage:
    """Light, colour, blur, noise and JPEG blocks of a whole scene."""
    picture: MatLike = canvas
    if rng.random() < settings.blur:
        picture = _blurred(rng, picture)
    is_dark = rng.random() < settings.dark
    picture = cv2.LUT(picture, _light(rng, settings, is_dark=is_dark))
    if rng.random() < settings.grey:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < settings.noise or is_dark:
        picture = _noisy(rng, picture, settings.noise_levels)
    if rng.random() < settings.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))]
        data = cv2.imencode(".jpg", picture, quality)[1]
        picture = cast("MatLike", cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.asarray(picture, dtype=np.uint8)


def _light(
    rng: np.random.Generator, settings: SceneSettings, *, is_dark: bool
) -> npt.NDArray[np.uint8]:
    """(256, 1, 3) new levels for old ones."""
    gain = rng.uniform(0.08, 0.4) if is_dark else math.exp(rng.normal(0, settings.contrast))
    gamma = math.exp(rng.normal(0, settings.gamma))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain
    tint = 1 + rng.normal(0, settings.tint, 3)
    shift = rng.normal(0, settings.brightness) * gain
    table = 255 * ((levels - gain / 2) * tint + gain / 2 + shift)
    return table.clip(0, 255).astype(np.uint8)[:, None]


def _noisy(rng: np.random.Generator, picture: MatLike, most: float) -> MatLike:
    noise: MatLike = np.empty(picture.shape, dtype=np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    spread = float(rng.uniform(2, most))
    cv2.randn(noise, np.zeros(3), np.full(3, spread))  # one value would be of the first channel
    return cv2.add(picture, noise, dtype=cv2.CV_8U)


def _blurred(rng: np.random.Generator, picture: MatLike) -> MatLike:
    """Out of focus, or moved."""
    if rng.random() < 0.5:
        sigma = math.exp(rng.uniform(math.log(0.4), math.log(4.0)))
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    length = int(rng.integers(3, 10))
    line = np.zeros((length, length), dtype=np.float32)
    line[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, float(rng.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(line, turn, (length, length))
    return cv2.filter2D(picture, -1, kernel / kernel.sum())
