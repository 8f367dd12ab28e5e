"""The optimiser of a phase, and the moving average of the weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Network = TypeVar("Network", bound=nn.Module)


def build_optimiser(
    model: nn.Module, kind: str, rate: float, weight_decay: float, *, on_device: bool = False
) -> Optimizer:
    """Adam or AdamW over the weights that are not frozen; only kernels decay.

    Args:
        on_device: its rate and its count of steps are tensors beside the weights, as a CUDA graph
            wants them.
    """
    trained = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in trained if value.dim() > 1], "weight_decay": weight_decay},
        {"params": [value for value in trained if value.dim() <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    if on_device:
        return optimiser(groups, lr=torch.tensor(rate, device=trained[0].device), capturable=True)
    return optimiser(groups, lr=rate)


class MovingAverage(Generic[Network]):
    """Exponential moving average of weights and batch statistics.

    The decay rises with the number of updates, (1 + n) / (10 + n), until it reaches ``decay``, so
    that the first random weights are soon forgotten.
    """

    def __init__(self, model: Network, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(requires_grad=False).eval()
        self.decay = decay
        self.share = torch.ones((), device=next(self.model.parameters()).device)

    def prepare(self, n_updates: int) -> None:
        """Say how many updates came before the next one."""
        decay = min((1 + n_updates) / (10 + n_updates), self.decay) if n_updates else 0.0
        self.share.fill_(1 - decay)

    def update(self, model: Network) -> None:
        """Take in the weights of the model; all on the device, which nothing waits for."""
        for average, value in zip(_values(self.model), _values(model), strict=True):
            if average.is_floating_point():
                average.lerp_(value, self.share.to(average.dtype))
            else:
                average.copy_(value)


def _values(model: nn.Module) -> list[Tensor]:
    return [*(value.detach() for value in model.parameters()), *model.buffers()]
