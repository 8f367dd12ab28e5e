"""The network of the face finder: faces of any size and at any angle, in one look at the picture.

Every cell of three maps (strides 8, 16 and 32 pixels) asks four questions: does a face that stands
about upright, or turned by a quarter, a half or three quarters of a circle, have its centre here?
For each of them it says how good its answer is and where the face's *frame* lies: the square of its
landmarks' size, turned with the face. Four answers instead of one, because the mean of two opposite
directions is none: a cell in doubt between them says so in its scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple, cast

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
"""Pixels from cell to cell of the three maps."""

SIZE_IN_STRIDES = 3.0
"""Size of the face, in strides, that a cell says with a zero."""

QUARTERS = 4
"""Directions that each cell answers for, 360°/4 apart."""

VALUES = 1 + 4
"""Of an answer: score, shift x and y, logarithm of the size, turn from the direction."""

_CountFromOne = Annotated[int, Meta(ge=1)]
_Widths = Annotated[tuple[_CountFromOne, ...], Meta(min_length=5, max_length=5)]
_Blocks = Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=3, max_length=3)]


class FinderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a :class:`FaceFinderNetwork`.

    Attributes:
        widths: channels at strides 2, 4, 8, 16 and 32.
        neck: channels of the three maps that are looked at.
        blocks: residual blocks at strides 8, 16 and 32.
    """

    widths: _Widths = (16, 24, 40, 80, 128)
    neck: _CountFromOne = 40
    blocks: _Blocks = (1, 3, 3)


class Frames(NamedTuple):
    """Frames of faces; K of each picture.

    Attributes:
        logits: (B, K) of how good each is.
        centres_xy: (B, K, 2) pixels.
        sizes: (B, K) larger side of the upright landmarks' box, pixels.
        rolls: (B, K) radians, positive from x towards y.
    """

    logits: Tensor
    centres_xy: Tensor
    sizes: Tensor
    rolls: Tensor


class _Separable(nn.Sequential):
    """A depthwise convolution and a 1 x 1 one."""

    def __init__(self, n_in: int, n_out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_in, side, stride, side // 2, groups=n_in, bias=False),
            nn.BatchNorm2d(n_in),
            nn.Conv2d(n_in, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )


class _Residual(nn.Module):
    """A separable convolution added to what it sees."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.change = _Separable(width, width, side)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = features + self.change(features)
        return changed


class FaceFinderNetwork(nn.Module):
    """Pictures in, frames of faces out.

    Args:
        config: its sizes.
    """

    def __init__(self, config: FinderConfig) -> None:
        super().__init__()
        stem, quarter, *deep = config.widths
        neck = config.neck
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            _Separable(stem, quarter, 3, 2),
        )
        self.levels, self.laterals, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = quarter
        for number, (width, count) in enumerate(zip(deep, config.blocks, strict=True)):
            side = 5 if number else 3  # at stride 8, five would cost more than it finds
            self.levels.append(
                nn.Sequential(
                    _Separable(before, width, side, 2),
                    *(_Residual(width, side) for _ in range(count)),
                )
            )
            self.laterals.append(nn.Conv2d(width, neck, 1))
            answers = nn.Conv2d(neck, QUARTERS * VALUES, 1)
            self.heads.append(nn.Sequential(_Residual(neck, side), _Residual(neck, 3), answers))
            nn.init.zeros_(answers.weight[VALUES - 1 :: VALUES])
            nn.init.constant_(cast(Tensor, answers.bias)[::VALUES], -4.0)  # faces are rare
            before = width

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """(B, 3, H, W) grey levels 0..255, H and W multiples of 32 -> (B, 4 · 5, H/s, W/s) maps."""
        features = self.stem(pictures)  # the first normalisation knows no scale
        deep = []
        for level in self.levels:
            features = level(features)
            deep.append(features)
        answers: list[Tensor] = []
        above: Tensor | None = None
        for features, lateral, head in reversed(
            list(zip(deep, self.laterals, self.heads, strict=True))
        ):
            merged = lateral(features)
            if above is not None:
                merged = merged + functional.interpolate(above, scale_factor=2.0, mode="nearest")
            answers.append(head(merged))
            above = merged
        return answers[::-1]

    def forward(self, pictures: Tensor) -> Frames:
        """Every cell's four answers, for (B, 3, H, W) pictures as :meth:`maps` takes them."""
        answers, cells = answers_of(self.maps(pictures))
        quarters = torch.arange(QUARTERS, device=answers.device).repeat(len(cells))
        return decode(answers, cells.repeat_interleave(QUARTERS, dim=0), quarters)


def answers_of(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Answers and cells of :meth:`FaceFinderNetwork.maps`, in reading order, map after map.

    Returns:
        (B, 4 · C, 5) answers, four of each cell after the other; (C, 3) cells: x and y of the
        centre, stride, pixels.
    """
    answers, cells = [], []
    for map_, stride in zip(maps, STRIDES[: len(maps)], strict=True):
        batch, _, height, width = map_.shape
        answers.append(map_.permute(0, 2, 3, 1).reshape(batch, -1, VALUES).float())
        cells.append(cells_of(height, width, stride, map_.device))
    return torch.cat(answers, dim=1), torch.cat(cells)


def cells_of(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """(H · W, 3) cells of a map in reading order: x and y of the centre, stride, pixels."""
    # The centre of cell i lies amid its pixels i·s .. i·s + s - 1.
    x = torch.arange(width, device=device) * stride + (stride - 1) / 2
    y = torch.arange(height, device=device) * stride + (stride - 1) / 2
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([across, down, torch.full_like(across, stride)], dim=-1).reshape(-1, 3)


def decode(answers: Tensor, cells: Tensor, quarters: Tensor) -> Frames:
    """Frames that (..., K, 5) answers of (K, 3) cells mean, for (K,) directions of 0..3."""
    score, shift_x, shift_y, size, turn = answers.unbind(dim=-1)
    x, y, stride = cells.unbind(dim=-1)
    centres = torch.stack([x + shift_x * stride, y + shift_y * stride], dim=-1)
    sizes = SIZE_IN_STRIDES * stride * torch.exp(size.clamp(-3.0, 3.0))
    return Frames(score, centres, sizes, quarters * (2 * math.pi / QUARTERS) + turn)
