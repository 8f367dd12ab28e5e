"""Faces as tensors on the training device, ready to be cropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dan.cropping import crop_from_box
from dan.data.pack import FacePack
from dan.geometry import box_of_points, mean_shape_of
from dan.model.geometry import move_points
from dan.shapes import shape_in_frame
from dan.types import Points

if TYPE_CHECKING:
    from dan.data.samples import SampleFolder


@dataclass(frozen=True)
class Faces:
    """F annotated pictures with the transform of each to its canonical crop.

    Attributes:
        images: (F, H, W) uint8 grey levels.
        points: (F, N, 2) float32 landmarks, pixels of the pictures.
        crop_from_image: (F, 2, 3) float32.
    """

    images: Tensor
    points: Tensor
    crop_from_image: Tensor

    def __len__(self) -> int:
        """How many faces."""
        return len(self.images)

    def to(self, device: torch.device) -> Faces:
        """The same faces on another device."""
        return Faces(
            self.images.to(device), self.points.to(device), self.crop_from_image.to(device)
        )

    def first(self, count: int) -> Faces:
        """The first faces."""
        return Faces(self.images[:count], self.points[:count], self.crop_from_image[:count])

    def crop_points(self) -> Tensor:
        """(F, N, 2) landmarks, pixels of the unchanged canonical crop."""
        return move_points(self.points, self.crop_from_image)


def mean_shape_of_pack(pack: FacePack, crop_size: int, face_size: float) -> Points:
    """(N, 2) Procrustes mean of a pack's landmarks where the network expects the face."""
    return shape_in_frame(mean_shape_of(pack.points), crop_size, face_size)


def faces_of_pack(pack: FacePack, mean_shape_crop: Points) -> Faces:
    """The faces of a pack, each cropped by the box of its landmarks."""
    transforms = [
        crop_from_box(box_of_points(points), mean_shape_crop).matrix for points in pack.points
    ]
    return Faces(
        torch.from_numpy(pack.images),
        torch.from_numpy(pack.points),
        torch.from_numpy(np.stack(transforms).astype(np.float32)),
    )


def faces_of_samples(folder: SampleFolder, n_landmarks: int, workers: int | None = None) -> Faces:
    """The samples of the old ``preprocessing.py``: crops already, so nothing is moved."""
    images = torch.from_numpy(folder.load_images(workers))
    points = torch.from_numpy(folder.load_points(n_landmarks))
    return Faces(images, points, torch.eye(2, 3).repeat(len(images), 1, 1))
