"""The phases of a training, and what happens at which step of each.

All of it is a function of the step, random numbers included: so a resumed run needs no memory.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache

import msgspec
import numpy as np
import torch
from torch import Tensor

from dan.training.recipe import RateSchedule, Recipe, covered_by_fingerprint


class PhaseKind(Enum):
    """What is trained together."""

    STAGE = "one stage"
    JOINT = "all stages"
    REFINEMENT = "all stages and the refinement"


class Draw(IntEnum):
    """What random numbers are drawn for. The values are part of the seeds: they never change."""

    ORDER = 0
    SAMPLES = 1
    DROPOUT = 2
    WEIGHTS = 3
    STATISTICS = 4
    CONFIDENCE = 7
    REFINEMENT = 8
    CERTAINTY = 9


FINAL_RATE = 0.01
"""The cosine ends at this share of the highest rate."""

JOINT_KEY = 0
REFINEMENT_KEY = 1000
"""Of the phases that are no stage's, beside the stages' 1, 2, …; see :attr:`Phase.key`."""


@dataclass(frozen=True)
class Phase:
    """A part of the training.

    Attributes:
        kind: what is trained together.
        name: ``stage1``, ``stage2``, …, ``joint``, ``joint2``, …, ``refinement``; the name of its
            folder.
        stages: those (1-based) whose weights change; the ones after them do not run.
        n_steps: how long.
        n_faces: faces to train on.
        rate: highest learning rate.
        key: tells its random numbers from those of the other phases; part of the seeds, so what
            it is for a phase never changes.
        recipe: the settings that it goes by.
    """

    kind: PhaseKind
    name: str
    stages: tuple[int, ...]
    n_steps: int
    n_faces: int
    rate: float
    key: int
    recipe: Recipe

    @property
    def n_stages(self) -> int:
        """How many stages run."""
        return max(self.stages)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step (0-based): linear warm-up, then constant or cosine."""
        settings = self.recipe.training
        schedule = settings.rate_schedule
        return rate_of_step(step, self.n_steps, self.rate, settings.warm_up_steps, schedule)

    def faces_of(self, step: int) -> Tensor:
        """(batch,) faces of a step: shuffled epochs laid end to end, so no face is left out."""
        count, seed = self.recipe.training.batch_size, self.seed(0, Draw.ORDER)
        places = [divmod(step * count + number, self.n_faces) for number in range(count)]
        return torch.stack(
            [_epoch_order(epoch, self.n_faces, seed)[place] for epoch, place in places]
        )

    def seed(self, step: int, draw: Draw) -> int:
        """Seed of one use of randomness in one step."""
        return derive_seed(self.recipe.training.seed, self.key, step, draw)

    def is_validated_after(self, step: int) -> bool:
        """Whether a validation follows when so many steps are done."""
        settings = self.recipe.training
        every = settings.validate_every * steps_per_epoch(self.n_faces, settings.batch_size)
        return step % every == 0 or step == self.n_steps

    def fingerprint(self, data_identity: str) -> str:
        """Changes with the data, and with every setting that changes the weights.

        At a constant rate the number of steps does not: such a phase may be prolonged.
        """
        constant = self.recipe.training.rate_schedule == "constant"
        length = None if constant else self.n_steps
        tables = msgspec.structs.asdict(self.recipe)
        covered = {name: covered_by_fingerprint(table) for name, table in tables.items()}
        parts = [covered, self.name, self.rate, length, data_identity]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def phases_of(recipe: Recipe, n_faces: int) -> list[Phase]:
    """Stage after stage, then what the recipe asks for: all together, once or more; refined."""
    settings, n_stages = recipe.training, recipe.model.n_stages
    stages, plain = tuple(range(1, n_stages + 1)), recipe.without_refinement()
    phases = [stage_phase(stage, plain, n_faces) for stage in stages]
    epoch = steps_per_epoch(n_faces, settings.batch_size)
    n_steps, rate = settings.joint_epochs * epoch, settings.joint_rate
    for number in range(1, settings.joint_rounds + 1) if settings.joint_epochs else ():
        name = f"joint{number}" if number > 1 else "joint"
        key = n_stages + number - 1 if number > 1 else JOINT_KEY
        phases.append(Phase(PhaseKind.JOINT, name, stages, n_steps, n_faces, rate, key, plain))
    if settings.refinement_epochs:
        kind, name, key = PhaseKind.REFINEMENT, "refinement", REFINEMENT_KEY
        n_steps, rate = settings.refinement_epochs * epoch, settings.refinement_rate
        phases.append(Phase(kind, name, stages, n_steps, n_faces, rate, key, recipe))
    return phases


def stage_phase(stage: int, recipe: Recipe, n_faces: int) -> Phase:
    """The phase that trains one stage (1-based) alone."""
    settings, kind, name = recipe.training, PhaseKind.STAGE, f"stage{stage}"
    n_steps = settings.epochs[stage - 1] * steps_per_epoch(n_faces, settings.batch_size)
    return Phase(kind, name, (stage,), n_steps, n_faces, settings.rate, stage, recipe)


def rate_of_step(
    step: int, n_steps: int, rate: float, warm_up_steps: int, schedule: RateSchedule
) -> float:
    """Learning rate of a step (0-based) whose highest is ``rate``; see :meth:`Phase.rate_at`."""
    warm_up = min(warm_up_steps, n_steps // 10)
    if step < warm_up:
        return rate * (step + 1) / (warm_up + 1)
    if schedule == "constant":
        return rate
    progress = (step - warm_up) / max(n_steps - warm_up, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return rate * (FINAL_RATE + (1 - FINAL_RATE) * cosine)


def steps_per_epoch(n_faces: int, batch_size: int) -> int:
    """Steps after which every face was seen; the last batch is filled from the next epoch."""
    return math.ceil(n_faces / batch_size)


def derive_seed(*parts: int) -> int:
    """A well-mixed seed from several whole numbers (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


@lru_cache(maxsize=2)
def _epoch_order(epoch: int, n_faces: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    return torch.randperm(n_faces, generator=generator)
