"""The optimiser of a phase, its learning rate, and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from dan.training.recipe import TrainingSettings

FINAL_RATE = 0.01
"""The cosine ends at this share of the highest rate."""


def build_optimiser(model: nn.Module, kind: str, rate: float, weight_decay: float) -> Optimizer:
    """Adam or AdamW over the weights that are not frozen; only kernels decay."""
    trained = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in trained if value.dim() > 1], "weight_decay": weight_decay},
        {"params": [value for value in trained if value.dim() <= 1], "weight_decay": 0.0},
    ]
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(groups, lr=rate)


def rate_at(step: int, n_steps: int, highest: float, settings: TrainingSettings) -> float:
    """Learning rate of a step (0-based): linear warm-up, then constant or cosine."""
    warm_up = min(settings.warm_up_steps, n_steps // 10)
    if step < warm_up:
        return highest * (step + 1) / (warm_up + 1)
    if settings.rate_schedule == "constant":
        return highest
    progress = (step - warm_up) / max(n_steps - warm_up, 1)
    return highest * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """The learning rate of all weights, from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


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
