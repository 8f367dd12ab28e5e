"""Random numbers of a batch of samples, whichever processes share it."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_DEVIATIONS = 2.5
"""Normal draws are cut off here, so that no face leaves its crop."""

USE_STEP = 2**32
"""From the seeds of one use of random images to those of the next."""


class Dice:
    """Random numbers for the global batch, of which one slice is given out."""

    def __init__(self, count: int, mine: slice, seed: int, device: torch.device) -> None:
        self.count, self.mine, self.seed, self.device = count, mine, seed, device
        self.generator = torch.Generator().manual_seed(seed)  # on the CPU: alike on every device

    def uniform(self) -> Tensor:
        """(B,) in 0..1."""
        draws = torch.rand(self.count, generator=self.generator)
        return draws[self.mine].to(self.device)

    def normal(self, deviation: float) -> Tensor:
        """(B,) with mean zero, cut off at 2.5 deviations."""
        draws = torch.randn(self.count, generator=self.generator)
        draws = draws.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS) * deviation
        return draws[self.mine].to(self.device)

    def normals(self, count: int) -> Tensor:
        """(B, count) standard normal, cut off at 2.5 deviations."""
        draws = torch.randn(self.count, count, generator=self.generator)
        return draws.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)[self.mine].to(self.device)

    def uniforms(self, count: int) -> Tensor:
        """(B, count) in 0..1."""
        draws = torch.rand(self.count, count, generator=self.generator)
        return draws[self.mine].to(self.device)

    def chance(self, probability: float) -> Tensor:
        """(B,) true with the given probability."""
        return self.uniform() < probability

    def is_chosen(self, probability: float) -> Tensor:
        """(B,) true with the given probability, on the CPU."""
        return torch.rand(self.count, generator=self.generator)[self.mine] < probability

    def some(self, probability: float) -> Tensor:
        """(K,) places, on the CPU, of the samples that the given probability chooses."""
        return self.is_chosen(probability).nonzero()[:, 0]

    def normal_images(self, places: Tensor, size: int, use: int = 0) -> Tensor:
        """(K, 1, S, S) standard normal for the samples at the given places, drawn on the device.

        Args:
            places: (K,) on the CPU.
            size: side of the images, pixels.
            use: numbers of different uses have nothing to do with each other.
        """
        generator = torch.Generator(self.device)
        images = torch.empty(len(places), 1, size, size, device=self.device)
        first = self.seed + use * USE_STEP + self.mine.start
        for image, place in zip(images, places.tolist(), strict=True):
            image.normal_(generator=generator.manual_seed(first + place))
        return images
