"""Smooth random fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

FREQUENCIES = 4
"""A field is a sum of cosines of 0 to 3 half waves down and across the picture."""

INVERSION_STEPS = 10
"""Of the fixed-point iteration; each shrinks what is left by the field's slope, 0.3 or so."""


@dataclass(frozen=True)
class SmoothFields:
    """Smooth random fields over a batch of square pictures.

    They bend faces, and throw light and shadow on them.

    Attributes:
        weights: (B, K, F, F), of F frequencies down and F across, for K fields a picture.
        size: side of the picture, pixels.
    """

    weights: Tensor
    size: int

    @staticmethod
    def n_draws(n_fields: int) -> int:
        """Random numbers that a picture's fields are made of."""
        return n_fields * FREQUENCIES**2

    @classmethod
    def of_draws(cls, draws: Tensor, deviation: float, size: int) -> Self:
        """Random fields; their weights fall with the frequency, so that what is near moves alike.

        Args:
            draws: (B, K·F²) standard normal.
            deviation: root mean square of the fields, over pictures and places; their mean over
                each picture is zero.
            size: side of the pictures, pixels.
        """
        line = torch.arange(FREQUENCIES, dtype=draws.dtype, device=draws.device)
        down, across = torch.meshgrid(line, line, indexing="ij")
        frequency = (down.square() + across.square()).sqrt()
        amplitude = torch.where(frequency > 0, 1 / frequency.clamp_min(1), 0.0)
        mean_squares = 0.5 ** ((down > 0).to(draws) + (across > 0).to(draws))  # of the cosines
        total = (amplitude.square() * mean_squares).sum().sqrt()
        weights = draws.view(len(draws), -1, FREQUENCIES, FREQUENCIES)
        return cls(weights * (amplitude * deviation / total), size)

    def maps(self) -> Tensor:
        """(B, K, S, S), the fields at all pixels."""
        waves = self._waves(self._line())  # (S, F)
        return waves @ self.weights @ waves.T

    def sources(self) -> Tensor:
        """(B, S·S, 2), where each pixel of a picture bent by two fields, x and y, comes from."""
        y, x = torch.meshgrid(self._line(), self._line(), indexing="ij")
        return torch.stack([x, y], dim=-1).view(-1, 2) + self.maps().flatten(2).transpose(1, 2)

    def places(self, points: Tensor) -> Tensor:
        """(B, N, 2) points of the straight picture -> where the bent one shows them."""
        places = points
        for _ in range(INVERSION_STEPS):  # until place + field(place) = point
            across, down = self._waves(places).unbind(2)  # (B, N, F) each
            places = points - torch.einsum("bkij,bni,bnj->bnk", self.weights, down, across)
        return places

    def _line(self) -> Tensor:
        return torch.arange(self.size, dtype=self.weights.dtype, device=self.weights.device)

    def _waves(self, positions: Tensor) -> Tensor:
        """(..., F), the cosines at positions along a side, pixels."""
        numbers = torch.arange(FREQUENCIES, device=positions.device)
        return ((positions[..., None] + 0.5) * numbers * (math.pi / self.size)).cos()
