"""Losses of predicted points; each gives one value a face.

A point that is NaN in the truth has no position: it adds nothing, neither to the loss nor to its
gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor

from dan.core.errors import ConfigError
from dan.schemes import LandmarkScheme
from dan.training.recipe import LossKind

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(B, N, 2) predicted, (B, N, 2) truth, both crop pixels; (B, N) weights of the points, 0 where one
has no position, with a face's weight as their mean -> (B,) losses."""

WING_WIDTH = 10.0
WING_CURVATURE = 2.0
"""w and ε of Feng et al., CVPR 2018, equation 5, which they chose on 68-point faces."""


def loss_kind_of(kind: LossKind, scheme: LandmarkScheme) -> LossKind:
    """The loss that ``auto`` stands for with a scheme; any other stays."""
    if kind != "auto":
        return kind
    return "diagonal" if scheme.eyes is None else "eye_centres"


def build_loss(kind: LossKind, scheme: LandmarkScheme, mean_shape: Tensor) -> Loss:
    """The loss of a recipe.

    Args:
        mean_shape: (N, 2) of the faces, at any place and scale, on the device of the losses.

    Raises:
        ConfigError: if it needs eyes that the scheme does not know.
    """
    match loss_kind_of(kind, scheme):
        case "wing":
            return wing_loss
        case "diagonal":
            return _over_diagonal
        case "eye_centres" | "auto":  # which auto stands for where there are eyes
            return _over_eye_centres(scheme, mean_shape)
        case other:
            assert_never(other)


def _over_diagonal(predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    return mean_distance(predicted, truth, weights) / box_diagonals(truth)


def _over_eye_centres(scheme: LandmarkScheme, mean_shape: Tensor) -> Loss:
    """Where an eye lacks a point, that of the mean shape counts, as large as the points there are.

    That is, scaled by the diagonal of their box. The eyes of a face from the side lie close
    together, where they can be seen at all.
    """
    if scheme.eyes is None:
        raise ConfigError(
            f"training.loss: eye_centres needs a scheme that knows its eyes, {scheme.name} does "
            "not; use auto or diagonal"
        )
    left, right = (
        torch.tensor(eye, device=mean_shape.device) for eye in (scheme.eyes.left, scheme.eyes.right)
    )
    eyes_of_mean = eye_centre_distances(mean_shape[None], left, right)

    def by_eye_centres(predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        lengths = eye_centre_distances(truth, left, right)
        same_points = mean_shape.masked_fill(truth.isnan(), torch.nan)
        fitted = eyes_of_mean * box_diagonals(truth) / box_diagonals(same_points)
        lengths = torch.where(lengths.isnan(), fitted, lengths)
        return mean_distance(predicted, truth, weights) / lengths

    return by_eye_centres


def _offsets(predicted: Tensor, truth: Tensor) -> Tensor:
    """(B, N, 2) from truth to prediction; 0 where a point has no position."""
    return torch.where(truth.isnan(), 0, predicted - truth)


def mean_distance(predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """(B,) mean point-to-point distance, pixels; weights as of :data:`Loss`."""
    square = _offsets(predicted, truth).square().sum(dim=-1)
    distance = (square + 1e-12).sqrt()  # 1e-12: the root has no slope at zero
    return (distance * weights).mean(dim=1)


def eye_centre_distances(truth: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """(B,) distance of the eyes' mean points, pixels; NaN where an eye lacks a point.

    Args:
        truth: (B, N, 2).
        left: (K,) indices of an eye's points.
        right: (K,) of the other's.
    """
    span = truth[:, right].mean(dim=1) - truth[:, left].mean(dim=1)
    distances: Tensor = torch.linalg.vector_norm(span, dim=-1)
    return distances


def box_diagonals(truth: Tensor) -> Tensor:
    """(B,) diagonal of the box of the landmarks that have a position, pixels."""
    unknown, far = truth.isnan(), float("inf")
    last, first = (truth.masked_fill(unknown, end) for end in (-far, far))
    diagonals: Tensor = torch.linalg.vector_norm(last.amax(dim=1) - first.amin(dim=1), dim=-1)
    return diagonals


def wing_loss(predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Wing loss: logarithmic near zero, so that small errors keep their weight; linear far off."""
    distance = _offsets(predicted, truth).abs()
    offset = WING_WIDTH - WING_WIDTH * math.log1p(WING_WIDTH / WING_CURVATURE)
    near = WING_WIDTH * torch.log1p(distance / WING_CURVATURE)
    losses = torch.where(distance < WING_WIDTH, near, distance - offset)
    return (losses * weights[..., None]).mean(dim=(1, 2))
