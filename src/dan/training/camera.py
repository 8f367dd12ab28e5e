"""What cameras do to faces: blur by focus and by motion, small and dark pictures, JPEG blocks.

All of it works on whole batches, (K, 1, S, S) levels of 0..1, on any device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from dan.training.dice import Dice
from dan.training.recipe import Augmentation

BLUR_RADIUS = 4

LARGEST_SMALL = 64
"""Side of the largest faces that count as small, pixels."""

BLOCK = 8
"""Side of JPEG's blocks, pixels."""

BEST_JPEG = 95

DISPLAY_GAMMA = 2.2
"""Levels are light to the power of one over this."""

PHOTONS = 1000.0
"""That a pixel counts in full light; few, as those of a phone's small sensor are."""

READ_NOISE = 0.002
"""Deviation that reading a pixel adds, as a share of full light."""

DARK_NOISE = 1
"""Use of the random images, beside 0 for plain noise; see :meth:`Dice.normal_images`."""

LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""Quantisation steps of brightness, ITU-T T.81 (JPEG), table K.1; rows are frequencies down."""


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur (B, 1, S, S) images by (B,) standard deviations, pixels; zero leaves one as it is."""
    if not len(images):
        return images
    offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=images.device)
    kernels = (-0.5 * (offsets / sigma.clamp_min(1e-3)[:, None]).square()).exp()
    kernels = kernels / kernels.sum(dim=1, keepdim=True)  # (B, 2r + 1)
    stacked = _stacked(images, BLUR_RADIUS)
    stacked = functional.conv2d(stacked, kernels[:, None, None, :], groups=len(images))
    stacked = functional.conv2d(stacked, kernels[:, None, :, None], groups=len(images))
    return stacked.view_as(images)


def motion_blur(images: Tensor, length: Tensor, angle: Tensor, longest: float) -> Tensor:
    """Blur images along straight lines about each pixel, as a moving camera or head does.

    Args:
        images: (B, 1, S, S).
        length: (B,) of the lines, pixels; up to one leaves an image as it is.
        angle: (B,) from the x axis towards the y axis, radians.
        longest: that a length may be, pixels.
    """
    if not len(images):
        return images
    kernels = line_kernels(length, angle, math.ceil(longest / 2))
    stacked = _stacked(images, kernels.shape[-1] // 2)
    return functional.conv2d(stacked, kernels[:, None], groups=len(images)).view_as(images)


def line_kernels(length: Tensor, angle: Tensor, radius: int) -> Tensor:
    """(B, 2r + 1, 2r + 1) lines of (B,) lengths and angles through the centre; their sums are 1."""
    line = torch.arange(-radius, radius + 1, device=length.device)
    down, across = torch.meshgrid(line, line, indexing="ij")
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    along, beside = (across * cos + down * sin).abs(), (down * cos - across * sin).abs()
    half = (length.view(-1, 1, 1) - 1).clamp_min(0) / 2  # each end covers half a pixel more
    beyond = (along - half).clamp_min(0)
    covered = (1 - (beyond.square() + beside.square()).sqrt()).clamp_min(0)
    return covered / covered.sum(dim=(1, 2), keepdim=True)


def _stacked(images: Tensor, margin: int) -> Tensor:
    """(1, B, S + 2m, S + 2m): the images as channels of one, their edges repeated."""
    count, size = len(images), images.shape[-1]
    return functional.pad(images.view(1, count, size, size), [margin] * 4, mode="replicate")


def record(levels: Tensor, face_size: float, settings: Augmentation, dice: Dice) -> Tensor:
    """Samples as a camera may have recorded them: small, dark, as a JPEG file; and enlarged again.

    Args:
        levels: (B, 1, S, S).
        face_size: side of the faces, pixels.
        settings: says which samples, and how much.
        dice: random numbers of the batch.
    """
    is_small, is_dark, is_jpeg = (
        dice.is_chosen(share) for share in (settings.small, settings.dark, settings.jpeg)
    )
    chosen = (is_small | is_dark | is_jpeg).nonzero()[:, 0]
    size, stops, amplified, quality, offset = dice.uniforms(5)[chosen].unbind(1)
    smallest = max(settings.small_face, 1.0)
    size = LARGEST_SMALL * (smallest / LARGEST_SMALL) ** size  # alike likely by their logarithm
    is_small = is_small[chosen].to(levels.device)
    scale = torch.where(is_small, (size / face_size).clamp_max(1), 1.0)
    recording = Recording.of(levels.shape[-1], scale, offset)
    small = recording.shrunk(levels[chosen])
    places = is_dark[chosen].nonzero()[:, 0]
    noise = dice.normal_images(chosen[places], small.shape[-1], DARK_NOISE)
    stops = stops[places] * settings.dark_stops
    amplified = (0.25 + 0.75 * amplified[places]) * stops  # a quarter at least
    small[places] = darkened(small[places], stops, amplified, noise)
    places = is_jpeg[chosen].nonzero()[:, 0]
    quality = settings.jpeg_quality + quality[places] * (BEST_JPEG - settings.jpeg_quality)
    small[places] = jpeg(small[places], quality)
    recorded = levels.clone()
    recorded[chosen] = recording.enlarged(small)
    return recorded


@dataclass(frozen=True)
class Recording:
    """Small copies of square pictures, and the way back; an unchanged scale loses nothing.

    A copy lies in a canvas of whole JPEG blocks, up to one block from its upper left corner, so
    that the blocks fall anywhere on it; around it its edges repeat.

    Attributes:
        down: (K, T, S), rows of the canvas as sums of rows of the picture; columns likewise.
        up: (K, S, T), and back.
    """

    down: Tensor
    up: Tensor

    @classmethod
    def of(cls, size: int, scale: Tensor, offset: Tensor) -> Self:
        """Copies of square pictures.

        Args:
            size: side of the pictures, pixels.
            scale: (K,) of the copies, above 0 and at most 1.
            offset: (K,) of the copies in their canvas, on both axes, as a share of a block; rounded
                down to whole pixels where the scale is 1.
        """
        scale, offset = scale.view(-1, 1), offset.view(-1, 1) * BLOCK
        offset = torch.where(scale < 1, offset, offset.floor())
        pixels = torch.arange(size, device=scale.device)  # (S,)
        slots = torch.arange(-(-size // BLOCK) * BLOCK + BLOCK, device=scale.device)  # (T,)
        sources = ((slots + 0.5 - offset) / scale - 0.5).clamp(0, size - 1)  # (K, T)
        down = (1 - (sources[:, :, None] - pixels).abs() * scale[:, :, None]).clamp_min(0)
        places = ((pixels + 0.5) * scale - 0.5 + offset).clamp_min(0)  # (K, S)
        up = (1 - (places[:, :, None] - slots).abs()).clamp_min(0)
        return cls(down / down.sum(dim=2, keepdim=True), up)

    def shrunk(self, images: Tensor) -> Tensor:
        """(K, 1, S, S) -> (K, 1, T, T), each pixel a mean over those that it covers."""
        return _resampled(images, self.down)

    def enlarged(self, images: Tensor) -> Tensor:
        """(K, 1, T, T) -> (K, 1, S, S), bilinear."""
        return _resampled(images, self.up)


def _resampled(images: Tensor, rows: Tensor) -> Tensor:
    return (rows @ images[:, 0] @ rows.transpose(1, 2))[:, None]


def darkened(images: Tensor, stops: Tensor, amplified: Tensor, noise: Tensor) -> Tensor:
    """Pictures taken in little light: what is left is noisy, even if the camera amplifies it.

    The noise of counted photons grows with the root of the light, that of reading the sensor is
    the same everywhere (the photon transfer of Janesick, 2007).

    Args:
        images: (K, 1, S, S).
        stops: (K,) of light that are missing, powers of two.
        amplified: (K,) of them that the camera makes up for.
        noise: (K, 1, S, S) standard normal.
    """
    light = images.clamp(0, 1) ** DISPLAY_GAMMA * (-stops).exp2().view(-1, 1, 1, 1)
    light = light + noise * (light / PHOTONS + READ_NOISE**2).sqrt()
    light = (light * amplified.exp2().view(-1, 1, 1, 1)).clamp(0, 1)
    return light ** (1 / DISPLAY_GAMMA)


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Pictures after they were JPEG files; lossless coding, which changes nothing, is left out.

    Each block's cosine transform is rounded to multiples of :func:`quantisation_steps`.

    Args:
        images: (K, 1, S, S), S a multiple of 8.
        quality: (K,) of 1 to 100.
    """
    waves, steps = _cosines(images.device), quantisation_steps(quality)[:, None, :, None]
    size = images.shape[-1]
    pixels = (images.clamp(0, 1) * 255).round() - 128
    blocks = pixels.view(len(images), size // BLOCK, BLOCK, size // BLOCK, BLOCK)
    found = (_transformed(blocks, waves) / steps).round() * steps
    pixels = _transformed(found, waves.T) + 128
    return pixels.round().clamp(0, 255).view_as(images) / 255


def quantisation_steps(quality: Tensor) -> Tensor:
    """(K, 8, 8): :data:`LUMINANCE` for (K,) qualities of 1 to 100.

    The scale is that of the Independent JPEG Group's library, ``jpeg_quality_scaling`` and
    ``jpeg_add_quant_table`` of its jcparam.c, for whole qualities.
    """
    quality = quality.clamp(1, 100).floor().view(-1, 1, 1)
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    return ((LUMINANCE.to(quality.device) * percent + 50) / 100).floor().clamp(1, 255)


def _cosines(device: torch.device) -> Tensor:
    """(8, 8) orthonormal, each row a frequency."""
    place = torch.arange(BLOCK, device=device)
    waves = ((place + 0.5) * place[:, None] * (math.pi / BLOCK)).cos() / 2
    return torch.cat([waves[:1] / math.sqrt(2), waves[1:]])


def _transformed(blocks: Tensor, waves: Tensor) -> Tensor:
    """(K, n, 8, n, 8): all blocks' rows and columns times ``waves``."""
    across = blocks @ waves.T
    return (waves @ across.flatten(3)).view_as(blocks)
