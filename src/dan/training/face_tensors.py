"""Faces as tensors on the training device, ready to be cropped."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dan.core.types import FloatArray, Points
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE
from dan.datasets.pack import FacePack, evenly
from dan.datasets.stored_pictures import StoredPictures
from dan.geometry import box_of_points, mean_shape_of, with_position
from dan.geometry.cropping import crop_from_box
from dan.geometry.mean_shape import shape_in_frame
from dan.model.torch_geometry import move_points
from dan.schemes import LandmarkScheme

ENOUGH_FACES = 2**14
"""Means over the faces, and what is fitted at the end, take at most so many, evenly chosen."""


@dataclass(frozen=True)
class FaceTensors:
    """F annotated pictures with the transform of each to its canonical crop.

    Attributes:
        images: (F, H, W) uint8 grey levels, on the device or still on disk; see :meth:`pictures`.
        points: (F, N, 2) float32 landmarks, pixels of the pictures; NaN where a point has no
            position.
        crop_from_image: (F, 2, 3) float32.
        weights: (F, N) float32, how much each point counts in its face's loss: 0 without a
            position; the mean of a face's is the weight of the face.
        seen: (F, N) float32, 1 where a point can be seen, 0 where not; NaN in sets in which no
            point is marked as covered, so that they do not say.
    """

    images: Tensor | StoredPictures
    points: Tensor
    crop_from_image: Tensor
    weights: Tensor
    seen: Tensor

    @property
    def device(self) -> torch.device:
        """Where samples are made of them."""
        return self.points.device

    @classmethod
    def plain(cls, images: Tensor, points: Tensor, crop_from_image: Tensor) -> FaceTensors:
        """Faces of which every point counts alike, and none says whether it can be seen."""
        ones = torch.ones(points.shape[:2], device=points.device)
        return cls(images, points, crop_from_image, ones, ones * torch.nan)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.images)

    def to(self, device: torch.device) -> FaceTensors:
        """The same faces on another device; pictures on disk stay there."""
        values = [getattr(self, field.name) for field in fields(self)]
        return FaceTensors(
            *(value.to(device) if isinstance(value, Tensor) else value for value in values)
        )

    def pictures(self, places: Tensor) -> Tensor:
        """(B, 1, H, W) float32 grey levels on the device of the faces at (B,) places, on the CPU.

        Raises:
            DataError: if one on disk is damaged.
        """
        if isinstance(self.images, Tensor):
            images = self.images[places.to(self.device)]
        else:
            images = torch.from_numpy(np.asarray(self.images[places.numpy()])).to(self.device)
        return images[:, None].float()

    def enough(self) -> FaceTensors:
        """At most :data:`ENOUGH_FACES` of them."""
        if len(self) <= ENOUGH_FACES:
            return self
        places = evenly(len(self), ENOUGH_FACES)
        return FaceTensors(*(getattr(self, field.name)[places] for field in fields(self)))

    def crop_points(self) -> Tensor:
        """(F, N, 2) landmarks, pixels of the unchanged canonical crop."""
        return move_points(self.points, self.crop_from_image)


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is judged by.

    Attributes:
        train: faces on the training device.
        valid: faces held out, on the same device.
        scheme: what the landmarks are.
        identity: changes when the data change; part of the fingerprint.
    """

    train: FaceTensors
    valid: FaceTensors
    scheme: LandmarkScheme
    identity: str


def mean_shape_of_pack(pack: FacePack, crop_size: int, face_size: float) -> Points:
    """(N, 2) Procrustes mean of a pack's landmarks where the network expects the face."""
    points = pack.points[evenly(len(pack.points), ENOUGH_FACES)]
    return shape_in_frame(mean_shape_of(points), crop_size, face_size)


def faces_of_pack(
    pack: FacePack,
    mean_shape_crop: Points,
    covered_weight: float = 1.0,
    memory_gib: float = math.inf,
) -> FaceTensors:
    """The faces of a pack, each cropped by the box of its landmarks that have a position.

    Args:
        mean_shape_crop: (N, 2) mean shape, pixels of the crop.
        covered_weight: how much a covered point counts where a seen one counts 1.
        memory_gib: pictures that would take more are left on disk.
    """
    transforms = [
        crop_from_box(box_of_points(with_position(points)), mean_shape_crop).matrix
        for points in pack.points
    ]
    counts = np.select(
        [pack.visibility == UNKNOWN, pack.visibility == HIDDEN], [0.0, covered_weight], 1.0
    )
    weights = pack.weights[:, None] * counts / counts.mean(axis=1, keepdims=True)
    return FaceTensors(
        _images_of(pack, memory_gib),
        torch.from_numpy(pack.points),
        torch.from_numpy(np.stack(transforms).astype(np.float32)),
        torch.from_numpy(weights.astype(np.float32)),
        torch.from_numpy(_seen(pack)),
    )


def _images_of(pack: FacePack, memory_gib: float) -> Tensor | StoredPictures:
    is_large = math.prod(pack.images.shape) > memory_gib * 2**30
    if is_large and isinstance(pack.images, StoredPictures):
        return pack.images
    return torch.from_numpy(np.asarray(pack.images))


def _seen(pack: FacePack) -> npt.NDArray[np.float32]:
    """(F, N), see :class:`FaceTensors`."""
    says = np.isin(pack.sets, pack.sets[(pack.visibility == HIDDEN).any(axis=1)])
    return np.where(says[:, None], pack.visibility == VISIBLE, np.float32(np.nan))


def identity_of(names: tuple[str, ...], points: FloatArray) -> str:
    """Changes with the data: a hash of names and landmarks."""
    return _hash_of(names, points.astype(np.float32, copy=False))


def identity_of_pack(pack: FacePack) -> str:
    """The same of a pack; where it is not plain, its weights, sets and visibility count as well."""
    if pack.is_plain:
        return identity_of(pack.names, pack.points)
    return _hash_of(pack.names, pack.points, pack.visibility, pack.weights, pack.sets)


def _hash_of(names: tuple[str, ...], *arrays: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
