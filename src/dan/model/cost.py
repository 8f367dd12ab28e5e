"""Parameters and multiplications of a network, counted on the network itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dan.model.config import DANConfig
from dan.model.dan import DAN
from dan.model.refinement import PointwiseLinear


@dataclass(frozen=True)
class ModelCost:
    """Cost of each stage, its view included, and in the last one the refinement.

    Attributes:
        parameters: trainable numbers a stage.
        multiplications: multiply-adds of convolutions and dense layers a face and stage (batch
            norm, warps and heat maps not counted, as in the literature).
    """

    parameters: tuple[int, ...]
    multiplications: tuple[int, ...]


def cost_of(config: DANConfig) -> ModelCost:
    """Count by watching one face pass through a network of this configuration."""
    model = DAN(config).eval()
    parts = model.parts()
    counts = [0] * len(parts)
    for index, modules in enumerate(parts):
        for layer in (layer for module in modules for layer in module.modules()):
            if isinstance(layer, nn.Conv2d | nn.Linear | PointwiseLinear):
                layer.register_forward_hook(_counter(counts, index))
    size = config.image_size
    with torch.no_grad():
        model(torch.zeros(1, 1, size, size))
    return ModelCost(
        parameters=tuple(
            sum(values.numel() for module in modules for values in module.parameters())
            for modules in parts
        ),
        multiplications=tuple(counts),
    )


def _counter(counts: list[int], index: int) -> Callable[[nn.Module, object, Tensor], None]:
    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        # Each output value is the sum of one product per weight of its output channel.
        weight = layer.get_parameter("weight")
        n_in = weight.shape[1] if isinstance(layer, PointwiseLinear) else weight[0].numel()
        counts[index] += output.numel() * n_in

    return count
