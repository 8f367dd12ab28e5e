"""The authors' weight files (Theano and Lasagne, ``DAN.npz``) as models of ours.

Such a file holds its parameters as ``arr_0``, ``arr_1``, … in the order of the network, then what
belongs to the training set. One walk along the network checks each entry and puts it in its place.

What their definitions do to the numbers:

- Theano's convolution is a true one: kernels are turned by 180 degrees.
- Batch norm holds the inverse deviation as used; ours is ``1 / sqrt(variance + epsilon)``.
- Dense kernels are (in, out); the flatten order (channel, row, column) is ours, too.
- Warps clamp positions to S - 2, the last pixel but one: the border ``inner_edge``.
- The confidence is a softmax over "no face, face", that is a sigmoid of their difference.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from torch import nn

from dan.core.errors import CheckpointError
from dan.core.types import FilePath, FloatArray
from dan.model import DAN, paper
from dan.model.importing.filling import (
    convolutions,
    feature_dense,
    first_stages,
    put,
    put_norm,
    put_statistics,
    stages_of,
)
from dan.model.importing.npz import NpzFile
from dan.model.stage import Stage
from dan.model.weights import ModelFile
from dan.schemes import FACE68

ARRAYS_FIRST, ARRAYS_LATER, ARRAYS_CONFIDENCE = 47, 53, 2
"""Entries of the first stage, of each later one, and of the confidence."""

UNREAD = frozenset({"errors", "errorsTrain"})
"""Curves of the training; they may be pickled, so they are never loaded."""


def load_theano(path: FilePath, n_stages: int | None = None) -> ModelFile:
    """Read an .npz of the reference implementation.

    The confidence of a file with several stages comes from the first one's hidden layer; ours from
    the last one's. It is therefore kept only if one stage is taken.

    Args:
        path: the file.
        n_stages: take the first stages only; None: all.

    Raises:
        CheckpointError: naming the file and the first entry that is not as it should be.
    """
    with closing(NpzFile(path)) as file:
        available, with_confidence = _contents(file)
        taken = available if n_stages is None else n_stages
        if not 1 <= taken <= available:
            raise CheckpointError(f"{path}: expected {taken} stages, got {available}")
        model = DAN(
            replace(
                paper(FACE68.n_landmarks, available),
                confidence=with_confidence,
                border="inner_edge",
            )
        )
        _fill(model, _Parameters(file))
    training = {
        "source": "weights of the reference implementation (Theano)",
        "file": Path(path).name,
        "stages": f"{taken} of {available}",
    }
    if with_confidence and taken > 1:
        training["left_out"] = "confidence, which comes from stage 1; --stages 1 keeps it"
    elif with_confidence:
        training["confidence"] = "that the crop shows a face; its authors ask for at least 0.1"
    model = first_stages(model, taken, confidence=with_confidence and taken == 1)
    return ModelFile(model.eval(), FACE68, training)


def _contents(file: NpzFile) -> tuple[int, bool]:
    """Number of stages, and whether there is a confidence.

    Counted generously: a file that lacks an entry, or has one too many, is told so by the walk.
    """
    if file.shape("arr_0") != (paper().width, 1, 3, 3):
        return 1, False  # something else: no reason to build a network for its many entries
    count = sum(name.startswith("arr_") for name in file.names)
    n_stages = 1 + max(0, round((count - ARRAYS_FIRST) / ARRAYS_LATER))
    whole = ARRAYS_FIRST + (n_stages - 1) * ARRAYS_LATER
    softmax = file.shape(f"arr_{whole}")
    return n_stages, count == whole + ARRAYS_CONFIDENCE or softmax == (paper().hidden, 2)


class _Parameters:
    """``arr_0``, ``arr_1``, … of a file, one after the other."""

    def __init__(self, file: NpzFile) -> None:
        self.file = file
        self.names: set[str] = set()

    def take(self, shape: tuple[int, ...], what: str) -> FloatArray:
        name = f"arr_{len(self.names)}"
        self.names.add(name)
        return self.file.take(name, shape, what)


def _fill(model: DAN, parameters: _Parameters) -> None:
    """Walk along the network and the file."""
    file, hidden = parameters.file, model.config.hidden
    for number, stage in enumerate(stages_of(model), start=1):
        if number > 1:
            _fill_dense(feature_dense(model, number), parameters, f"feature image, stage {number}")
            _fill_norm(stage.input_norm, parameters, f"input norm, stage {number}")
        _fill_stage(stage, parameters, f"stage {number}")
    if model.confidence is not None:
        weights = parameters.take((hidden, 2), "W of confidence")
        bias = parameters.take((2,), "b of confidence")
        put(model.confidence.weight, weights[:, 1] - weights[:, 0])
        put(model.confidence.bias, bias[1] - bias[0])
    size, n_landmarks = model.config.image_size, model.config.n_landmarks
    mean_image = file.take("meanImg", (1, size, size), "mean image")
    std_image = file.take("stdDevImg", (1, size, size), "deviation image")
    mean_shape = file.take("initLandmarks", (n_landmarks, 2), "mean shape")
    try:
        put_statistics(model, mean_shape, mean_image, std_image)
    except CheckpointError as error:
        raise CheckpointError(f"{file.path}: {error}") from error
    known = parameters.names | UNREAD | {"meanImg", "stdDevImg", "initLandmarks"}
    for name in file.names:
        if name not in known:
            raise CheckpointError(f"{file.path}: {name}: expected no such entry")


def _fill_stage(stage: Stage, parameters: _Parameters, which: str) -> None:
    for number, layer in enumerate(convolutions(stage), start=1):
        what = f"convolution {number}, {which}"
        kernels = layer.get_parameter("conv.weight")
        put(kernels, parameters.take(tuple(kernels.shape), f"W of {what}")[:, :, ::-1, ::-1])
        _fill_norm(layer.get_submodule("norm"), parameters, what)
    weight = stage.hidden.get_parameter("dense.weight")
    put(weight, parameters.take(tuple(weight.T.shape), f"W of hidden layer, {which}").T)
    _fill_norm(stage.hidden.get_submodule("norm"), parameters, f"hidden layer, {which}")
    _fill_dense(stage.offsets, parameters, f"output, {which}")


def _fill_dense(layer: nn.Linear, parameters: _Parameters, what: str) -> None:
    put(layer.weight, parameters.take(tuple(layer.weight.T.shape), f"W of {what}").T)
    put(layer.bias, parameters.take(tuple(layer.bias.shape), f"b of {what}"))


def _fill_norm(norm: nn.Module, parameters: _Parameters, what: str) -> None:
    """Beta, gamma, mean, inverse deviation; the latter as ``1 / sqrt(variance + epsilon)``.

    No variance gives an inverse deviation that is not positive or above ``1 / sqrt(epsilon)``; what
    is missing of it goes into gamma. For files of trained networks that factor is one.
    """
    shape = tuple(norm.get_parameter("weight").shape)
    beta, gamma, mean, inverse = (
        parameters.take(shape, f"{name} of {what}") for name in ("beta", "gamma", "mean", "inv_std")
    )
    epsilon = nn.BatchNorm1d(1).eps
    variance = np.maximum(1 / np.maximum(inverse**2, 1e-12) - epsilon, 0)
    put_norm(norm, gamma * inverse * np.sqrt(variance + epsilon), beta, mean, variance)
