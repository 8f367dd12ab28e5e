"""The optimiser of a phase, and the moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel


def build_optimiser(model: nn.Module, kind: str, rate: float, weight_decay: float) -> Optimizer:
    """Adam or AdamW over the weights that are not frozen; only kernels decay."""
    trained = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in trained if value.dim() > 1], "weight_decay": weight_decay},
        {"params": [value for value in trained if value.dim() <= 1], "weight_decay": 0.0},
    ]
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(groups, lr=rate)


def build_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """Exponential moving average of weights and batch statistics, or None for decay 0.

    The decay rises with the number of updates, (1 + n) / (10 + n), until it reaches ``decay``, so
    that the first random weights are soon forgotten.
    """
    if not decay:
        return None

    def blend(
        averaged: tuple[Tensor, ...] | list[Tensor],
        current: tuple[Tensor, ...] | list[Tensor],
        count: Tensor | int,
    ) -> None:
        # All on the device: a number brought to the CPU would make it wait at every step.
        n = torch.as_tensor(count)
        share = 1 - ((1 + n) / (10 + n)).clamp_max(decay)
        for average, value in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share.to(average.dtype))
            else:
                average.copy_(value)

    averaged = AveragedModel(model, multi_avg_fn=blend, use_buffers=True)
    return averaged.requires_grad_(requires_grad=False).eval()
