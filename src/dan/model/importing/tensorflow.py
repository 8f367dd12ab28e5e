"""Checkpoints of the TensorFlow ports as models of ours.

Their graph calls its variables ``imgs_mean``, ``imgs_std`` and ``shape_mean``, and those of stage k
``sK/``, then ``conv2d``, ``batch_normalization`` and ``dense``, each counted in the order of use:
``conv2d``, ``conv2d_1``, and so on. Stage 2 uses ``dense`` for the feature image and
``batch_normalization`` for its stacked input. Optimiser slots and counters are not read.

Kernels are (row, column, in, out) and no convolution is turned; the flatten order is (row, column,
channel), ours is (channel, row, column).
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from dan.core.errors import CheckpointError, ConfigError
from dan.core.types import FilePath
from dan.model import DAN, DANConfig
from dan.model.importing.filling import (
    convolutions,
    feature_dense,
    first_stages,
    put,
    put_norm,
    put_statistics,
    stages_of,
)
from dan.model.importing.tensor_bundle import Checkpoint
from dan.model.stage import Stage
from dan.model.weights import ModelFile
from dan.schemes import scheme_of

FUSED_EPSILON = 1.001e-5
"""The least that TensorFlow 1 adds to a variance in a fused batch norm, as cuDNN asked for it."""


def load_tensorflow(prefix: FilePath, n_stages: int | None = None) -> ModelFile:
    """Read a checkpoint that the port's ``DAN_V2.py`` wrote.

    Args:
        prefix: of its files, ``MODEL_DIR/model.ckpt-1000``, or the path of the ``.index``.
        n_stages: take the first stages only; None: all. The port's checkpoints always hold two,
            also after ``-ds 1``, when the second is untrained.

    Raises:
        CheckpointError: naming the file and the first variable that is not as it should be.
    """
    checkpoint = Checkpoint(prefix)
    config = _config(checkpoint)
    taken = config.n_stages if n_stages is None else n_stages
    if not 1 <= taken <= config.n_stages:
        raise CheckpointError(f"{checkpoint.index}: expected {taken} stages, got {config.n_stages}")
    model = DAN(config)
    for number, stage in enumerate(stages_of(model), start=1):
        _fill_stage(model, stage, number, checkpoint)
    side = (config.image_size, config.image_size, 1)
    mean_shape = checkpoint.take("shape_mean", (config.n_landmarks, 2))
    mean_image, std_image = (checkpoint.take(name, side) for name in ("imgs_mean", "imgs_std"))
    try:
        put_statistics(model, mean_shape, mean_image, std_image)
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint.index}: {error}") from error
    training = {
        "source": "weights of the TensorFlow port",
        "file": Path(checkpoint.prefix).name,
        "stages": f"{taken} of {config.n_stages}",
    }
    model = first_stages(model, taken, confidence=False)
    return ModelFile(model.eval(), scheme_of(config.n_landmarks), training)


def _config(checkpoint: Checkpoint) -> DANConfig:
    """Sizes, from the shapes of a few variables."""
    shapes = checkpoint.shapes
    n_stages = 0
    while f"s{n_stages + 1}/conv2d/kernel" in shapes:
        n_stages += 1
    try:
        return DANConfig(
            n_landmarks=shapes["shape_mean"][0],
            image_size=shapes["imgs_mean"][0],
            n_stages=n_stages,
            width=shapes["s1/conv2d/kernel"][3],
            hidden=shapes["s1/dense/kernel"][1],
            variant="tensorflow",
        )
    except (KeyError, IndexError, ConfigError) as error:
        raise CheckpointError(
            f"{checkpoint.index}: expected the variables of DAN_V2.py: {error}"
        ) from error


def _fill_stage(model: DAN, stage: Stage, number: int, checkpoint: Checkpoint) -> None:
    scope, is_later = f"s{number}/", int(number > 1)
    if is_later:
        _fill_dense(feature_dense(model, number), checkpoint, f"{scope}dense")
        _fill_norm(stage.input_norm, checkpoint, f"{scope}batch_normalization")
    layers = convolutions(stage)
    for index, layer in enumerate(layers):
        name = _counted(f"{scope}conv2d", index)
        kernels = layer.get_parameter("conv.weight")
        n_out, n_in, height, width = kernels.shape
        found = checkpoint.take(f"{name}/kernel", (height, width, n_in, n_out))
        put(kernels, found.transpose(3, 2, 0, 1))
        put(layer.get_parameter("conv.bias"), checkpoint.take(f"{name}/bias", (n_out,)))
        norm_name = _counted(f"{scope}batch_normalization", index + is_later)
        _fill_norm(layer.get_submodule("norm"), checkpoint, norm_name)
    name = _counted(f"{scope}dense", is_later)
    weight = stage.hidden.get_parameter("dense.weight")
    n_hidden, n_flat = weight.shape
    channels = layers[-1].get_parameter("conv.bias").shape[0]
    side = round((n_flat / channels) ** 0.5)
    found = checkpoint.take(f"{name}/kernel", (n_flat, n_hidden))
    put(weight, found.reshape(side, side, channels, n_hidden).transpose(3, 2, 0, 1))
    put(stage.hidden.get_parameter("dense.bias"), checkpoint.take(f"{name}/bias", (n_hidden,)))
    norm_name = _counted(f"{scope}batch_normalization", len(layers) + is_later)
    _fill_norm(stage.hidden.get_submodule("norm"), checkpoint, norm_name)
    _fill_dense(stage.offsets, checkpoint, _counted(f"{scope}dense", 1 + is_later))


def _counted(name: str, index: int) -> str:
    return f"{name}_{index}" if index else name


def _fill_dense(layer: nn.Linear, checkpoint: Checkpoint, name: str) -> None:
    shape = layer.in_features, layer.out_features
    put(layer.weight, checkpoint.take(f"{name}/kernel", shape).T)
    put(layer.bias, checkpoint.take(f"{name}/bias", shape[1:]))


def _fill_norm(norm: nn.Module, checkpoint: Checkpoint, name: str) -> None:
    """The port asks for torch's epsilon, 1e-5, which TensorFlow raises in the norms of maps."""
    shape = tuple(norm.get_parameter("weight").shape)
    gamma, beta, mean, variance = (
        checkpoint.take(f"{name}/{entry}", shape)
        for entry in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    if isinstance(norm, nn.BatchNorm2d):
        variance = variance + (FUSED_EPSILON - norm.eps)
    put_norm(norm, gamma, beta, mean, variance)
