"""A torch model behind the interface that evaluation and prediction use."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from dan.model.weights import load_model
from dan.schemes import LandmarkScheme
from dan.types import FilePath, Points


class TorchPredictor:
    """Implements :class:`dan.evaluation.CropPredictor` with a checkpoint, in float32.

    Args:
        path: a model file.
        device: a torch device.

    Raises:
        CheckpointError: naming the file, if it is no model of ours.
    """

    def __init__(self, path: FilePath, device: str | torch.device = "cpu") -> None:
        loaded = load_model(path)
        self.device = torch.device(device)
        self.model = loaded.model.to(self.device).in_memory_format(torch.channels_last)
        self.scheme: LandmarkScheme = loaded.scheme
        self.crop_size: int = loaded.model.config.image_size
        self.mean_shape: Points = loaded.model.mean_shape.cpu().numpy()

    def predict(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, S, S) grey crops -> (n_stages, B, N, 2) estimates of every stage, crop pixels."""
        with torch.inference_mode():
            images = torch.from_numpy(crops).to(self.device)[:, None].float()
            estimates = torch.stack(self.model(images).estimates)
        found: npt.NDArray[np.float32] = estimates.cpu().numpy()
        return found
