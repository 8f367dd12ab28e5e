"""The cascade."""

import math
from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from dan.checks import check_shape
from dan.model.config import DANConfig
from dan.model.connection import Connection
from dan.model.geometry import move_points
from dan.model.refinement import LocalRefinement
from dan.model.stage import Stage, StageOutput
from dan.types import FloatArray, Points


def _circle(n_landmarks: int, size: int) -> Tensor:
    """(N, 2) points on a circle: any shape that spans an area, until the real one is set."""
    angles = torch.arange(n_landmarks) * (2 * math.pi / n_landmarks)
    return torch.stack([angles.cos(), angles.sin()], dim=1) * (size / 4) + (size - 1) / 2


class CascadeOutput(NamedTuple):
    """What a run through the stages found.

    Attributes:
        estimates: one (B, N, 2) a stage, pixels of the crop; the last is the result.
        hidden: (B, hidden), hidden layer of the last stage that ran.
    """

    estimates: list[Tensor]
    hidden: Tensor


class DAN(nn.Module):
    """Deep Alignment Network: each stage corrects the points of the last in a canonical frame.

    Buffers, so that a checkpoint is complete: ``mean_shape`` (N, 2), pixels of the crop, where the
    search starts; ``mean_image`` and ``std_image`` (S, S), grey levels, by which crops are
    normalised.
    """

    def __init__(self, config: DANConfig) -> None:
        super().__init__()
        self.config = config
        size = config.image_size
        self.register_buffer("mean_shape", _circle(config.n_landmarks, size))
        self.register_buffer("mean_image", torch.zeros(size, size))
        self.register_buffer("std_image", torch.ones(size, size))
        self.mean_shape: Tensor
        self.mean_image: Tensor
        self.std_image: Tensor
        self.stages = nn.ModuleList(
            Stage(config, n_channels=1 if index == 0 else 3) for index in range(config.n_stages)
        )
        self.connections = nn.ModuleList(Connection(config) for _ in range(config.n_stages - 1))
        self.refinement = LocalRefinement(config) if config.refinement else None
        self.confidence = nn.Linear(config.hidden, 1) if config.confidence else None

    def set_statistics(
        self, mean_shape: Points, mean_image: FloatArray, std_image: FloatArray
    ) -> None:
        """Take the training set's mean shape and its mean and deviation images.

        Args:
            mean_shape: (N, 2), pixels of the crop.
            mean_image: (S, S) grey levels.
            std_image: (S, S) grey levels; values under one half (a constant pixel) count as one.
        """
        size = self.config.image_size
        check_shape("mean_shape", mean_shape, (self.config.n_landmarks, 2))
        check_shape("mean_image", mean_image, (size, size))
        check_shape("std_image", std_image, (size, size))
        std = np.where(std_image < 0.5, 1.0, std_image)
        for buffer, values in (
            (self.mean_shape, mean_shape),
            (self.mean_image, mean_image),
            (self.std_image, std),
        ):
            buffer.copy_(torch.as_tensor(np.asarray(values, dtype=np.float32)))

    def forward(self, crops: Tensor, n_stages: int | None = None) -> list[Tensor]:
        """Find the landmarks of cropped faces.

        Args:
            crops: (B, 1, S, S) grey levels 0..255.
            n_stages: run the first stages only; default all.

        Returns:
            One (B, N, 2) estimate a stage, pixels of the crop; the last is the result.
        """
        return self.run(crops, n_stages).estimates

    def run(self, crops: Tensor, n_stages: int | None = None) -> CascadeOutput:
        """As :meth:`forward`, with the hidden layer that the result and its confidence come from.

        How likely the mean error of a result is under 8 % of the inter-ocular distance is
        ``sigmoid(self.confidence(hidden))``, where the configuration has that head.
        """
        images = (crops - self.mean_image) / self.std_image
        found: StageOutput = self.stages[0](images)
        estimates = [self._moved(self.mean_shape, found, 1)]
        for number in range(2, (n_stages or len(self.stages)) + 1):
            look = self.connections[number - 2](
                images, estimates[-1], found.hidden, self.mean_shape
            )
            found = self.stages[number - 1](look.images)
            points = self._moved(look.points, found, number)
            estimates.append(move_points(points, look.crop_from_canonical))
        return CascadeOutput(estimates, found.hidden)

    def _moved(self, points: Tensor, found: StageOutput, number: int) -> Tensor:
        """Where a stage (1-based) moves points, in its own frame."""
        points = points + found.offsets
        if self.refinement is None or number < len(self.stages):
            return points
        offsets: Tensor = self.refinement(found.maps, points, found.hidden)
        return points + offsets

    def in_memory_format(self, memory_format: torch.memory_format) -> Self:
        """Lay out the kernels, and so all maps, as channels_last or contiguous (channels first)."""
        return self.to(memory_format=memory_format)  # type: ignore[call-overload,no-any-return]

    def train_stages(self, trained: Iterable[int]) -> None:
        """Put the given stages (1-based) in training and freeze all others, batch statistics too.

        A stage's connection belongs to the stage that it feeds, the refinement to the last one.
        """
        chosen = set(trained)
        self.train(mode=False)
        for number, stage in enumerate(self.stages, start=1):
            parts = [stage] if number == 1 else [stage, self.connections[number - 2]]
            for part in parts:
                part.requires_grad_(number in chosen)
                part.train(number in chosen)
        if self.refinement is not None:
            self.refinement.requires_grad_(len(self.stages) in chosen)
            self.refinement.train(len(self.stages) in chosen)

    def extended(self, config: DANConfig) -> Self:
        """The same network with the heads that another configuration has; new ones are fresh."""
        network = type(self)(config)
        network.load_state_dict(self.state_dict(), strict=False)
        return network.to(self.mean_shape.device)
