"""Prediction over many faces, each counted once, however many processes share the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator

from dan.evaluation.metrics import Normaliser, common_normalisers, normalised_errors
from dan.model import DAN
from dan.model.torch_geometry import invert, warp
from dan.schemes import LandmarkScheme
from dan.training.face_tensors import FaceTensors, TrainingData
from dan.training.losses import build_loss
from dan.training.phases import Phase
from dan.training.recipe import LossKind


@dataclass(frozen=True)
class ValidationFigures:
    """How good a model is on faces that it was not trained on.

    Attributes:
        n_faces: how many.
        normaliser: what the errors are divided by; see :func:`common_normalisers`.
        error_percent: mean error of each stage, over faces as they are weighted.
        loss: the training's loss of the last stage.
    """

    n_faces: int
    normaliser: Normaliser
    error_percent: tuple[float, ...]
    loss: float


def validate(
    model: DAN,
    faces: FaceTensors,
    scheme: LandmarkScheme,
    loss: LossKind,
    accelerator: Accelerator,
    *,
    n_stages: int,
    batch_size: int = 64,
) -> ValidationFigures:
    """Score the canonical crops of faces; in many processes, each has to call this.

    Crop and image differ by a similarity, so normalised errors are the same in both.
    """
    found = predict_faces(model, faces, accelerator, n_stages=n_stages, batch_size=batch_size)
    truth = faces.crop_points().cpu()
    weights, loss_of = faces.weights.cpu(), build_loss(loss, scheme, model.mean_shape.cpu())
    normaliser = common_normalisers(truth.numpy(), scheme)[0]
    errors = [normalised_errors(points, truth.numpy(), scheme, normaliser) for points in found]
    return ValidationFigures(
        n_faces=len(faces),
        normaliser=normaliser,
        error_percent=tuple(
            100 * float(np.average(values, weights=weights.mean(dim=1))) for values in errors
        ),
        loss=float(loss_of(torch.from_numpy(found[-1]), truth, weights).mean()),
    )


def scorer(
    phase: Phase, data: TrainingData, accelerator: Accelerator
) -> Callable[[DAN], ValidationFigures]:
    """What judges the models of a phase, on the faces held out; see :func:`validate`."""
    settings = phase.recipe.training
    return partial(
        validate,
        faces=data.valid,
        scheme=data.scheme,
        loss=settings.loss,
        accelerator=accelerator,
        n_stages=phase.n_stages,
        batch_size=settings.batch_size,
    )


@torch.no_grad()
def predict_faces(
    model: DAN,
    faces: FaceTensors,
    accelerator: Accelerator,
    *,
    n_stages: int,
    batch_size: int = 64,
) -> npt.NDArray[np.float32]:
    """(n_stages, F, N, 2) estimates of every stage, pixels of the canonical crops.

    The model moves to the faces' device and is left in evaluation mode.
    """
    device, crop_size = faces.device, model.config.image_size
    model.to(device).eval()
    found = torch.zeros(n_stages, *faces.points.shape, device=device)
    mine = torch.arange(accelerator.process_index, len(faces), accelerator.num_processes)
    for chosen in torch.split(mine, batch_size):
        rows = chosen.to(device)
        crops = warp(faces.pictures(chosen), invert(faces.crop_from_image[rows]), crop_size)
        with accelerator.autocast():
            found[:, rows] = torch.stack(model(crops, n_stages).estimates).float()
    total = accelerator.reduce(found, reduction="sum")  # each face is zero in all other processes
    return np.asarray(total.cpu().numpy(), dtype=np.float32)
