"""A model in one file: safetensors, with the configuration as JSON in its header. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dan.core.errors import CheckpointError, ConfigError
from dan.core.files import replacing
from dan.core.structs import build_struct
from dan.core.types import FilePath
from dan.model.config import DANConfig
from dan.model.dan import DAN
from dan.model.finder import FaceFinderNetwork, FinderConfig
from dan.schemes import LandmarkScheme

HEADER = "dan"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ModelFile:
    """A model with what must be known to use it.

    Attributes:
        model: in evaluation mode, on the CPU, float32.
        scheme: what the landmarks are.
        training: what is known of its making: data, date, figures, licence; plain JSON values.
    """

    model: DAN
    scheme: LandmarkScheme
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FinderFile:
    """A face finder and how it was made.

    Attributes:
        network: in evaluation mode, on the CPU.
        training: figures, recipe and date; plain JSON values.
    """

    network: FaceFinderNetwork
    training: Mapping[str, Any]


def save_model(
    path: FilePath, model: DAN, scheme: LandmarkScheme, training: Mapping[str, Any] | None = None
) -> None:
    """Write a model, whole or not at all."""
    header = {
        "format": FORMAT_VERSION,
        "config": model.config.to_dict(),
        "scheme": scheme.to_dict(),
        "training": dict(training or {}),
    }
    save_tensors(path, model.state_dict(), header)


def load_model(path: FilePath) -> ModelFile:
    """Read a model.

    Raises:
        CheckpointError: naming the file, if it is missing, damaged, or no model of ours.
    """
    tensors, header = load_tensors(path)
    try:
        config = DANConfig.from_dict(header["config"])
        scheme = LandmarkScheme.from_dict(header["scheme"])
        training = header.get("training", {})
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: expected the header of a dan model: {error}") from error
    if scheme.n_landmarks != config.n_landmarks:
        raise CheckpointError(
            f"{path}: expected a scheme of {config.n_landmarks} points, got {scheme.n_landmarks}"
        )
    model = DAN(config)
    fill(model, tensors, path)
    return ModelFile(model.eval(), scheme, training)


def save_finder(path: FilePath, network: FaceFinderNetwork, training: Mapping[str, Any]) -> None:
    """Write a face finder, whole or not at all.

    Args:
        training: how it was made, plain JSON values; its recipe's table ``network`` is the
            network's configuration.
    """
    save_tensors(path, network.state_dict(), {"format": FORMAT_VERSION, "finder": dict(training)})


def load_finder(path: FilePath) -> FinderFile:
    """Read a face finder.

    Raises:
        CheckpointError: naming the file, if it is missing, damaged or something else.
    """
    tensors, header = load_tensors(path)
    if not isinstance(made := header.get("finder"), dict):
        raise CheckpointError(f"{path}: expected a face finder, got another checkpoint")
    try:
        network = FaceFinderNetwork(build_struct(FinderConfig, made["recipe"]["network"]))
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: expected a face finder's header: {error}") from error
    fill(network, tensors, path)
    return FinderFile(network.eval(), made)


def fill(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: FilePath) -> None:
    """Copy tensors into a module; every name and shape must match.

    Raises:
        CheckpointError: naming the file and the first entry that differs.
    """
    wanted = module.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        shapes = [
            "nothing" if name not in values else str(tuple(values[name].shape))
            for values in (wanted, tensors)
        ]
        if shapes[0] != shapes[1]:
            raise CheckpointError(f"{path}: {name}: expected {shapes[0]}, got {shapes[1]}")
    module.load_state_dict(dict(tensors))


def save_tensors(path: FilePath, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header, whole or not at all."""
    values = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with replacing(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # safetensors would let only the owner read
            save_file(values, temporary, {HEADER: json.dumps(header)})
            temporary.chmod(mode)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be written: {error}") from error


def load_header(path: FilePath) -> dict[str, Any]:
    """The JSON header of what :func:`save_tensors` wrote, without its tensors.

    Raises:
        CheckpointError: naming the file, if it is missing, damaged or foreign.
    """
    return _load(path, with_tensors=False)[1]


def load_tensors(path: FilePath) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        CheckpointError: naming the file, if it is missing, damaged or foreign.
    """
    return _load(path, with_tensors=True)


def _load(path: FilePath, *, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: expected a checkpoint file, found none")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name) for name in names}
        header = json.loads(metadata[HEADER])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path}: expected a dan checkpoint (safetensors): {error}"
        ) from error
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: expected format {FORMAT_VERSION}, got {header.get('format')}"
        )
    return tensors, header
