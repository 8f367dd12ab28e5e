"""One stage: four convolution blocks, a hidden layer, the offsets of the points."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dan.model.config import DANConfig
from dan.model.distributed import GlobalBatchNorm1d, GlobalBatchNorm2d, GlobalDropout
from dan.model.torch_geometry import constant

N_BLOCKS = 4

READ_STRIDES = (2, 4)
"""Of the maps that a stage gives away: those at a half and a quarter of its input's resolution."""


class StageMap(NamedTuple):
    """What a block of a stage saw, before its pooling.

    Attributes:
        values: (B, C, H, W).
        stride: pixels of the stage's input from one pixel of the map to the next.
        start: the input's pixel that the map's first one stands for, on both axes.
    """

    values: Tensor
    stride: int
    start: float


def positions_on(maps: Sequence[StageMap], points: Tensor) -> Tensor:
    """(B, N, 2) points in pixels of the input -> (B, N, M, 2) in pixels of each map."""
    starts = constant(tuple((item.start,) for item in maps), points)
    strides = constant(tuple((float(item.stride),) for item in maps), points)
    return (points[:, :, None] - starts) / strides


class StageOutput(NamedTuple):
    """What a stage makes of its input.

    Attributes:
        offsets: (B, N, 2) pixels.
        hidden: (B, hidden).
        maps: one for each of ``READ_STRIDES``.
    """

    offsets: Tensor
    hidden: Tensor
    maps: list[StageMap]


def map_channels(config: DANConfig) -> tuple[int, ...]:
    """Channels of the maps that a stage gives away."""
    first = 0 if config.trunk == "strided" else 1
    return tuple(config.width * 2 ** (first + place) for place in range(len(READ_STRIDES)))


class ConvLayer(nn.Sequential):
    """Convolution with batch norm and ReLU, in the variant's order; by default 3x3."""

    def __init__(
        self, n_in: int, n_out: int, config: DANConfig, kernel: int = 3, stride: int = 1
    ) -> None:
        bias = config.variant == "tensorflow"
        conv = nn.Conv2d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=bias)
        super().__init__(_in_order("conv", conv, GlobalBatchNorm2d(n_out), config))


class HiddenLayer(nn.Sequential):
    """Dense layer with batch norm and ReLU, in the variant's order."""

    def __init__(self, n_in: int, config: DANConfig) -> None:
        dense = nn.Linear(n_in, config.hidden, bias=config.variant == "tensorflow")
        super().__init__(_in_order("dense", dense, GlobalBatchNorm1d(config.hidden), config))


def _in_order(
    name: str, layer: nn.Module, norm: nn.Module, config: DANConfig
) -> OrderedDict[str, nn.Module]:
    """The authors' order is layer, norm, ReLU; the TensorFlow port's is layer, ReLU, norm."""
    after = [("norm", norm), ("relu", nn.ReLU(inplace=True))]
    if config.variant == "tensorflow":
        after.reverse()
    return OrderedDict([(name, layer), *after])


class Stage(nn.Module):
    """The trunk that every stage has; it regresses the offsets of all points.

    Args:
        config: sizes.
        n_channels: 1 for the first stage (the image), 3 for the later ones, whose stacked input is
            batch-normalised first because its three images have nothing in common.
    """

    def __init__(self, config: DANConfig, n_channels: int) -> None:
        super().__init__()
        self.n_landmarks = config.n_landmarks
        self.first_stride = 2 if config.trunk == "strided" else 1
        self.input_norm = GlobalBatchNorm2d(n_channels) if n_channels > 1 else nn.Identity()
        self.blocks = _blocks(n_channels, config)
        n_flat = config.width * 2 ** (N_BLOCKS - 1) * (config.image_size // 2**N_BLOCKS) ** 2
        self.dropout = GlobalDropout(config.dropout)
        self.hidden = HiddenLayer(n_flat, config)
        self.offsets = nn.Linear(config.hidden, 2 * config.n_landmarks)
        self.apply(glorot_for_relu)
        nn.init.xavier_uniform_(self.offsets.weight)  # no ReLU follows: gain 1

    def forward(self, images: Tensor) -> StageOutput:
        """Look at (B, C, S, S) images."""
        values, maps = self.input_norm(images), []
        stride, start = self.first_stride, 0.0
        for layer in self.blocks:
            if isinstance(layer, nn.MaxPool2d):
                if stride in READ_STRIDES:
                    maps.append(StageMap(values, stride, start))
                stride, start = 2 * stride, start + stride / 2
            values = layer(values)
        flat = self.dropout(values.flatten(1))  # order: channel, row, column
        hidden = self.hidden(flat)
        # bfloat16 would round an offset of 20 pixels to a sixteenth of a pixel.
        with torch.autocast(hidden.device.type, enabled=False):
            offsets = self.offsets(hidden.to(self.offsets.weight.dtype))
        return StageOutput(offsets.view(-1, self.n_landmarks, 2), hidden, maps)

    def start_from(self, other: Stage) -> None:
        """Take the trunk of another stage; it then changes nothing, until it is trained.

        Input images that the other stage does not have weigh zero at first, and so do the offsets.
        """
        values = other.state_dict()
        own = self.state_dict()
        first = next(name for name in values if name.endswith("conv.weight"))
        kernel = torch.zeros_like(own[first])
        n_shared = min(kernel.shape[1], values[first].shape[1])
        kernel[:, :n_shared] = values[first][:, :n_shared]
        kept = {name: own[name] for name in own if name.startswith("input_norm")}
        offsets = {name: torch.zeros_like(own[name]) for name in own if name.startswith("offsets")}
        self.load_state_dict(kept | values | {first: kernel} | offsets)


def _blocks(n_channels: int, config: DANConfig) -> nn.Sequential:
    """The convolution blocks, (B, C, S, S) -> (B, 8·width, S/16, S/16), in the trunk's form."""
    layers: list[nn.Module] = []
    is_strided = config.trunk == "strided"
    for block in range(N_BLOCKS):
        width = config.width * 2**block
        if is_strided and block == 0:
            layers.append(ConvLayer(n_channels, width, config, kernel=5, stride=2))
        else:
            layers.append(ConvLayer(n_channels, width, config))
        layers.append(ConvLayer(width, width, config))
        if not (is_strided and block == N_BLOCKS - 1):
            layers.append(nn.MaxPool2d(2))
        n_channels = width
    return nn.Sequential(*layers)


def glorot_for_relu(module: nn.Module) -> None:
    """Glorot uniform kernel (Glorot and Bengio 2010) with gain √2 where a ReLU follows; no bias."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
