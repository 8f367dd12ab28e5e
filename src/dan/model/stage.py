"""One stage: four convolution blocks, a hidden layer, the offsets of the points."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from dan.model.config import DANConfig
from dan.model.distributed import GlobalBatchNorm1d, GlobalBatchNorm2d, GlobalDropout

POOLINGS = 4


class ConvLayer(nn.Sequential):
    """3x3 convolution with batch norm and ReLU, in the variant's order."""

    def __init__(self, n_in: int, n_out: int, config: DANConfig) -> None:
        conv = nn.Conv2d(n_in, n_out, 3, padding=1, bias=config.variant == "tensorflow")
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
        self.input_norm = GlobalBatchNorm2d(n_channels) if n_channels > 1 else nn.Identity()
        layers: list[nn.Module] = []
        for block in range(POOLINGS):
            width = config.width * 2**block
            layers += [ConvLayer(n_channels, width, config), ConvLayer(width, width, config)]
            layers += [nn.MaxPool2d(2)]
            n_channels = width
        self.blocks = nn.Sequential(*layers)
        n_flat = n_channels * (config.image_size // 2**POOLINGS) ** 2
        self.dropout = GlobalDropout(config.dropout)
        self.hidden = HiddenLayer(n_flat, config)
        self.offsets = nn.Linear(config.hidden, 2 * config.n_landmarks)
        self.apply(glorot_for_relu)
        nn.init.xavier_uniform_(self.offsets.weight)  # no ReLU follows: gain 1

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, S, S) -> offsets (B, N, 2) in pixels, hidden layer (B, hidden)."""
        maps = self.blocks(self.input_norm(images))  # (B, 8·width, S/16, S/16)
        flat = self.dropout(maps.flatten(1))  # order: channel, row, column
        hidden = self.hidden(flat)
        # bfloat16 would round an offset of 20 pixels to a sixteenth of a pixel.
        with torch.autocast(hidden.device.type, enabled=False):
            offsets = self.offsets(hidden.to(self.offsets.weight.dtype))
        return offsets.view(-1, self.n_landmarks, 2), hidden


def glorot_for_relu(module: nn.Module) -> None:
    """Glorot uniform kernel (Glorot and Bengio 2010) with gain √2 where a ReLU follows; no bias."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight, gain=2**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
