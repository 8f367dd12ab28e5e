"""Random numbers as functions of seed, phase and step alone: so a resumed run needs no memory."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


class Draw(IntEnum):
    """What random numbers are drawn for. The values are part of the seeds: they never change."""

    ORDER = 0
    SAMPLES = 1
    DROPOUT = 2
    WEIGHTS = 3
    STATISTICS = 4
    CONFIDENCE = 7
    REFINEMENT = 8


def derive_seed(*parts: int) -> int:
    """A well-mixed seed from several whole numbers (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def faces_of_step(step: int, n_faces: int, batch_size: int, seed: int) -> Tensor:
    """(batch_size,) faces of a step: shuffled epochs laid end to end, so no face is left out."""
    places = range(step * batch_size, (step + 1) * batch_size)
    orders = [_epoch_order(place // n_faces, n_faces, seed) for place in places]
    return torch.stack(
        [order[place % n_faces] for order, place in zip(orders, places, strict=True)]
    )


@lru_cache(maxsize=2)
def _epoch_order(epoch: int, n_faces: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    return torch.randperm(n_faces, generator=generator)
