"""The cascade."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from dan.core.checks import check_shape
from dan.core.errors import ConfigError
from dan.core.types import FloatArray, Points
from dan.model.config import DANConfig
from dan.model.connection import Connection, FirstView
from dan.model.refinement import LocalRefinement, PointHead, triangle_of
from dan.model.stage import Stage


def _circle(n_landmarks: int, size: int) -> Tensor:
    """(N, 2) points on a circle: any shape that spans an area, until the real one is set."""
    angles = torch.arange(n_landmarks) * (2 * math.pi / n_landmarks)
    return torch.stack([angles.cos(), angles.sin()], dim=1) * (size / 4) + (size - 1) / 2


class CascadeOutput(NamedTuple):
    """What the stages found.

    Attributes:
        estimates: one (B, N, 2) a stage, pixels of the crop; the last is the result.
        hidden: (B, hidden), hidden layer of the last stage that ran.
        local: (B, N, units), what the refinement saw around each point; None: it did not run.
        crop_from_canonical: (B, 2, 3), from the frame in which the last stage that ran looked;
            None: that was the crop.
    """

    estimates: list[Tensor]
    hidden: Tensor
    local: Tensor | None = None
    crop_from_canonical: Tensor | None = None

    @property
    def points(self) -> Tensor:
        """(B, N, 2), the result."""
        return self.estimates[-1]

    def covariance(self, triangles: Tensor) -> Tensor:
        """(B, N, 2, 2) roots of covariances, in the last stage's frame -> covariances, crop."""
        if self.crop_from_canonical is not None:
            triangles = self.crop_from_canonical[:, None, :, :2] @ triangles
        return triangles @ triangles.transpose(2, 3)


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
        self.first_view = FirstView()
        self.connections = nn.ModuleList(Connection(config) for _ in range(config.n_stages - 1))
        self.refinement = LocalRefinement(config) if config.refinement else None
        self.confidence = nn.Linear(config.hidden, 1) if config.confidence else None
        self.covariance = PointHead(config, 3) if config.covariance else None
        self.visibility = PointHead(config, 1) if config.visibility else None

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

    def forward(self, crops: Tensor, n_stages: int | None = None) -> CascadeOutput:
        """Find the landmarks of cropped faces: each stage looks again, and corrects the last.

        What else the network knows of them, :meth:`certainty` tells.

        Args:
            crops: (B, 1, S, S) grey levels 0..255.
            n_stages: run the first stages only; None: all.

        Raises:
            ConfigError: if there are not so many stages.
        """
        images = (crops - self.mean_image) / self.std_image
        points, estimates = self.mean_shape, []
        hidden: Any = None  # nothing was seen before the first stage
        local, crop_from_canonical = None, None
        for view, stage in self._cascade(n_stages):
            given = view(images, points, hidden, self.mean_shape)  # straighten, draw, stack
            offsets, hidden, maps = stage(given.images)  # regress
            found = given.points + offsets
            if self.refinement is not None and stage is self.stages[-1]:
                moved, local = self.refinement(maps, found, hidden)
                found = found + moved
            points = given.to_crop(found)  # move back
            crop_from_canonical = given.crop_from_canonical
            estimates.append(points)
        return CascadeOutput(estimates, hidden, local, crop_from_canonical)

    def certainty(self, output: CascadeOutput) -> dict[str, Tensor]:
        """What the heads that the network has say of a result of all stages, by their names.

        ``confidence`` (B,): how likely the mean error is under 8 % of the inter-ocular distance.
        ``covariance`` (B, N, 2, 2): of each point's error, square pixels of the crop.
        ``visibility`` (B, N): how likely each point can be seen.
        """
        said, hidden = {}, output.hidden
        if self.confidence is not None:
            said["confidence"] = torch.sigmoid(self.confidence(hidden))[:, 0]
        if self.covariance is not None:
            triangles = triangle_of(self.covariance(output.local, hidden))
            said["covariance"] = output.covariance(triangles)
        if self.visibility is not None:
            said["visibility"] = torch.sigmoid(self.visibility(output.local, hidden))[..., 0]
        return said

    @property
    def views(self) -> list[nn.Module]:
        """What shows each stage its images, in the stages' order."""
        return [self.first_view, *self.connections]

    def _cascade(self, n_stages: int | None) -> list[tuple[nn.Module, nn.Module]]:
        """View and stage of the first stages, of all by default."""
        pairs = list(zip(self.views, self.stages, strict=True))
        if n_stages is not None and not 1 <= n_stages <= len(pairs):
            raise ConfigError(f"n_stages: expected 1..{len(pairs)}, got {n_stages}")
        return pairs[:n_stages]

    def in_memory_format(self, memory_format: torch.memory_format) -> Self:
        """Lay out the kernels, and so all maps, as channels_last or contiguous (channels first)."""
        return self.to(memory_format=memory_format)  # type: ignore[call-overload,no-any-return]

    def train_stages(self, trained: Iterable[int]) -> None:
        """Put the given stages (1-based) in training and freeze all others, batch statistics too.

        A stage's view belongs to it, the refinement to the last one.
        """
        chosen = set(trained)
        self.train(mode=False)
        for number, parts in enumerate(self.parts(), start=1):
            for part in parts:
                part.requires_grad_(number in chosen)
                part.train(number in chosen)

    def parts(self) -> list[list[nn.Module]]:
        """The modules of each stage: itself, its view, and the refinement in the last one."""
        parts = [[stage, view] for view, stage in self._cascade(None)]
        if self.refinement is not None:
            parts[-1].append(self.refinement)
        return parts

    def extended(self, config: DANConfig) -> Self:
        """The same network with the heads that another configuration has; new ones are fresh."""
        network = type(self)(config)
        new = [
            name
            for name in ("refinement", "confidence", "covariance", "visibility")
            if getattr(self, name) is None and getattr(network, name) is not None
        ]
        heads = {
            name: value
            for name, value in network.state_dict().items()
            if name.partition(".")[0] in new
        }
        network.load_state_dict(self.state_dict() | heads)
        return network.to(self.mean_shape.device)
