"""Recipes of the face finder: everything that decides what its training gives, in one TOML file."""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from dan.core.errors import ConfigError
from dan.model.finder import FinderConfig
from dan.training.recipe import (
    NOT_COVERED,
    Count,
    CountFromOne,
    Positive,
    Precision,
    Probability,
    Size,
    Table,
)


class SceneSettings(Table, frozen=True):
    """How the scenes look that are composed for training.

    Attributes:
        size: side of a scene, pixels; a multiple of 32.
        smallest: side of the smallest faces, pixels.
        largest: side of the largest faces, as a share of the scene's side; single faces are more
            often large than small.
        grid: how often a scene is a grid of 1 x 1, 2 x 2, … patches, relative to the others.
        filled: share of the patches of a larger grid that show a face.
        empty: share of the scenes without a face.
        plain: share of the backgrounds that are washes of colour.
        upright: share of the faces that stand about upright; the others are turned at random.
        cut: share of the single faces that the scene's edge may cut.
        bare: share of the patches that are black where their picture ends.
        cover: share of the faces that something covers in part.
        blur: share of the scenes that are blurred.
        dark: share of them that are dark and noisy.
        grey: share of them without colour.
        noise: share of them with noise of up to ``noise_levels`` grey levels.
        noise_levels: see ``noise``.
        jpeg: share of them with JPEG blocks.
        contrast: standard deviation of the logarithm of the contrast.
        gamma: the same of the exponent.
        tint: standard deviation of the gain of each colour.
        brightness: standard deviation, as a share of the range.
    """

    size: Annotated[int, Meta(ge=64, multiple_of=32)] = 256
    smallest: Positive = 8.0
    largest: Positive = 1.1
    grid: Annotated[tuple[Size, ...], Meta(min_length=1)] = (0.6, 0.2, 0.1, 0.06, 0.03, 0.01)
    filled: Probability = 0.85
    empty: Probability = 0.16
    plain: Probability = 0.15
    upright: Probability = 0.4
    cut: Probability = 0.3
    bare: Probability = 0.15
    cover: Probability = 0.2
    blur: Probability = 0.25
    dark: Probability = 0.08
    grey: Probability = 0.2
    noise: Probability = 0.2
    noise_levels: Annotated[float, Meta(ge=2)] = 15.0
    jpeg: Probability = 0.2
    contrast: Size = 0.2
    gamma: Size = 0.25
    tint: Size = 0.06
    brightness: Size = 0.08


class FinderTrainingSettings(Table, frozen=True):
    """The optimisation.

    Attributes:
        rounds: the training's parts; before each but the first the backgrounds in which the network
            sees faces are found, and shown more often.
        steps: of each round.
        batch_size: scenes a step.
        rate: learning rate at its highest; it follows one cosine over all rounds.
        warm_up_steps: linear rise of the rate.
        weight_decay: of kernels.
        clip_norm: gradients are scaled down to this norm.
        average_decay: of the moving average of the weights.
        validation_every: of each folder one picture in so many, by name, is held out.
        save_seconds: at least so often the state is saved, to resume from.
        precision: as in a recipe of landmarks.
        seed: of all randomness.
    """

    rounds: CountFromOne = 4
    steps: CountFromOne = 5000
    batch_size: CountFromOne = 32
    rate: Positive = 3e-3
    warm_up_steps: Count = 500
    weight_decay: Size = 0.02
    clip_norm: Positive = 5.0
    average_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.999
    validation_every: Annotated[int, Meta(ge=2)] = 10
    save_seconds: Annotated[Size, NOT_COVERED] = 120.0
    precision: Precision = "auto"
    seed: Count = 1


class FinderRecipe(Table, frozen=True):
    """All settings of a finder's training."""

    network: FinderConfig = FinderConfig()
    scenes: SceneSettings = SceneSettings()
    training: FinderTrainingSettings = FinderTrainingSettings()

    def __post_init__(self) -> None:
        self.refuse_infinity()
        scenes = self.scenes
        if not 0 < sum(scenes.grid) < math.inf:
            raise ConfigError(
                f"scenes.grid: expected a finite number above 0 among them, got {scenes.grid}"
            )
        if scenes.smallest > scenes.largest * scenes.size:
            raise ConfigError(
                f"scenes.smallest: expected at most {scenes.largest * scenes.size:g} pixels, the "
                f"side of the largest faces, got {scenes.smallest:g}"
            )
