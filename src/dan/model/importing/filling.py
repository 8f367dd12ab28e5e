"""What both importers do to a model of ours."""

from __future__ import annotations

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from dan.core.errors import CheckpointError, DegenerateShapeError
from dan.core.types import FloatArray, Points
from dan.geometry import box_of_points
from dan.model import DAN
from dan.model.stage import ConvLayer, Stage


def put(target: Tensor, values: FloatArray) -> None:
    """Copy numbers into a parameter or buffer of the same shape."""
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values).reshape(target.shape)))


def put_norm(
    norm: nn.Module, gain: FloatArray, shift: FloatArray, mean: FloatArray, variance: FloatArray
) -> None:
    """Fill a batch norm, ``gain · (x - mean) / sqrt(variance + epsilon) + shift``."""
    put(norm.get_parameter("weight"), gain)
    put(norm.get_parameter("bias"), shift)
    put(norm.get_buffer("running_mean"), mean)
    put(norm.get_buffer("running_var"), variance)


def stages_of(model: DAN) -> list[Stage]:
    """Its stages, in order."""
    return [stage for stage in model.stages if isinstance(stage, Stage)]


def convolutions(stage: Stage) -> list[ConvLayer]:
    """The eight layers of a stage, in order."""
    return [layer for layer in stage.blocks if isinstance(layer, ConvLayer)]


def feature_dense(model: DAN, number: int) -> nn.Linear:
    """Dense layer of the feature image that stage ``number`` (2 or more) looks at."""
    layer = model.views[number - 1].get_submodule("feature_image.dense")
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"expected a linear layer, got {type(layer)}")
    return layer


def put_statistics(
    model: DAN, mean_shape: Points, mean_image: FloatArray, std_image: FloatArray
) -> None:
    """Fill in what belongs to the training set, unchanged.

    Raises:
        CheckpointError: if the shape spans no area or a deviation is not positive.
    """
    if not (std_image > 0).all():
        raise CheckpointError("deviation image: expected positive values, got zero or less")
    try:
        box_of_points(mean_shape)
    except DegenerateShapeError as error:
        raise CheckpointError(f"mean shape: {error}") from error
    put(model.mean_shape, mean_shape)
    put(model.mean_image, mean_image)
    put(model.std_image, std_image)


def first_stages(model: DAN, n_stages: int, *, confidence: bool) -> DAN:
    """The same model without its later stages; with or without the confidence that it has."""
    config = replace(model.config, n_stages=n_stages, confidence=confidence)
    if config == model.config:
        return model
    shorter, values = DAN(config), model.state_dict()
    shorter.load_state_dict({name: values[name] for name in shorter.state_dict()})
    return shorter
