"""The phases of a training: which stages, how many steps, at which rate, with which numbers."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from enum import Enum

import msgspec

from dan.training.randomness import Draw, derive_seed
from dan.training.recipe import Recipe, covered_by_fingerprint


class PhaseKind(Enum):
    """What is trained together."""

    STAGE = "one stage"
    JOINT = "all stages"
    REFINEMENT = "all stages and the refinement"


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
        epoch_steps: steps of one pass over the training faces.
        rate: highest learning rate.
        key: tells its random numbers from those of the other phases; part of the seeds, so what
            it is for a phase never changes.
        recipe: the settings that it goes by.
    """

    kind: PhaseKind
    name: str
    stages: tuple[int, ...]
    n_steps: int
    epoch_steps: int
    rate: float
    key: int
    recipe: Recipe

    @property
    def n_stages(self) -> int:
        """How many stages run."""
        return max(self.stages)

    def seed(self, step: int, draw: Draw) -> int:
        """Seed of one use of randomness in one step."""
        return derive_seed(self.recipe.training.seed, self.key, step, draw)

    def is_validated_after(self, step: int) -> bool:
        """Whether a validation follows when so many steps are done."""
        every = self.recipe.training.validate_every * self.epoch_steps
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
    epoch = phases[0].epoch_steps
    n_steps, rate = settings.joint_epochs * epoch, settings.joint_rate
    for number in range(1, settings.joint_rounds + 1) if settings.joint_epochs else ():
        name = f"joint{number}" if number > 1 else "joint"
        key = n_stages + number - 1 if number > 1 else JOINT_KEY
        phases.append(Phase(PhaseKind.JOINT, name, stages, n_steps, epoch, rate, key, plain))
    if settings.refinement_epochs:
        kind, name, key = PhaseKind.REFINEMENT, "refinement", REFINEMENT_KEY
        n_steps, rate = settings.refinement_epochs * epoch, settings.refinement_rate
        phases.append(Phase(kind, name, stages, n_steps, epoch, rate, key, recipe))
    return phases


def stage_phase(stage: int, recipe: Recipe, n_faces: int) -> Phase:
    """The phase that trains one stage (1-based) alone."""
    settings = recipe.training
    epoch = steps_per_epoch(n_faces, settings.batch_size)
    kind, name, n_steps = PhaseKind.STAGE, f"stage{stage}", settings.epochs[stage - 1] * epoch
    return Phase(kind, name, (stage,), n_steps, epoch, settings.rate, stage, recipe)


def steps_per_epoch(n_faces: int, batch_size: int) -> int:
    """Steps after which every face was seen; the last batch is filled from the next epoch."""
    return math.ceil(n_faces / batch_size)
