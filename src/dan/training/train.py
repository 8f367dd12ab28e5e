"""A whole training: from a face pack and a recipe to a finished model in a run folder."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from dan.data.pack import FacePack
from dan.errors import ConfigError
from dan.files import make_folder
from dan.model import DAN, DANConfig, save_model
from dan.model.weights import ModelFile, load_header
from dan.schemes import LandmarkScheme
from dan.training.augment import Augmenter
from dan.training.confidence import ConfidenceFigures, fit_confidence, n_batches
from dan.training.config import Recipe
from dan.training.devices import build_accelerator
from dan.training.engine import PhaseJob, TrainingData, load_phase, train_phase
from dan.training.faces import Faces, faces_of_pack, mean_shape_of_pack
from dan.training.losses import loss_kind_of
from dan.training.report import TrainingReport, plot_curves, plot_reliability
from dan.training.rounds import finished_model
from dan.training.run import PhaseFolder, check_fingerprint, write_json
from dan.training.schedule import derive_seed, phases_of
from dan.types import FloatArray

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


def train(pack: FacePack, recipe: Recipe, run_dir: Path, device: str = "auto") -> TrainedModel:
    """Train all phases of a recipe; an interrupted run in the same folder goes on.

    Args:
        pack: training faces; the recipe says which of them are held out.
        recipe: settings; see :func:`recipe_for`.
        run_dir: see :mod:`dan.training.run`.
        device: see :func:`dan.training.devices.build_accelerator`.
    """
    recipe = recipe_for(recipe, pack.scheme)
    settings = recipe.training
    accelerator = build_accelerator(device, settings.precision)
    if settings.batch_size % accelerator.num_processes:
        raise ConfigError(
            f"training.batch_size: expected a multiple of the {accelerator.num_processes} "
            f"processes, got {settings.batch_size}"
        )
    plain = without_refinement(recipe)
    data, model = _set_up(pack, plain, accelerator)
    with TrainingReport(
        is_main=accelerator.is_main_process, tensorboard_dir=run_dir / "tensorboard"
    ) as report:
        report.say(
            f"{len(data.train)} training faces, {len(data.valid)} held out; "
            f"{accelerator.device}, {accelerator.mixed_precision}, "
            f"{accelerator.num_processes} process(es); loss {settings.loss}"
        )
        jobs = [
            PhaseJob(
                phase,
                recipe if phase.refined else plain,
                data,
                PhaseFolder(run_dir / phase.name),
                accelerator,
                report,
            )
            for phase in phases_of(recipe)
        ]
        for job in jobs:
            if job.folder.resume.is_file():
                check_fingerprint(
                    job.folder.resume, load_header(job.folder.resume), job.fingerprint
                )
        if accelerator.is_main_process:
            make_folder(run_dir)
            write_json(run_dir / "recipe.json", recipe.to_dict())
        for number, job in enumerate(jobs):
            if job.phase.refined:
                torch.manual_seed(derive_seed(settings.seed, 8))
                model = finished_model(jobs[:number]).model.extended(recipe.model)
            train_phase(job, model)
            load_phase(model, job.folder.best)
        model_path, pictures = run_dir / "model.safetensors", []
        finished = finished_model(jobs)
        if accelerator.is_main_process:
            figures = _save_finished(model_path, finished, recipe, data, report)
            pictures.append(plot_curves(run_dir, [job.phase.name for job in jobs]))
            if figures is not None:
                path = run_dir / "reliability.png"
                pictures.append(plot_reliability(path, figures.reliability))
    accelerator.wait_for_everyone()
    return TrainedModel(model_path, tuple(path for path in pictures if path is not None))


def recipe_for(recipe: Recipe, scheme: LandmarkScheme) -> Recipe:
    """A recipe with all that follows from the scheme: ``model.n_landmarks``, ``training.loss``."""
    return replace(
        recipe,
        model=replace(recipe.model, n_landmarks=scheme.n_landmarks),
        training=replace(recipe.training, loss=loss_kind_of(recipe.training.loss, scheme)),
    )


def without_refinement(recipe: Recipe) -> Recipe:
    """What the phases before the refinement go by."""
    return replace(
        recipe,
        model=replace(recipe.model, refinement=0),
        training=replace(recipe.training, refinement_epochs=0),
    )


def _save_finished(
    path: Path, finished: ModelFile, recipe: Recipe, data: TrainingData, report: TrainingReport
) -> ConfidenceFigures | None:
    """The finished model, with a confidence head where the recipe asks for one."""
    draws, figures = recipe.training.confidence_draws, None
    model, made = finished.model, {**finished.training, "recipe": recipe.to_dict()}
    made["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    if draws:
        report.begin("confidence", 0, n_batches(data.train, data.valid, draws))
        fitted = fit_confidence(
            model.to(data.train.images.device).in_memory_format(torch.channels_last),
            data.train,
            data.valid,
            data.scheme,
            recipe.augmentation,
            draws=draws,
            seed=recipe.training.seed,
            on_batch=report.advance,
        )
        if fitted is None:
            report.say("no confidence head: all results are alike, good or bad")
        else:
            model, figures = fitted
            made["confidence"] = asdict(figures)
            report.say(
                f"confidence: ROC-AUC {figures.roc_auc:.4f}, against misplaced crops and "
                f"backgrounds {figures.roc_auc_negatives:.4f}; calibration error "
                f"{100 * figures.calibration_error:.1f} %"
            )
    save_model(path, model, data.scheme, made)
    return figures


def _set_up(pack: FacePack, recipe: Recipe, accelerator: Accelerator) -> tuple[TrainingData, DAN]:
    train_pack, valid_pack = pack.split(recipe.data.validation_every)
    size = recipe.model.image_size
    mean_shape = mean_shape_of_pack(train_pack, size, recipe.data.face_size)
    data = TrainingData(
        train=faces_of_pack(train_pack, mean_shape).to(accelerator.device),
        valid=faces_of_pack(valid_pack, mean_shape).to(accelerator.device),
        scheme=pack.scheme,
        identity=identity_of(pack.names, pack.points),
    )
    augmenter = Augmenter(data.train, size, data.scheme, recipe.augmentation)
    mean_image, std_image = image_statistics(augmenter, data.train, recipe.training.seed)
    model = build_model(recipe.model, recipe.training.seed)
    model.set_statistics(mean_shape, mean_image, std_image)
    return data, model


def build_model(config: DANConfig, seed: int) -> DAN:
    """A network with fresh weights, the same for the same seed."""
    torch.manual_seed(derive_seed(seed, 3))
    return DAN(config)


def image_statistics(
    augmenter: Augmenter, faces: Faces, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation images (S, S), grey levels, over one random sample of every face."""
    sums = np.zeros((2, augmenter.crop_size, augmenter.crop_size))
    for number, indices in enumerate(torch.split(torch.arange(len(faces)), STATISTICS_BATCH)):
        crops = augmenter.batch(indices, derive_seed(seed, 4, number), whole=True).crops
        levels = crops[:, 0].double().cpu().numpy()
        sums += np.stack([levels.sum(axis=0), np.square(levels).sum(axis=0)])
    mean, mean_square = sums / len(faces)
    return mean, np.sqrt(np.maximum(mean_square - np.square(mean), 0.0))


def identity_of(names: tuple[str, ...], points: FloatArray) -> str:
    """Changes with the data: a hash of names and landmarks."""
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(np.ascontiguousarray(points, dtype=np.float32).tobytes())
    return digest.hexdigest()
