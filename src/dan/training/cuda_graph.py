"""Training steps as CUDA graphs: a GPU computes them faster than Python can ask for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dan.training.augmentation import Batch

WARM_UP_STEPS = 3
"""Before a step is recorded: libraries are loaded, and the optimiser has made its state."""


class GraphedStep:
    """A training step that is recorded once, and then replayed on each batch.

    The first steps run as they are. See "CUDA Graphs" in PyTorch's notes on CUDA semantics, whose
    advice on streams is followed here.

    Args:
        learn: one step; nothing in it waits for the GPU or depends on values there, and what
            changes from step to step lies in tensors that stay where they are.
    """

    def __init__(self, learn: Callable[[Batch], Tensor]) -> None:
        self.learn = learn
        self.n_done = 0
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.graph = torch.cuda.CUDAGraph()
        self.batch: Batch | None = None
        self.loss: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of the step, after which the weights have changed."""
        self.n_done += 1
        if self.n_done <= WARM_UP_STEPS:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                loss = self.learn(batch)
            torch.cuda.current_stream().wait_stream(self.stream)
            return loss
        if self.batch is None or self.loss is None:
            self.batch = batch
            with torch.cuda.graph(self.graph, stream=self.stream):  # nothing is computed here
                self.loss = self.learn(batch)
        else:
            self.batch.take(batch)
        self.graph.replay()
        return self.loss.clone()
