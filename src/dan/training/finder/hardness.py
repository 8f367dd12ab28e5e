"""How hard backgrounds are: those in which the network sees faces are shown more often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from dan.core.files import make_folder, read_text, write_text
from dan.core.types import FloatArray
from dan.training.finder.batches import channels_first
from dan.training.finder.material import Source
from dan.training.processes import from_main

HARDEST = 16.0
"""Times that the hardest background is shown as often as one in which nothing is seen."""

LONGEST = 416
"""Longer side of backgrounds when they are looked through for mistakes, pixels."""


def kept_hardness(
    path: Path, network: nn.Module | None, backgrounds: Sequence[Source], accelerator: Accelerator
) -> FloatArray:
    """(n_backgrounds,) hardness, found only once; a round that goes on reads it from its file.

    Args:
        path: JSON file.
        network: as the round before left it; None: all backgrounds are alike.
        backgrounds: pictures without a face.
        accelerator: its main process writes the file.
    """
    kept = from_main(accelerator, lambda: read_text(path) if path.is_file() else None)
    if kept is not None:
        return np.array(json.loads(kept))
    found = np.ones(len(backgrounds)) if network is None else hardness_of(network, backgrounds)
    hardness = found.round(3)
    if accelerator.is_main_process:
        make_folder(path.parent)
        write_text(path, json.dumps(hardness.tolist()))
    return hardness


def hardness_of(network: nn.Module, backgrounds: Sequence[Source]) -> FloatArray:
    """(n_backgrounds,) 1 to :data:`HARDEST`: the surer the network is of a face, the harder."""
    device = next(network.parameters()).device
    network.eval()
    best = []
    for source in backgrounds:
        picture = source.levels[0]
        scale = min(LONGEST / max(picture.shape[:2]), 1.0)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        padded = np.zeros((LONGEST, LONGEST, 3), dtype=np.uint8)
        padded[: small.shape[0], : small.shape[1]] = small
        both = np.stack([padded, np.rot90(padded)])
        with torch.inference_mode():
            logits = network(channels_first(torch.from_numpy(both), device)).logits
        best.append(float(logits.sigmoid().max()))
    return 1 + (HARDEST - 1) * np.array(best) ** 2
