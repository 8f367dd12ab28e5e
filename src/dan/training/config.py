"""Recipes: everything that decides what a training gives, in one TOML file.

``key=value`` overrides name the setting by its path, such as ``training.batch_size=32``.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dan.errors import ConfigError
from dan.files import read_text
from dan.model import DANConfig
from dan.types import FilePath

LossKind = Literal["auto", "eye_centres", "diagonal", "wing"]
Optimiser = Literal["adam", "adamw"]
RateSchedule = Literal["constant", "cosine"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
DataFormat = Literal["channels_last", "channels_first"]

PROBABILITIES = frozenset({"flip", "blur", "noise", "occlusion"})
"""Settings of the augmentation that say how often; the others say how much."""


@dataclass(frozen=True)
class DataSettings:
    """What is trained on, and where the face stands in the crop.

    Attributes:
        face_size: larger side of the mean shape in the crop, pixels.
        validation_every: every so many-th face by sorted name is held out; of fewer faces than
            that, the last one.
    """

    face_size: float = 80.0
    validation_every: int = 10

    def __post_init__(self) -> None:
        if self.validation_every < 2:
            raise ConfigError(
                f"data.validation_every: expected at least 2, got {self.validation_every}"
            )


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training sample; zero switches a change off.

    Attributes:
        rotation_deg: standard deviation, degrees.
        scale: standard deviation of the logarithm of the scale.
        shift: standard deviation on each axis, as a share of the crop's side.
        stretch: standard deviation of the logarithm by which faces get wider and, as much, lower.
            Unlike the changes above, no stage undoes this: it makes faces of other proportions.
        shear: standard deviation of the sideways shift of a row over its distance from the centre;
            likewise.
        bend: standard deviation of the smooth random shifts that bend the face, on each axis, as a
            share of the crop's side; likewise.
        flip: probability of a left-right flip (needs a scheme with flip partners).
        brightness: standard deviation, as a share of the grey range.
        contrast: standard deviation of the logarithm of the contrast about the mean.
        gamma: standard deviation of the logarithm of the exponent.
        shade: standard deviation of smooth random light and shadow, as a share of the grey range.
        blur: probability of a Gaussian blur of up to ``blur_sigma`` pixels.
        blur_sigma: see ``blur``.
        noise: probability of Gaussian noise of up to ``noise_levels`` grey levels.
        noise_levels: see ``noise``.
        occlusion: probability of one grey rectangle over the picture.
        occlusion_size: largest side of it, as a share of the crop's side.
    """

    rotation_deg: float = 15.0
    scale: float = 0.1
    shift: float = 0.04
    stretch: float = 0.0
    shear: float = 0.0
    bend: float = 0.0
    flip: float = 0.5
    brightness: float = 0.1
    contrast: float = 0.2
    gamma: float = 0.2
    shade: float = 0.0
    blur: float = 0.1
    blur_sigma: float = 1.5
    noise: float = 0.1
    noise_levels: float = 10.0
    occlusion: float = 0.2
    occlusion_size: float = 0.4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            most = 1.0 if name in PROBABILITIES else math.inf
            if not 0 <= value <= most:
                wanted = "0 or more" if most > 1 else "0..1"
                raise ConfigError(f"augmentation.{name}: expected {wanted}, got {value}")

    @classmethod
    def none(cls) -> Augmentation:
        """No change at all."""
        return cls(**{item.name: 0.0 for item in fields(cls)})


@dataclass(frozen=True)
class TrainingSettings:
    """The optimisation.

    Attributes:
        epochs: passes over the training faces for each stage, one entry a stage.
        joint_epochs: passes with all stages trained together at the end; 0: none.
        joint_rounds: how often that is done, each time from the best of the last, with the rate
            raised again (warm restarts, Loshchilov & Hutter 2017); a finished run may get more.
            The mean of the rounds' models is kept where it is better on the faces held out.
        refinement_epochs: passes that follow, with all stages and the refinement that
            ``model.refinement`` asks for trained together.
        batch_size: faces a step, over all processes.
        loss: mean point distance over the eye-centre distance or over the diagonal of the
            landmark box, or the wing loss (Feng et al. 2018) in crop pixels. ``auto`` is
            ``eye_centres`` where the scheme of the faces knows its eyes, else ``diagonal``.
        start_from_previous: each stage after the first starts from the trunk of the one before,
            instead of from nothing; it then learns in fewer steps.
        optimiser: ``adam`` or ``adamw``.
        rate: learning rate at its highest.
        joint_rate: the same in the joint phase.
        refinement_rate: the same with the refinement.
        weight_decay: of convolution and dense kernels.
        rate_schedule: after the warm-up, ``constant`` or ``cosine`` down to 1 % of ``rate``.
        warm_up_steps: linear rise of the rate.
        clip_norm: gradients are scaled down to this norm; 0: never.
        average_decay: of the exponential moving average of the weights; 0: none.
        confidence_draws: crops of each kind (good, misplaced, background) from each face that the
            confidence head learns from when the stages are done; 0: no such head.
        validate_every: epochs from one validation to the next.
        save_seconds: at least so often the state is saved, to resume from.
        precision: ``auto`` is bf16 where the processor computes it fast, else fp32.
        data_format: how images lie in memory; ``channels_last`` is the faster one.
        compile: let torch compile the network (slow start, faster steps).
        seed: of all randomness.
    """

    epochs: tuple[int, ...] = (40, 40)
    joint_epochs: int = 0
    joint_rounds: int = 1
    refinement_epochs: int = 0
    batch_size: int = 64
    loss: LossKind = "auto"
    start_from_previous: bool = False
    optimiser: Optimiser = "adamw"
    rate: float = 1e-3
    joint_rate: float = 1e-4
    refinement_rate: float = 5e-4
    weight_decay: float = 1e-4
    rate_schedule: RateSchedule = "cosine"
    warm_up_steps: int = 100
    clip_norm: float = 1.0
    average_decay: float = 0.998
    confidence_draws: int = 2
    validate_every: int = 1
    save_seconds: float = 120.0
    precision: Precision = "auto"
    data_format: DataFormat = "channels_last"
    compile: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "joint_rounds", "validate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"training.{name}: expected at least 1, got {getattr(self, name)}"
                )
        if not self.epochs or min(self.epochs) < 1:
            raise ConfigError(
                f"training.epochs: expected at least 1 for each stage, got {list(self.epochs)}"
            )
        for name in ("joint_epochs", "refinement_epochs", "confidence_draws", "weight_decay"):
            if getattr(self, name) < 0:
                raise ConfigError(f"training.{name}: expected 0 or more, got {getattr(self, name)}")
        if self.clip_norm < 0:
            raise ConfigError(f"training.clip_norm: expected 0 or more, got {self.clip_norm}")
        if not 0 <= self.average_decay < 1:
            raise ConfigError(f"training.average_decay: expected 0..1, got {self.average_decay}")
        for name in ("rate", "joint_rate", "refinement_rate"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"training.{name}: expected above 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Recipe:
    """All settings of a training; ``model.n_landmarks`` follows the data."""

    model: DANConfig = field(default_factory=DANConfig)
    data: DataSettings = field(default_factory=DataSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        if len(self.training.epochs) != self.model.n_stages:
            raise ConfigError(
                f"training.epochs: expected {self.model.n_stages} entries, one a stage, "
                f"got {list(self.training.epochs)}"
            )
        if self.model.confidence:
            raise ConfigError(
                "model.confidence: expected false; training.confidence_draws adds that head"
            )
        if (self.model.refinement > 0) != (self.training.refinement_epochs > 0):
            raise ConfigError(
                "expected model.refinement and training.refinement_epochs together, got "
                f"{self.model.refinement} and {self.training.refinement_epochs}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """A recipe from nested tables; what is not said takes its default.

        Raises:
            ConfigError: naming the setting that is unknown, of the wrong type or out of range.
        """
        recipe: Recipe = _build(cls, values, "")
        return recipe


def load_recipe(path: FilePath, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply ``key=value`` overrides; errors name the file.

    Raises:
        ConfigError: if the file is no TOML, or a setting is wrong.
        FormatError: if it cannot be read.
    """
    text = read_text(path)
    try:
        values = tomllib.loads(text)
        for override in overrides:
            _override(values, override)
        return Recipe.from_dict(values)
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"expected key=value, such as training.batch_size=32, got {override!r}")
    *tables, key = path.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: expected a setting inside a table")
    try:
        values[key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[key] = text.strip()  # a bare word


def _build(kind: type[Any], values: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
    hints = get_type_hints(kind)
    settings = {}
    for name, value in values.items():
        if name not in hints:
            raise ConfigError(f"{path}{name}: unknown setting; known: {', '.join(hints)}")
        settings[name] = _converted(hints[name], value, f"{path}{name}")
    return kind(**settings)


def _converted(hint: Any, value: Any, path: str) -> Any:  # noqa: ANN401
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path}: expected a table, got {value!r}")
        return _build(hint, value, f"{path}.")
    origin = get_origin(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_converted(get_args(hint)[0], item, path) for item in value)
    if origin is Literal and value in get_args(hint):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and is_number and math.isfinite(value):
        return float(value)
    if isinstance(hint, type) and type(value) is hint and hint is not float:
        return value
    wanted = f"one of {', '.join(get_args(hint))}" if origin is Literal else _spoken(hint)
    raise ConfigError(f"{path}: expected {wanted}, got {value!r}")


def _spoken(hint: type | UnionType) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "a list") if isinstance(hint, type) else "a list"
