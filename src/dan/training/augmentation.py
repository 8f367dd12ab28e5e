"""Random training samples, whole batches at a time, on the device of the faces.

All random numbers of a batch come from one seed and are drawn for the global batch, of which each
process takes its slice: the samples do not depend on how many processes share the work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from dan.model.distributed import world
from dan.model.torch_geometry import compose, invert, move_points, sample, warp
from dan.schemes import LandmarkScheme
from dan.training.face_tensors import FaceTensors
from dan.training.recipe import Augmentation

MAX_DEVIATIONS = 2.5
"""Normal draws are cut off here, so that no face leaves its crop."""

BLUR_RADIUS = 4

FREQUENCIES = 4
"""A field is a sum of cosines of 0 to 3 half waves down and across the picture."""

INVERSION_STEPS = 10
"""Of the fixed-point iteration; each shrinks what is left by the field's slope, 0.3 or so."""


@dataclass(frozen=True)
class Batch:
    """Training samples.

    Attributes:
        crops: (B, 1, S, S) grey levels 0..255, float32.
        points: (B, N, 2) landmarks, pixels of the crops; NaN where a point has no position.
        weights: (B, N) how much each point counts; see :class:`FaceTensors`.
    """

    crops: Tensor
    points: Tensor
    weights: Tensor


class Augmenter:
    """Cuts random samples out of faces.

    Args:
        faces: where the samples come from.
        crop_size: side of the crops, pixels.
        scheme: says how landmarks change places in a flip.
        settings: how much is changed; :meth:`Augmentation.none` gives the canonical crops.
    """

    def __init__(
        self, faces: FaceTensors, crop_size: int, scheme: LandmarkScheme, settings: Augmentation
    ) -> None:
        self.faces = faces
        self.crop_size = crop_size
        self.settings = settings
        self.device = faces.images.device
        self.mirror = None if scheme.mirror is None else torch.from_numpy(scheme.mirror)
        if self.mirror is not None:
            self.mirror = self.mirror.to(self.device)

    def batch(self, indices: Tensor, seed: int, *, whole: bool = False) -> Batch:
        """The samples of this process.

        Args:
            indices: (G,) faces of the global batch, on the CPU; G is a multiple of the processes.
            seed: gives the same samples for the same indices.
            whole: give every process all samples, not its slice.
        """
        rank, size = (0, 1) if whole else world()
        mine = slice(rank * len(indices) // size, (rank + 1) * len(indices) // size)
        dice = _Dice(len(indices), mine, seed, self.device)
        chosen = indices[mine].to(self.device)
        crop_from_image, flipped = self._transforms(self.faces.crop_from_image[chosen], dice)
        points = move_points(self.faces.points[chosen], crop_from_image)
        weights = self.faces.weights[chosen]
        if self.mirror is not None:
            points = torch.where(flipped[:, None, None], points[:, self.mirror], points)
            weights = torch.where(flipped[:, None], weights[:, self.mirror], weights)
        images = self.faces.images[chosen][:, None].float()  # (B, 1, H, W)
        image_from_crop = invert(crop_from_image)
        if self.settings.bend:
            bend = self._fields(2, self.settings.bend * self.crop_size, dice)
            crops = sample(images, move_points(bend.sources(), image_from_crop))
            points = bend.places(points)
        else:
            crops = warp(images, image_from_crop, self.crop_size)
        return Batch(self._photometric(crops, dice), points, weights)

    def _transforms(self, crop_from_image: Tensor, dice: _Dice) -> tuple[Tensor, Tensor]:
        """(B, 2, 3) randomly changed transforms, and which of them (B,) flip."""
        settings, centre = self.settings, (self.crop_size - 1) / 2
        angle = dice.normal(settings.rotation_deg).deg2rad()
        scale = dice.normal(settings.scale).exp()
        shift_x = dice.normal(settings.shift) * self.crop_size
        shift_y = dice.normal(settings.shift) * self.crop_size
        flipped = dice.chance(settings.flip if self.mirror is not None else 0.0)
        sign = 1 - 2 * flipped.float()  # mirrors x about the centre
        cos, sin = scale * angle.cos(), scale * angle.sin()
        wider, shear = dice.normal(settings.stretch).exp(), dice.normal(settings.shear)
        # rotation and scale @ [[wider, shear], [0, 1 / wider]] @ flip
        a, b = cos * wider * sign, cos * shear - sin / wider
        c, d = sin * wider * sign, sin * shear + cos / wider
        tx = centre + shift_x - (a + b) * centre
        ty = centre + shift_y - (c + d) * centre
        changed_from_crop = torch.stack([a, b, tx, c, d, ty], dim=1).view(-1, 2, 3)
        return compose(changed_from_crop, crop_from_image), flipped

    def _photometric(self, crops: Tensor, dice: _Dice) -> Tensor:
        settings = self.settings
        levels = crops / 255
        if settings.gamma:
            exponent = dice.normal(settings.gamma).exp()
            levels = levels.clamp_min(1e-4) ** exponent.view(-1, 1, 1, 1)
        if settings.contrast or settings.brightness:
            mean = levels.mean(dim=(1, 2, 3), keepdim=True)
            contrast = dice.normal(settings.contrast).exp().view(-1, 1, 1, 1)
            brightness = dice.normal(settings.brightness).view(-1, 1, 1, 1)
            levels = (levels - mean) * contrast + mean + brightness
        if settings.shade:
            levels = levels + self._fields(1, settings.shade, dice).maps()
        if settings.blur:
            sigma, chosen = dice.uniform() * settings.blur_sigma, dice.some(settings.blur)
            levels[chosen] = gaussian_blur(levels[chosen], sigma[chosen])
        if settings.noise:
            strength, chosen = dice.uniform() * settings.noise_levels, dice.some(settings.noise)
            noise = dice.normal_images(chosen, self.crop_size)
            levels[chosen] += noise * strength[chosen].view(-1, 1, 1, 1) / 255
        if settings.occlusion:
            levels = self._occluded(levels, dice)
        return levels.clamp(0, 1) * 255

    def _fields(self, n_fields: int, deviation: float, dice: _Dice) -> SmoothFields:
        draws = dice.normals(SmoothFields.n_draws(n_fields))
        return SmoothFields.of_draws(draws, deviation, self.crop_size)

    def _occluded(self, levels: Tensor, dice: _Dice) -> Tensor:
        size, settings = self.crop_size, self.settings
        line = torch.arange(size, device=self.device)
        inside = []
        for _ in range(2):
            length = dice.uniform() * settings.occlusion_size * size
            first = dice.uniform() * size - length / 2
            inside.append(
                (line >= first[:, None]) & (line < (first + length)[:, None])  # (B, S)
            )
        grey = dice.uniform().view(-1, 1, 1, 1)
        covered = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        covered &= dice.chance(settings.occlusion).view(-1, 1, 1, 1)
        return torch.where(covered, grey, levels)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur (B, 1, S, S) images by (B,) standard deviations, pixels; zero leaves one as it is."""
    if not len(images):
        return images
    count, size = len(images), images.shape[-1]
    offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=images.device)
    kernels = (-0.5 * (offsets / sigma.clamp_min(1e-3)[:, None]).square()).exp()
    kernels = kernels / kernels.sum(dim=1, keepdim=True)  # (B, 2r + 1)
    stacked = functional.pad(images.view(1, count, size, size), [BLUR_RADIUS] * 4, mode="replicate")
    stacked = functional.conv2d(stacked, kernels[:, None, None, :], groups=count)
    stacked = functional.conv2d(stacked, kernels[:, None, :, None], groups=count)
    return stacked.view(count, 1, size, size)


class _Dice:
    """Random numbers for the global batch, of which one slice is given out."""

    def __init__(self, count: int, mine: slice, seed: int, device: torch.device) -> None:
        self.count, self.mine, self.seed, self.device = count, mine, seed, device
        self.generator = torch.Generator().manual_seed(seed)  # on the CPU: alike on every device

    def uniform(self) -> Tensor:
        """(B,) in 0..1."""
        draws = torch.rand(self.count, generator=self.generator)
        return draws[self.mine].to(self.device)

    def normal(self, deviation: float) -> Tensor:
        """(B,) with mean zero, cut off at 2.5 deviations."""
        draws = torch.randn(self.count, generator=self.generator)
        draws = draws.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS) * deviation
        return draws[self.mine].to(self.device)

    def normals(self, count: int) -> Tensor:
        """(B, count) standard normal, cut off at 2.5 deviations."""
        draws = torch.randn(self.count, count, generator=self.generator)
        return draws.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)[self.mine].to(self.device)

    def chance(self, probability: float) -> Tensor:
        """(B,) true with the given probability."""
        return self.uniform() < probability

    def some(self, probability: float) -> Tensor:
        """(K,) places, on the CPU, of the samples that the given probability chooses."""
        draws = torch.rand(self.count, generator=self.generator)[self.mine]
        return (draws < probability).nonzero()[:, 0]

    def normal_images(self, places: Tensor, size: int) -> Tensor:
        """(K, 1, S, S) standard normal for the samples at the given places, drawn on the device."""
        generator = torch.Generator(self.device)
        images = torch.empty(len(places), 1, size, size, device=self.device)
        for image, place in zip(images, places.tolist(), strict=True):
            image.normal_(generator=generator.manual_seed(self.seed + self.mine.start + place))
        return images


@dataclass(frozen=True)
class SmoothFields:
    """Smooth random fields over a batch of square pictures.

    They bend faces, and throw light and shadow on them.

    Attributes:
        weights: (B, K, F, F), of F frequencies down and F across, for K fields a picture.
        size: side of the picture, pixels.
    """

    weights: Tensor
    size: int

    @staticmethod
    def n_draws(n_fields: int) -> int:
        """Random numbers that a picture's fields are made of."""
        return n_fields * FREQUENCIES**2

    @classmethod
    def of_draws(cls, draws: Tensor, deviation: float, size: int) -> Self:
        """Random fields; their weights fall with the frequency, so that what is near moves alike.

        Args:
            draws: (B, K·F²) standard normal.
            deviation: root mean square of the fields, over pictures and places; their mean over
                each picture is zero.
            size: side of the pictures, pixels.
        """
        line = torch.arange(FREQUENCIES, dtype=draws.dtype, device=draws.device)
        down, across = torch.meshgrid(line, line, indexing="ij")
        frequency = (down.square() + across.square()).sqrt()
        amplitude = torch.where(frequency > 0, 1 / frequency.clamp_min(1), 0.0)
        mean_squares = 0.5 ** ((down > 0).to(draws) + (across > 0).to(draws))  # of the cosines
        total = (amplitude.square() * mean_squares).sum().sqrt()
        weights = draws.view(len(draws), -1, FREQUENCIES, FREQUENCIES)
        return cls(weights * (amplitude * deviation / total), size)

    def maps(self) -> Tensor:
        """(B, K, S, S), the fields at all pixels."""
        waves = self._waves(self._line())  # (S, F)
        return waves @ self.weights @ waves.T

    def sources(self) -> Tensor:
        """(B, S·S, 2), where each pixel of a picture bent by two fields, x and y, comes from."""
        y, x = torch.meshgrid(self._line(), self._line(), indexing="ij")
        return torch.stack([x, y], dim=-1).view(-1, 2) + self.maps().flatten(2).transpose(1, 2)

    def places(self, points: Tensor) -> Tensor:
        """(B, N, 2) points of the straight picture -> where the bent one shows them."""
        places = points
        for _ in range(INVERSION_STEPS):  # until place + field(place) = point
            across, down = self._waves(places).unbind(2)  # (B, N, F) each
            places = points - torch.einsum("bkij,bni,bnj->bnk", self.weights, down, across)
        return places

    def _line(self) -> Tensor:
        return torch.arange(self.size, dtype=self.weights.dtype, device=self.weights.device)

    def _waves(self, positions: Tensor) -> Tensor:
        """(..., F), the cosines at positions along a side, pixels."""
        numbers = torch.arange(FREQUENCIES, device=positions.device)
        return ((positions[..., None] + 0.5) * numbers * (math.pi / self.size)).cos()
