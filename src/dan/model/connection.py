"""The connection layers: what stage k+1 sees of the image, given what stage k found.

Canonical frame: the crop turned, scaled and shifted so that the current points lie nearest to the
mean shape.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dan.model.config import DANConfig
from dan.model.stage import glorot_for_relu
from dan.model.torch_geometry import (
    constant,
    in_full_precision,
    move_points,
    straighten,
    warp,
)

PATCH_HALF_SIZE = 8
"""The authors' code draws each point's heat within 8 pixels and keeps points 8 off the border."""

LANDMARKS_AT_A_TIME = 17

GAUSSIAN_SIGMAS = (0.015, 0.04, 0.1)
"""Deviations of the separable heat map's Gaussians, as shares of the crop's side."""


class InverseDistanceHeatMap(nn.Module):
    """The paper's heat map, 1 / (1 + distance to the nearest point).

    Args:
        size: side of the map, pixels.
        cut_off: as the authors' code: zero beyond a square patch around each point's pixel, and
            points clipped to the border's margin. Otherwise the map has no end.
    """

    def __init__(self, size: int, *, cut_off: bool) -> None:
        super().__init__()
        self.cut_off = cut_off
        self.register_buffer("line", torch.arange(size, dtype=torch.float32), persistent=False)
        self.line: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 2) points, pixels -> (B, 1, S, S) map."""
        return _inverse_distance_map(points, self.line, self.cut_off)


@in_full_precision
def _inverse_distance_map(points: Tensor, line: Tensor, cut_off: bool) -> Tensor:
    line = line.to(points.dtype)
    if cut_off:
        points = points.clamp(PATCH_HALF_SIZE, line.shape[0] - 1 - PATCH_HALF_SIZE)
    size = line.shape[0]
    far = torch.full((), 4.0 * size**2, dtype=points.dtype, device=points.device)
    nearest = far.expand(points.shape[0], size, size)  # squared distance, (B, S, S)
    # A few landmarks at a time stay in the cache, where the whole (B, N, S, S) field would not.
    for block in torch.split(points, LANDMARKS_AT_A_TIME, dim=1):
        x, y = line - block[..., :1], line - block[..., 1:]  # (B, K, S) each
        square_x, square_y = x.square(), y.square()
        if cut_off:
            pixel = block.detach().trunc()
            square_x = torch.where((line - pixel[..., :1]).abs() <= PATCH_HALF_SIZE, square_x, far)
            square_y = torch.where((line - pixel[..., 1:]).abs() <= PATCH_HALF_SIZE, square_y, far)
        squares = square_y[..., :, None] + square_x[..., None, :]  # (B, K, S, S)
        nearest = torch.minimum(nearest, squares.amin(dim=1))
    heat = 1 / (1 + (nearest + 1e-6).sqrt())  # 1e-6: the root has no slope at zero
    if cut_off:
        heat = torch.where(nearest < far, heat, torch.zeros_like(heat))
    return heat[:, None]


class GaussianHeatMap(nn.Module):
    """A sum of separable Gaussians of three widths around every point.

    ``exp(-d²/2σ²)`` is a product of a row and a column, so the sum over all points and widths is
    one (S, 3N) x (3N, S) matrix product an image.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("line", torch.arange(size, dtype=torch.float32), persistent=False)
        self.line: Tensor
        self.sigmas = tuple(share * size for share in GAUSSIAN_SIGMAS)

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 2) points, pixels -> (B, 1, S, S) map."""
        return _gaussian_map(points, self.line, self.sigmas)


@in_full_precision
def _gaussian_map(points: Tensor, line: Tensor, sigmas: tuple[float, ...]) -> Tensor:
    squares = (line.to(points.dtype) - points.transpose(1, 2)[..., None]).square()  # (B, 2, N, S)
    steepness = constant(tuple(-0.5 / sigma**2 for sigma in sigmas), points)
    # e^-30 is nothing here, and denormal numbers further out make processors 50 times slower.
    heats = (squares[:, :, None] * steepness[:, None, None]).clamp_min(-30.0).exp()
    columns, rows = torch.split(heats.flatten(2, 3), 1, dim=1)  # (B, 1, 3N, S) each
    return rows.transpose(2, 3) @ columns


def build_heat_map(config: DANConfig) -> nn.Module:
    """The heat map that a configuration asks for."""
    if config.heat_map == "gaussians":
        return GaussianHeatMap(config.image_size)
    return InverseDistanceHeatMap(config.image_size, cut_off=config.variant == "theano")


class FeatureImage(nn.Module):
    """The hidden layer spread out as an image: dense, ReLU, doubled in size."""

    def __init__(self, config: DANConfig) -> None:
        super().__init__()
        self.side = config.image_size // 2
        self.bilinear = config.variant == "tensorflow"
        self.dense = nn.Linear(config.hidden, self.side**2)
        glorot_for_relu(self.dense)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, hidden) -> (B, 1, S, S)."""
        small = torch.relu(self.dense(hidden)).view(-1, 1, self.side, self.side)
        if self.bilinear:  # TensorFlow 1: pixel x of the result is x/2 of the small image
            size = 2 * self.side + 1
            longer = functional.pad(small, (0, 1, 0, 1), mode="replicate")
            doubled = functional.interpolate(
                longer, (size, size), mode="bilinear", align_corners=True
            )
            return doubled[..., :-1, :-1]
        return functional.interpolate(small, scale_factor=2, mode="nearest")


class StageInput(NamedTuple):
    """What a stage is given.

    Attributes:
        images: (B, 3, S, S) warped image, heat map, feature image, canonical frame; of the first
            stage (B, 1, S, S), the crop itself.
        points: (B, N, 2) current points, canonical frame; of the first stage (N, 2).
        crop_from_canonical: (B, 2, 3); None: the frames are one.
    """

    images: Tensor
    points: Tensor
    crop_from_canonical: Tensor | None = None

    def to_crop(self, points: Tensor) -> Tensor:
        """(B, N, 2) points of the canonical frame -> of the crop."""
        if self.crop_from_canonical is None:
            return points
        return move_points(points, self.crop_from_canonical)


class FirstView(nn.Module):
    """Of the first stage, which sees the crop as it is: nothing is known yet of the face in it."""

    def forward(self, images: Tensor, points: Tensor, *_: Tensor | None) -> StageInput:
        """As :meth:`Connection.forward`; ``points`` is the mean shape."""
        return StageInput(images, points)


class Connection(nn.Module):
    """From the points and the hidden layer of one stage to the input of the next."""

    def __init__(self, config: DANConfig) -> None:
        super().__init__()
        self.size = config.image_size
        self.border = config.warp_border
        self.heat_map = build_heat_map(config)
        self.feature_image = FeatureImage(config)

    def forward(
        self, images: Tensor, points: Tensor, hidden: Tensor, mean_shape: Tensor
    ) -> StageInput:
        """What the next stage is given, in the canonical frame of ``points``.

        Args:
            images: (B, 1, S, S) normalised crops.
            points: (B, N, 2) current points, crop frame.
            hidden: (B, hidden) of the stage that found them.
            mean_shape: (N, 2), crop frame.
        """
        canonical_points, crop_from_canonical = straighten(points, mean_shape)
        warped = warp(images, crop_from_canonical, self.size, self.border)
        heat = self.heat_map(canonical_points)
        feature = self.feature_image(hidden).to(warped.dtype)
        return StageInput(
            torch.cat([warped, heat, feature], 1), canonical_points, crop_from_canonical
        )
