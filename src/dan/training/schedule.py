"""What happens at which step, as functions of the step alone: so a resumed run needs no memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dan.training.config import Recipe, TrainingSettings

REFINEMENT_NUMBER = 1000
"""Beyond that of any other phase."""

FINAL_RATE = 0.01
"""The cosine ends at this share of the highest rate."""


@dataclass(frozen=True)
class Phase:
    """A part of the training.

    Attributes:
        name: ``stage1``, ``stage2``, …, ``joint``, ``joint2``, …, ``refinement``; the name of its
            folder.
        trained: stages (1-based) whose weights change; those after them do not run.
        epochs: passes over the training faces.
        rate: highest learning rate.
        number: tells its random numbers from those of the other phases.
        joint: whether all stages are trained together.
        refined: whether the refinement is trained with them.
    """

    name: str
    trained: tuple[int, ...]
    epochs: int
    rate: float
    number: int
    joint: bool = False
    refined: bool = False

    @property
    def n_stages(self) -> int:
        """How many stages run."""
        return max(self.trained)


def phases_of(recipe: Recipe) -> list[Phase]:
    """Stage after stage, then what the recipe asks for: all together, once or more; refined."""
    settings, stages = recipe.training, tuple(range(1, recipe.model.n_stages + 1))
    phases = [stage_phase(number, recipe) for number in stages]
    for number in range(1, settings.joint_rounds + 1) if settings.joint_epochs else ():
        phases.append(
            Phase(
                f"joint{number}" if number > 1 else "joint",
                stages,
                settings.joint_epochs,
                settings.joint_rate,
                number=len(stages) + number - 1 if number > 1 else 0,
                joint=True,
            )
        )
    if settings.refinement_epochs:
        phases.append(
            Phase(
                "refinement",
                stages,
                settings.refinement_epochs,
                settings.refinement_rate,
                number=REFINEMENT_NUMBER,
                joint=True,
                refined=True,
            )
        )
    return phases


def stage_phase(number: int, recipe: Recipe) -> Phase:
    """The phase that trains stage ``number`` (1-based) alone."""
    settings = recipe.training
    return Phase(f"stage{number}", (number,), settings.epochs[number - 1], settings.rate, number)


def steps_per_epoch(n_faces: int, batch_size: int) -> int:
    """Steps after which every face was seen; the last batch is filled from the next epoch."""
    return math.ceil(n_faces / batch_size)


def rate_at(step: int, n_steps: int, highest: float, settings: TrainingSettings) -> float:
    """Learning rate of a step (0-based): linear warm-up, then constant or cosine."""
    warm_up = min(settings.warm_up_steps, n_steps // 10)
    if step < warm_up:
        return highest * (step + 1) / (warm_up + 1)
    if settings.rate_schedule == "constant":
        return highest
    progress = (step - warm_up) / max(n_steps - warm_up, 1)
    return highest * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def batch_indices(step: int, n_faces: int, batch_size: int, seed: int) -> Tensor:
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


def derive_seed(*parts: int) -> int:
    """A well-mixed seed from several whole numbers (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
