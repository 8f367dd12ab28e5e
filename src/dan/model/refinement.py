"""Local refinement: each point is corrected by what the last stage's maps show around it.

What was seen there also tells how far off the point may be, and whether it can be seen at all.

A stage regresses all points from one hidden layer, which knows the face as a whole but little of
where an edge runs. This head reads small patches of two of the stage's own maps around each point
that it found, and moves all points once more: the shape-indexed features of cascaded regressors
(Xiong and De la Torre 2013, "Supervised Descent Method and its Applications to Face Alignment"; Ren
et al. 2014, "Face Alignment at 3000 FPS via Regressing Local Binary Features") on learned maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dan.model.config import DANConfig
from dan.model.distributed import GlobalBatchNorm1d, GlobalBatchNorm2d
from dan.model.stage import StageMap, glorot_for_relu, map_channels, positions_on
from dan.model.torch_geometry import constant

MAP_CHANNELS = 16
"""Each map is narrowed to so many channels first: patches are large, the maps are not."""

PATCH_SIDE = 5
"""Pixels of the map: 10 and 20 of the crop at a half and a quarter of its resolution."""


class LocalRefinement(nn.Module):
    """Offsets of all points from patches around them.

    At first it moves nothing.

    Args:
        config: sizes.
    """

    def __init__(self, config: DANConfig) -> None:
        super().__init__()
        n_landmarks, units, n_channels = config.n_landmarks, config.refinement, map_channels(config)
        self.narrow = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(n, MAP_CHANNELS, 1, bias=False), GlobalBatchNorm2d(MAP_CHANNELS)
            )
            for n in n_channels
        )
        n_values = len(n_channels) * MAP_CHANNELS * PATCH_SIDE**2
        self.look: nn.Module = PointwiseLinear(n_landmarks, n_values, units)
        self.norm = GlobalBatchNorm1d(n_landmarks * units)
        self.offsets = nn.Linear(n_landmarks * units + config.hidden, 2 * n_landmarks)
        self.apply(glorot_for_relu)
        nn.init.zeros_(self.offsets.weight)

    def forward(
        self, maps: Sequence[StageMap], points: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Correct points.

        Args:
            maps: of the stage.
            points: (B, N, 2) what it found, pixels of its input.
            hidden: (B, hidden) its hidden layer.

        Returns:
            (B, N, 2) offsets, pixels; (B, N, units) what was seen around each point.
        """
        narrowed = [narrow(item.values) for narrow, item in zip(self.narrow, maps, strict=True)]
        seen = patches(narrowed, positions_on(maps, points), PATCH_SIDE)
        local = functional.relu(self.norm(self.look(torch.cat(seen, dim=2)).flatten(1)))
        with torch.autocast(points.device.type, enabled=False):  # offsets need sub-pixel digits
            together = torch.cat([local, hidden], dim=1).to(self.offsets.weight.dtype)
            offsets: Tensor = self.offsets(together)
        return offsets.view_as(points), local.view(*points.shape[:2], -1)


class PointHead(nn.Module):
    """Values of each point, linear in what was seen around it and in the stage's hidden layer.

    At first all are zero.

    Args:
        config: sizes.
        n_values: of each point.
    """

    def __init__(self, config: DANConfig, n_values: int) -> None:
        super().__init__()
        self.around = PointwiseLinear(config.n_landmarks, config.refinement, n_values)
        self.whole = nn.Linear(config.hidden, config.n_landmarks * n_values)
        for value in self.parameters():
            nn.init.zeros_(value)

    def forward(self, local: Tensor, hidden: Tensor) -> Tensor:
        """(B, N, units), (B, hidden) -> (B, N, n_values)."""
        own: Tensor = self.around(local)
        together: Tensor = own + self.whole(hidden).view(own.shape)
        return together


def triangle_of(values: Tensor) -> Tensor:
    """(B, N, 3) values of a head -> (B, N, 2, 2) lower triangles, whose squares are covariances.

    The values are the logarithms of the diagonal and what lies below (Cholesky; Dorta et al. 2018,
    "Structured Uncertainty Prediction Networks"), so that every covariance is symmetric and
    positive definite.
    """
    diagonal, below = torch.split(values, [2, 1], dim=-1)
    places = constant(((1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)), values)
    placed = torch.cat([diagonal.exp(), below], dim=-1) @ places
    return placed.view(*values.shape[:-1], 2, 2)


class PointwiseLinear(nn.Module):
    """A dense layer of its own for each point, without bias."""

    def __init__(self, n_points: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_points, n_in, n_out))
        for kernel in self.weight:
            nn.init.xavier_uniform_(kernel, gain=2**0.5)

    def forward(self, values: Tensor) -> Tensor:
        """(B, N, n_in) -> (B, N, n_out)."""
        products: Tensor = values.transpose(0, 1) @ self.weight
        return products.transpose(0, 1)


def patches(maps: Sequence[Tensor], positions: Tensor, side: int) -> list[Tensor]:
    """Square patches of several maps, bilinear; beyond the edges the outermost pixels repeat.

    Whole rows of channels are gathered and blended: several times faster than sampling each channel
    of each pixel.

    Args:
        maps: M of them, (B, C, H, W), of any sizes.
        positions: (B, N, M, 2) x, y of the patches' centres, pixels of each map.
        side: of the patches, pixels; odd.

    Returns:
        Of each map (B, N, side·side·C), row after row, channels last.
    """
    sizes = [values.shape[2:] for values in maps]
    corner = positions.detach().floor()
    shares = (positions - corner).to(maps[0].dtype)[..., None, None]  # (B, N, M, 2, 1, 1)
    reach = torch.arange(side + 1, device=corner.device, dtype=corner.dtype) - side // 2
    last = constant(tuple((width - 1.0, height - 1.0) for height, width in sizes), corner)
    cells = torch.minimum((corner[..., None] + reach).clamp_min(0), last[..., None])
    columns, rows = torch.split(cells, 1, dim=3)  # (B, N, M, 1, side + 1) each
    widths = constant(tuple((float(width),) for _, width in sizes), corner)[..., None]
    places = (rows.transpose(3, 4) * widths + columns).long()  # (B, N, M, side + 1, side + 1)
    places = places.clamp_min(0)  # of positions that are NaN, and whose patches will be
    # Behind the pixels of a map of one picture lie those of the next picture.
    lengths = constant(tuple(height * width for height, width in sizes), places)
    pictures = torch.arange(places.shape[0], device=places.device)[:, None] * lengths  # (B, M)
    places = places + pictures[:, None, :, None, None]
    across, down = shares.unbind(3)  # (B, N, M, 1, 1) each
    return [
        _blended(*each)
        for each in zip(maps, *(value.unbind(2) for value in (places, across, down)), strict=True)
    ]


def _blended(values: Tensor, places: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """(B, N, side·side·C) patches of (B, C, H, W) from (B, N, side + 1, side + 1) places."""
    pixels = values.permute(0, 2, 3, 1).flatten(0, 2)  # free in channels_last
    seen = pixels.index_select(0, places.flatten()).view(*places.shape, -1)
    across, down = across[..., None], down[..., None]
    # Not torch.lerp, which exports as two formulas and a choice between them.
    left, right = seen[..., :-1, :], seen[..., 1:, :]
    seen = left + across * (right - left)
    upper, lower = seen[..., :-1, :, :], seen[..., 1:, :, :]
    seen = upper + down * (lower - upper)
    return seen.flatten(2)
