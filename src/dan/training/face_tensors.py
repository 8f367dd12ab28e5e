"""Faces as tensors on the training device, ready to be cropped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dan.core.types import FloatArray, Points
from dan.datasets.pack import FacePack
from dan.geometry import box_of_points, mean_shape_of
from dan.geometry.cropping import crop_from_box
from dan.geometry.mean_shape import shape_in_frame
from dan.model.torch_geometry import move_points
from dan.schemes import LandmarkScheme


@dataclass(frozen=True)
class FaceTensors:
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

    def to(self, device: torch.device) -> FaceTensors:
        """The same faces on another device."""
        return FaceTensors(
            self.images.to(device), self.points.to(device), self.crop_from_image.to(device)
        )

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
    return shape_in_frame(mean_shape_of(pack.points), crop_size, face_size)


def faces_of_pack(pack: FacePack, mean_shape_crop: Points) -> FaceTensors:
    """The faces of a pack, each cropped by the box of its landmarks."""
    transforms = [
        crop_from_box(box_of_points(points), mean_shape_crop).matrix for points in pack.points
    ]
    return FaceTensors(
        torch.from_numpy(pack.images),
        torch.from_numpy(pack.points),
        torch.from_numpy(np.stack(transforms).astype(np.float32)),
    )


def identity_of(names: tuple[str, ...], points: FloatArray) -> str:
    """Changes with the data: a hash of names and landmarks."""
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(np.ascontiguousarray(points, dtype=np.float32).tobytes())
    return digest.hexdigest()
