"""Layers that see the global batch, so that many processes compute what one would.

In one process, and outside training, they are the plain torch layers. torch's own synchronised
batch norm has no CPU version.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn


def world() -> tuple[int, int]:
    """(rank, number of processes)."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:  # noqa: ANN401
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class _GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world()[1] == 1:
            return super().forward(x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        wide = x.float()
        sums = torch.stack([wide.sum(axes), wide.square().sum(axes)])  # (2, C)
        count = x.numel() // x.shape[1] * world()[1]
        total: Tensor = _SumOverProcesses.apply(sums)  # type: ignore[no-untyped-call]
        mean, mean_square = (total / count).unbind(0)
        variance = (mean_square - mean.square()).clamp_min(0)
        self._update_running(mean.detach(), variance.detach() * count / max(count - 1, 1))
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        gain: Tensor = (variance + self.eps).rsqrt() * self.weight
        shift: Tensor = self.bias - mean * gain
        return (wide * gain.view(shape) + shift.view(shape)).to(x.dtype)

    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


class GlobalBatchNorm2d(_GlobalBatchNorm, nn.BatchNorm2d):
    """Batch norm of (B, C, H, W) over the batches of all processes."""


class GlobalBatchNorm1d(_GlobalBatchNorm, nn.BatchNorm1d):
    """Batch norm of (B, C) over the batches of all processes."""


class GlobalDropout(nn.Dropout):
    """Dropout whose mask is a slice of the global batch's, given the same seed in each process."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) of this process, the same number in each."""
        rank, size = world()
        if not self.training or self.p == 0:
            return x
        uniform = torch.rand(size * len(x), *x.shape[1:], device=x.device)
        kept = uniform[rank * len(x) : (rank + 1) * len(x)] >= self.p
        return x * kept / (1 - self.p)
