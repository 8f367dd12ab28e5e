"""A whole training: from a face pack and a recipe to a finished model in a run folder."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from msgspec.structs import replace

import dan
from dan.core.errors import ConfigError
from dan.core.files import make_folder
from dan.core.types import FilePath, FloatArray
from dan.datasets.pack import FacePack, evenly
from dan.model import DAN, DANConfig, load_model, save_model
from dan.model.weights import ModelFile, load_header
from dan.schemes import LandmarkScheme
from dan.training import point_certainty
from dan.training.augmentation import Augmenter
from dan.training.confidence import ConfidenceFigures, fit_confidence, n_batches
from dan.training.devices import build_accelerator
from dan.training.face_tensors import (
    ENOUGH_FACES,
    FaceTensors,
    TrainingData,
    faces_of_pack,
    identity_of_pack,
    mean_shape_of_pack,
)
from dan.training.log import TrainingLog, log_of_process, plot_curves, plot_reliability
from dan.training.loop import train_phase
from dan.training.losses import loss_kind_of
from dan.training.phases import Draw, Phase, PhaseKind, derive_seed, phases_of
from dan.training.point_certainty import fit_point_certainty
from dan.training.processes import check_alike, from_main, lost_processes_told
from dan.training.recipe import Recipe
from dan.training.run_folder import PhaseFolder, check_fingerprint, write_json
from dan.training.state import load_phase
from dan.training.validation import ValidationFigures, scorer

STATISTICS_BATCH = 256


@dataclass(frozen=True)
class TrainedModel:
    """What a training left behind.

    Attributes:
        path: the finished model.
        pictures: of loss and error, and of the confidence where there is one; none where
            matplotlib is missing.
    """

    path: Path
    pictures: tuple[Path, ...]


def train(
    pack: FacePack,
    recipe: Recipe,
    folder: FilePath,
    *,
    device: str = "auto",
    log: TrainingLog | None = None,
) -> TrainedModel:
    """Train all phases of a recipe; an interrupted run in the same folder goes on.

    Of many processes, the main one alone has the run's files, and fits what is fitted at the end;
    in the others this returns before.

    Args:
        pack: training faces; the recipe says which of them are held out.
        recipe: settings; see :func:`recipe_for`.
        folder: where everything is written; see :mod:`dan.training.run_folder`.
        device: see :func:`dan.training.devices.build_accelerator`.
        log: told of the progress; None: nothing is shown.

    Raises:
        ConfigError: if a setting does not fit the data or the machine.
        CheckpointError: if the folder holds a run with another recipe or other data.
        NonFiniteLossError: if the training diverges.
        InterruptedTrainingError: on Ctrl-C, after saving.
        LostProcessError: if another process is gone.
    """
    with lost_processes_told(folder):
        return _train(pack, recipe, Path(folder), device, log or TrainingLog())


def _train(
    pack: FacePack, recipe: Recipe, folder: Path, device: str, log: TrainingLog
) -> TrainedModel:
    recipe = recipe_for(recipe, pack.scheme)
    settings = recipe.training
    accelerator = build_accelerator(device, settings.precision, settings.timeout_seconds)
    check_batch_size("training.batch_size", settings.batch_size, accelerator)
    log = log_of_process(log, accelerator)
    data, model = load_data(pack, recipe.without_refinement(), accelerator)
    log.say(
        f"{len(data.train)} training faces, {len(data.valid)} held out; {accelerator.device}, "
        f"{accelerator.mixed_precision}, {accelerator.num_processes} process(es); "
        f"loss {settings.loss}"
    )
    phases = phases_of(recipe, len(data.train))
    check_alike(
        accelerator,
        version=f"dan {dan.__version__}, torch {torch.__version__}",
        precision=accelerator.mixed_precision,
        pack=data.identity,
        recipe=" ".join(phase.fingerprint("") for phase in phases),
    )
    from_main(accelerator, lambda: _check_folder(folder, phases, data))
    if accelerator.is_main_process:
        make_folder(folder)
        write_json(folder / "recipe.json", recipe.to_dict())
    score = scorer(phases[-1], data, accelerator)
    for number, phase in enumerate(phases):
        if phase.kind is PhaseKind.REFINEMENT:
            torch.manual_seed(derive_seed(settings.seed, Draw.REFINEMENT))
            base = finished_model(folder, phases[:number], score, accelerator, log)
            model = base.model.extended(recipe.model)
        own = PhaseFolder(folder / phase.name)
        train_phase(phase, model, data, own, accelerator=accelerator, log=log)
        load_phase(model, own.best, accelerator)
    finished = finished_model(folder, phases, score, accelerator, log)
    path, pictures = folder / "model.safetensors", []
    if accelerator.is_main_process:
        figures = _save_finished(path, finished, recipe, data, log)
        pictures.append(plot_curves(folder, [phase.name for phase in phases]))
        if figures is not None:
            picture = folder / "reliability.png"
            pictures.append(plot_reliability(picture, figures.reliability))
    return TrainedModel(path, tuple(picture for picture in pictures if picture is not None))


def recipe_for(recipe: Recipe, scheme: LandmarkScheme) -> Recipe:
    """The recipe with all its values checked, and what follows from the scheme of the faces."""
    recipe = Recipe.from_dict(recipe.to_dict())
    loss = loss_kind_of(recipe.training.loss, scheme)
    return replace(
        recipe,
        model=replace(recipe.model, n_landmarks=scheme.n_landmarks),
        training=replace(recipe.training, loss=loss),
    )


def check_batch_size(name: str, batch_size: int, accelerator: Accelerator) -> None:
    """Refuse a batch that the processes cannot share evenly."""
    if batch_size % accelerator.num_processes:
        raise ConfigError(
            f"{name}: expected a multiple of the {accelerator.num_processes} processes, "
            f"got {batch_size}"
        )


def _check_folder(folder: Path, phases: Sequence[Phase], data: TrainingData) -> None:
    """Refuse, before anything is written, to go on with what another recipe or data made."""
    for phase in phases:
        path = PhaseFolder(folder / phase.name).resume
        if path.is_file():
            check_fingerprint(path, load_header(path), phase.fingerprint(data.identity))


def load_data(pack: FacePack, recipe: Recipe, accelerator: Accelerator) -> tuple[TrainingData, DAN]:
    """The faces on the training device, and a network with fresh weights for them."""
    train_pack, valid_pack = pack.split(recipe.data.validation_every)
    size = recipe.model.image_size
    mean_shape = mean_shape_of_pack(train_pack, size, recipe.data.face_size)
    covered_weight = recipe.training.covered_weight
    train, valid = (
        faces_of_pack(part, mean_shape, covered_weight, recipe.data.memory_gib).to(
            accelerator.device
        )
        for part in (train_pack, valid_pack)
    )
    data = TrainingData(train, valid, pack.scheme, identity_of_pack(pack))
    augmenter = Augmenter(data.train, size, data.scheme, recipe.augmentation)
    mean_image, std_image = _image_statistics(augmenter, data.train, recipe.training.seed)
    model = build_model(recipe.model, recipe.training.seed)
    model.set_statistics(mean_shape, mean_image, std_image)
    return data, model


def build_model(config: DANConfig, seed: int) -> DAN:
    """A network with fresh weights, the same for the same seed."""
    torch.manual_seed(derive_seed(seed, Draw.WEIGHTS))
    return DAN(config)


def _image_statistics(
    augmenter: Augmenter, faces: FaceTensors, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation images (S, S), grey levels, over one random sample of enough faces."""
    sums = np.zeros((2, augmenter.crop_size, augmenter.crop_size))
    chosen = torch.from_numpy(evenly(len(faces), ENOUGH_FACES))
    for number, indices in enumerate(torch.split(chosen, STATISTICS_BATCH)):
        own_seed = derive_seed(seed, Draw.STATISTICS, number)
        levels = augmenter.batch(indices, own_seed, whole=True).crops[:, 0].double().cpu().numpy()
        sums += np.stack([levels.sum(axis=0), np.square(levels).sum(axis=0)])
    mean, mean_square = sums / len(chosen)
    return mean, np.sqrt(np.maximum(mean_square - np.square(mean), 0.0))


def finished_model(
    folder: Path,
    phases: Sequence[Phase],
    score: Callable[[DAN], ValidationFigures],
    accelerator: Accelerator,
    log: TrainingLog,
) -> ModelFile:
    """The best model of the last phase, or the mean of the joint rounds' ends if that is better.

    Models that one training reaches at the ends of several cosines lie in one basin, and the mean
    of their weights is better on new faces than each of them (Izmailov et al. 2018, "Averaging
    Weights Leads to Wider Optima and Better Generalization"). The model is on the CPU.

    Args:
        folder: of the run.
        phases: trained; the last may be any. In many processes, each has to call this.
        score: figures of a model on the faces held out.
        accelerator: its main process reads the files.
        log: told of the comparison.
    """
    folders = [PhaseFolder(folder / phase.name) for phase in phases]
    best = from_main(accelerator, lambda: load_model(folders[-1].best))
    kinds = [phase.kind for phase in phases]
    if kinds[-1] is not PhaseKind.JOINT or kinds.count(PhaseKind.JOINT) < 2:
        return best
    joint = [own for own, kind in zip(folders, kinds, strict=True) if kind is PhaseKind.JOINT]
    ends = from_main(accelerator, lambda: [load_model(own.last) for own in joint])
    mean = mean_of_models([end.model for end in ends])
    figures = score(mean)
    error, single = figures.error_percent[-1], best.training["validation"]["error_percent"][-1]
    log.say(
        f"mean of {len(ends)} joint rounds: {error:.2f} % on the faces held out, "
        f"best of the last: {single:.2f} %"
    )
    if error >= single:
        return best
    made = {**ends[-1].training, "mean_of_rounds": len(ends), "validation": asdict(figures)}
    return ModelFile(mean.cpu(), ends[-1].scheme, made)


def mean_of_models(models: Sequence[DAN]) -> DAN:
    """A model whose weights and batch statistics are the means of those of models of one form."""
    mean = deepcopy(models[0])
    others = [model.state_dict() for model in models]
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([state[name] for state in others]).mean(dim=0))
    return mean


def _save_finished(
    path: Path, finished: ModelFile, recipe: Recipe, data: TrainingData, log: TrainingLog
) -> ConfidenceFigures | None:
    """Write the finished model, with the heads that say what its points are worth.

    Without ``confidence_draws`` it has none; those of single points need a refinement.
    """
    draws, figures = recipe.training.confidence_draws, None
    model = finished.model.to(data.train.device).in_memory_format(torch.channels_last)
    made = {**finished.training, "recipe": recipe.to_dict()}
    made["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    train, valid = data.train.enough(), data.valid.enough()
    given = (train, valid, data.scheme, recipe.augmentation)
    seed = recipe.training.seed
    if draws and model.config.refinement:
        log.begin("points", 0, point_certainty.n_batches(train, valid, draws))
        model, worth = fit_point_certainty(
            model, *given, draws=draws, seed=seed, on_batch=log.advance
        )
        made["points"] = asdict(worth)
        log.say(str(worth))
    if draws:
        log.begin("confidence", 0, n_batches(train, valid, draws))
        fitted = fit_confidence(model, *given, draws=draws, seed=seed, on_batch=log.advance)
        if fitted is not None:
            model, figures = fitted
            made["confidence"] = asdict(figures)
        log.say(str(figures or "no confidence head: all results are alike, good or bad"))
    save_model(path, model, data.scheme, made)
    return figures
