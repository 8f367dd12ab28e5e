"""Recipes: everything that decides what a training gives, in one TOML file.

``key=value`` overrides name the setting by its path, such as ``training.batch_size=32``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, get_type_hints, overload

import msgspec
from msgspec import Meta
from msgspec.structs import asdict, replace

from dan.core.errors import ConfigError
from dan.core.files import read_text
from dan.core.structs import build_struct
from dan.core.types import FilePath
from dan.model import DANConfig

LossKind = Literal["auto", "eye_centres", "diagonal", "wing"]
Optimiser = Literal["adam", "adamw"]
RateSchedule = Literal["constant", "cosine"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
DataFormat = Literal["channels_last", "channels_first"]

# A run goes on only with settings of the same fingerprint. It covers each setting, but for those
# that are marked at their field.
NOT_COVERED = Meta(extra={"fingerprint": "never"})
"""Does not change what the steps of a phase do to the weights."""
COVERED_BY_PHASE = Meta(extra={"fingerprint": "by phase"})
"""Is in the fingerprint as the phase's own number of steps, or its own rate."""
COVERED_UNLESS_DEFAULT = Meta(extra={"fingerprint": "unless default"})
"""Was added later: as long as it has its default, runs from before it go on."""

Size = Annotated[float, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
CountFromOne = Annotated[int, Meta(ge=1)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a recipe; its fields are checked when a recipe is read, and by ``train``."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From plain values; what is not said takes its default.

        Raises:
            ConfigError: naming the setting that is unknown, of the wrong type or out of range.
        """
        return build_struct(cls, values)

    def refuse_infinity(self) -> None:
        """Check the tables in this one; the other limits are those of the fields' types.

        Raises:
            ConfigError: naming the setting that is infinite.
        """
        for table in self.__struct_fields__:
            for name, value in asdict(getattr(self, table)).items():
                if value == math.inf:
                    raise ConfigError(f"{table}.{name}: expected a number, got {value}")


AnyRecipe = TypeVar("AnyRecipe", bound=Table)


class DataSettings(Table, frozen=True):
    """What is trained on, and where the face stands in the crop.

    Attributes:
        face_size: larger side of the mean shape in the crop, pixels.
        validation_every: one face in so many, by sorted name, is held out; of fewer faces than
            that, the last one.
        memory_gib: decoded pictures, of the faces trained on or held out, that would take more
            stay on disk, and are decoded batch by batch.
        workers: processes of their own in which samples are made while the network learns, which
            a GPU would else wait for; 0: none, samples are made where the network learns.
    """

    face_size: Positive = 80.0
    validation_every: Annotated[int, Meta(ge=2)] = 10
    memory_gib: Annotated[Size, NOT_COVERED] = 4.0
    workers: Annotated[Count, NOT_COVERED] = 0


class Augmentation(Table, frozen=True):
    """Random changes of each training sample; zero switches a change off.

    They follow one another as in life: the face moves, something covers it, light falls on it, the
    camera shakes, and what it saw is kept as a small, dark or coarse picture.

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
        turn: probability of a turn by any angle, in place of that of ``rotation_deg``.
        mask: probability of a mask over mouth and chin (covers need a scheme that knows the eyes).
        glasses: probability of glasses, dark or clear.
        hair: probability of strands of hair over forehead, eyes or cheeks.
        hand: probability of a hand on the face.
        patch: probability of anything else, a textured rectangle or ellipse of up to the size of
            the face.
        motion: probability of a blur along a straight line of up to ``motion_length``.
        motion_length: as a share of the crop's side.
        small: probability of a picture in which the face's side has ``small_face`` to 64 pixels,
            enlarged to what the crop needs.
        small_face: see ``small``.
        dark: probability that light is missing, up to ``dark_stops`` powers of two; there is the
            more noise, and the camera may have amplified it.
        dark_stops: see ``dark``.
        jpeg: probability of a JPEG file's coarse blocks, of a quality from ``jpeg_quality`` to 95.
        jpeg_quality: see ``jpeg``.
    """

    rotation_deg: Size = 15.0
    scale: Size = 0.1
    shift: Size = 0.04
    stretch: Size = 0.0
    shear: Size = 0.0
    bend: Size = 0.0
    flip: Probability = 0.5
    brightness: Size = 0.1
    contrast: Size = 0.2
    gamma: Size = 0.2
    shade: Size = 0.0
    blur: Probability = 0.1
    blur_sigma: Size = 1.5
    noise: Probability = 0.1
    noise_levels: Size = 10.0
    occlusion: Probability = 0.2
    occlusion_size: Size = 0.4
    turn: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    mask: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    glasses: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    hair: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    hand: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    patch: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    motion: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    motion_length: Annotated[float, Meta(ge=0, le=1), COVERED_UNLESS_DEFAULT] = 0.1
    small: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    small_face: Annotated[float, Meta(ge=0, le=64), COVERED_UNLESS_DEFAULT] = 16.0
    dark: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    dark_stops: Annotated[Size, COVERED_UNLESS_DEFAULT] = 4.0
    jpeg: Annotated[Probability, COVERED_UNLESS_DEFAULT] = 0.0
    jpeg_quality: Annotated[float, Meta(ge=0, le=95), COVERED_UNLESS_DEFAULT] = 20.0

    @classmethod
    def none(cls) -> Augmentation:
        """No change at all."""
        return cls(**dict.fromkeys(cls.__struct_fields__, 0.0))


class TrainingSettings(Table, frozen=True):
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
        covered_weight: how much a point counts in the loss that is marked as covered, by a hand or
            by hair, where one that is seen counts 1.
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
            confidence head learns from when the stages are done, and, with a refinement, those of
            the points' covariance and visibility; 0: no such heads.
        validate_every: epochs from one validation to the next.
        save_seconds: at least so often the state is saved, to resume from.
        timeout_seconds: one of many processes gives up after waiting for the others so long; one
            that is killed is missed at once.
        precision: ``auto`` is bf16 where the processor computes it fast, else fp32.
        data_format: how images lie in memory; ``channels_last`` is the faster one.
        compile: let torch compile the network (slow start, faster steps).
        seed: of all randomness.
    """

    epochs: Annotated[tuple[CountFromOne, ...], Meta(min_length=1), COVERED_BY_PHASE] = (40, 40)
    joint_epochs: Annotated[Count, COVERED_BY_PHASE] = 0
    joint_rounds: Annotated[CountFromOne, NOT_COVERED] = 1
    refinement_epochs: Annotated[Count, COVERED_BY_PHASE] = 0
    batch_size: CountFromOne = 64
    loss: LossKind = "auto"
    covered_weight: Annotated[Share, COVERED_UNLESS_DEFAULT] = 1.0
    start_from_previous: bool = False
    optimiser: Optimiser = "adamw"
    rate: Positive = 1e-3
    joint_rate: Annotated[Positive, COVERED_BY_PHASE] = 1e-4
    refinement_rate: Annotated[Positive, COVERED_BY_PHASE] = 5e-4
    weight_decay: Size = 1e-4
    rate_schedule: RateSchedule = "cosine"
    warm_up_steps: Count = 100
    clip_norm: Size = 1.0
    average_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    confidence_draws: Annotated[Count, NOT_COVERED] = 2
    validate_every: Annotated[CountFromOne, NOT_COVERED] = 1
    save_seconds: Annotated[Size, NOT_COVERED] = 120.0
    timeout_seconds: Annotated[Positive, NOT_COVERED] = 600.0
    precision: Precision = "auto"
    data_format: DataFormat = "channels_last"
    compile: Annotated[bool, NOT_COVERED] = False
    seed: Count = 1


class Recipe(Table, frozen=True):
    """All settings of a training; ``model.n_landmarks`` follows the data."""

    model: DANConfig = DANConfig()
    data: DataSettings = DataSettings()
    augmentation: Augmentation = Augmentation()
    training: TrainingSettings = TrainingSettings()

    def __post_init__(self) -> None:
        self.refuse_infinity()
        if len(self.training.epochs) != self.model.n_stages:
            raise ConfigError(
                f"training.epochs: expected {self.model.n_stages} entries, one a stage, "
                f"got {list(self.training.epochs)}"
            )
        for head in ("confidence", "covariance", "visibility"):
            if getattr(self.model, head):
                raise ConfigError(
                    f"model.{head}: expected false; training.confidence_draws adds that head"
                )
        if (self.model.refinement > 0) != (self.training.refinement_epochs > 0):
            raise ConfigError(
                "expected model.refinement and training.refinement_epochs together, got "
                f"{self.model.refinement} and {self.training.refinement_epochs}"
            )

    def without_refinement(self) -> Recipe:
        """What the phases before the refinement go by."""
        return replace(
            self,
            model=replace(self.model, refinement=0),
            training=replace(self.training, refinement_epochs=0),
        )


def covered_by_fingerprint(table: msgspec.Struct) -> dict[str, Any]:
    """The settings of a table that the fingerprint of a run covers, as their fields are marked."""
    marks = {
        name: mark.extra["fingerprint"]
        for name, hint in get_type_hints(type(table), include_extras=True).items()
        for mark in getattr(hint, "__metadata__", ())
        if mark.extra
    }
    defaults = type(table)()
    return {
        name: value
        for name, value in msgspec.to_builtins(table).items()
        if name not in marks
        or (marks[name] == "unless default" and getattr(table, name) != getattr(defaults, name))
    }


@overload
def load_recipe(path: FilePath, overrides: Iterable[str] = ()) -> Recipe: ...


@overload
def load_recipe(
    path: FilePath, overrides: Iterable[str] = (), *, kind: type[AnyRecipe]
) -> AnyRecipe: ...


def load_recipe(
    path: FilePath, overrides: Iterable[str] = (), *, kind: type[Table] = Recipe
) -> Table:
    """Read a recipe file and apply ``key=value`` overrides; errors name the file.

    Args:
        path: TOML.
        overrides: such as ``training.batch_size=32``.
        kind: the recipe's class.

    Raises:
        ConfigError: if the file is no TOML, or a setting is wrong.
        FormatError: if it cannot be read.
    """
    text = read_text(path)
    try:
        values = tomllib.loads(text)
        for override in overrides:
            _override(values, override)
        return build_struct(kind, values)
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
