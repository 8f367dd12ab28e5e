"""A checkpoint at work in torch: crops in, landmarks of the crops out."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch

from dan.core.files import read_bytes
from dan.core.types import FilePath, Points
from dan.inference.landmark_model import CropLandmarks
from dan.model.weights import load_model
from dan.schemes import LandmarkScheme


class TorchModel:
    """A :class:`dan.LandmarkModel` made of a checkpoint, in float32.

    Args:
        path: a model file.
        device: a torch device.

    Raises:
        CheckpointError: naming the file, if it is no model of ours.
    """

    def __init__(self, path: FilePath, device: str | torch.device = "cpu") -> None:
        loaded = load_model(path)
        self.name = str(path)
        self.sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
        self.device = torch.device(device)
        self.model = loaded.model.to(self.device).in_memory_format(torch.channels_last)
        self.scheme: LandmarkScheme = loaded.scheme
        self.crop_size: int = loaded.model.config.image_size
        self.mean_shape: Points = loaded.model.mean_shape.cpu().numpy()
        config = loaded.model.config
        self.has_confidence: bool = config.confidence
        self.certainty: tuple[str, ...] = tuple(
            name for name in ("confidence", "covariance", "visibility") if getattr(config, name)
        )

    @torch.inference_mode()
    def __call__(self, crops: npt.NDArray[np.uint8]) -> CropLandmarks:
        """Landmarks of (B, S, S) grey crops, B >= 0, and the estimates of every stage."""
        images = torch.from_numpy(crops).to(self.device)[:, None].float()
        output = self.model(images)
        stages = torch.stack(output.estimates).cpu().numpy()
        said = {key: value.cpu().numpy() for key, value in self.model.certainty(output).items()}
        return CropLandmarks.of(stages[-1], stages, said)
