"""Random training samples, whole batches at a time, on the device of the faces.

All random numbers of a batch come from one seed and are drawn for the global batch, of which each
process takes its slice: the samples do not depend on how many processes share the work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dan.model.distributed import world
from dan.model.torch_geometry import compose, invert, move_points, sample, warp
from dan.schemes import LandmarkScheme
from dan.training.camera import gaussian_blur, motion_blur, record
from dan.training.covers import Covers
from dan.training.dice import Dice
from dan.training.face_tensors import FaceTensors
from dan.training.recipe import Augmentation
from dan.training.smooth_fields import SmoothFields


@dataclass(frozen=True)
class Batch:
    """Training samples.

    Attributes:
        crops: (B, 1, S, S) grey levels 0..255, float32.
        points: (B, N, 2) landmarks, pixels of the crops; NaN where a point has no position.
        weights: (B, N) how much each point counts; see :class:`FaceTensors`.
        seen: (B, N) 1 where a point can be seen, 0 where the head or a cover hides it, NaN where
            that is not known.
    """

    crops: Tensor
    points: Tensor
    weights: Tensor
    seen: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same samples on another device."""
        values = (getattr(self, field.name) for field in fields(self))
        return Batch(*(value.to(device, non_blocking=True) for value in values))

    def take(self, other: Batch) -> None:
        """Become a copy of another batch of the same size, in the memory of this one."""
        for field in fields(self):
            getattr(self, field.name).copy_(getattr(other, field.name), non_blocking=True)


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
        self.device = faces.device
        self.world = world()  # as it is here: a process that only makes samples has no part in it
        self.mirror = None if scheme.mirror is None else torch.from_numpy(scheme.mirror)
        if self.mirror is not None:
            self.mirror = self.mirror.to(self.device)
        mean_face = faces.enough().crop_points().nanmean(dim=0)
        self.face_size = float((mean_face.amax(dim=0) - mean_face.amin(dim=0)).max())
        self.covers = Covers(mean_face, scheme, settings)

    def batch(self, indices: Tensor, seed: int, *, whole: bool = False) -> Batch:
        """The samples of this process.

        Args:
            indices: (G,) faces of the global batch, on the CPU; G is a multiple of the processes.
            seed: gives the same samples for the same indices.
            whole: give every process all samples, not its slice.
        """
        rank, size = (0, 1) if whole else self.world
        mine = slice(rank * len(indices) // size, (rank + 1) * len(indices) // size)
        dice = Dice(len(indices), mine, seed, self.device)
        chosen = indices[mine].to(self.device)
        crop_from_image, flipped = self._transforms(self.faces.crop_from_image[chosen], dice)
        points = move_points(self.faces.points[chosen], crop_from_image)
        weights, seen = self.faces.weights[chosen], self.faces.seen[chosen]
        if self.mirror is not None:
            points = torch.where(flipped[:, None, None], points[:, self.mirror], points)
            weights = torch.where(flipped[:, None], weights[:, self.mirror], weights)
            seen = torch.where(flipped[:, None], seen[:, self.mirror], seen)
        images = self.faces.pictures(indices[mine])  # (B, 1, H, W)
        image_from_crop = invert(crop_from_image)
        if self.settings.bend:
            bend = self._fields(2, self.settings.bend * self.crop_size, dice)
            crops = sample(images, move_points(bend.sources(), image_from_crop))
            points = bend.places(points)
        else:
            crops = warp(images, image_from_crop, self.crop_size)
        crops, showing = self._photometric(crops, points, dice)
        return Batch(
            crops, points, weights, seen.where(_at_points(showing, points) > 0.5, 0 * seen)
        )

    def _transforms(self, crop_from_image: Tensor, dice: Dice) -> tuple[Tensor, Tensor]:
        """(B, 2, 3) randomly changed transforms, and which of them (B,) flip."""
        settings, centre = self.settings, (self.crop_size - 1) / 2
        angle = dice.normal(settings.rotation_deg).deg2rad()
        scale = dice.normal(settings.scale).exp()
        shift_x = dice.normal(settings.shift) * self.crop_size
        shift_y = dice.normal(settings.shift) * self.crop_size
        flipped = dice.chance(settings.flip if self.mirror is not None else 0.0)
        if settings.turn:
            anywhere = dice.uniform() * (2 * math.pi)
            angle = torch.where(dice.chance(settings.turn), anywhere, angle)
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

    def _photometric(self, crops: Tensor, points: Tensor, dice: Dice) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) crops as a camera may see them, and how much of the face shows, 0..1."""
        settings = self.settings
        levels, showing = self.covers.painted(crops / 255, points, dice)
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
        if settings.motion:
            longest, chosen = settings.motion_length * self.crop_size, dice.some(settings.motion)
            length, angle = dice.uniform()[chosen] * longest, dice.uniform()[chosen] * math.pi
            levels[chosen] = motion_blur(levels[chosen], length, angle, longest)
        if settings.noise:
            strength, chosen = dice.uniform() * settings.noise_levels, dice.some(settings.noise)
            noise = dice.normal_images(chosen, self.crop_size)
            levels[chosen] += noise * strength[chosen].view(-1, 1, 1, 1) / 255
        if settings.occlusion:
            grey, covered = self._occlusion(dice)
            levels, showing = levels.where(~covered, grey), showing.where(~covered, 0.0)
        if settings.small or settings.dark or settings.jpeg:
            levels = record(levels, self.face_size, settings, dice)
        return levels.clamp(0, 1) * 255, showing

    def _fields(self, n_fields: int, deviation: float, dice: Dice) -> SmoothFields:
        draws = dice.normals(SmoothFields.n_draws(n_fields))
        return SmoothFields.of_draws(draws, deviation, self.crop_size)

    def _occlusion(self, dice: Dice) -> tuple[Tensor, Tensor]:
        """(B, 1, 1, 1) levels of rectangles, and (B, 1, S, S) where they lie."""
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
        return grey, covered & dice.chance(settings.occlusion).view(-1, 1, 1, 1)


def _at_points(maps: Tensor, points: Tensor) -> Tensor:
    """(B, N) values of (B, 1, S, S) maps at the pixels nearest to (B, N, 2) points."""
    size = maps.shape[-1]
    x, y = points.nan_to_num().round().long().clamp(0, size - 1).unbind(2)
    return maps.flatten(1).gather(1, y * size + x)
