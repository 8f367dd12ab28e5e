"""The confidence head: how likely the mean error of a result is under 8 %.

The finished network is shown good crops, badly placed ones and backgrounds, all cut from the
training faces, and its own error on each is the label. A logistic regression on the last hidden
layer learns to tell them apart; two numbers fitted on the held-out faces calibrate it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from msgspec.structs import replace
from torch import Tensor
from torch.nn import functional

from dan.evaluation.metrics import (
    Normaliser,
    Reliability,
    common_normalisers,
    normalised_errors,
    roc_auc,
)
from dan.model import DAN
from dan.schemes import LandmarkScheme
from dan.training.augmentation import Augmenter
from dan.training.face_tensors import FaceTensors
from dan.training.phases import Draw, derive_seed
from dan.training.recipe import Augmentation

GOOD_ERROR: dict[Normaliser, float] = {
    "inter_ocular": 0.08,
    "inter_pupil": 0.111,
    "diagonal": 0.034,
}
"""A result is good below this; the paper's figures by the three normalisers relate as these do."""

MISPLACED = Augmentation(rotation_deg=40.0, scale=0.35, shift=0.35)
"""Crops as a wrong box or a lost track gives them: one deviation of the shift is half a face."""

BACKGROUND_SHARE = 0.25
"""Side of the corners that are taken for background, as a share of the picture's side."""

WEIGHT_DECAY = 1e-3
BATCH = 64


@dataclass(frozen=True)
class ConfidenceFigures:
    """What the confidence is worth on held-out faces.

    Attributes:
        n_samples: how many crops.
        good_share: of them, under 8 %.
        roc_auc: good results against all others.
        roc_auc_negatives: good results against backgrounds and crops off by half a face or more.
        calibration_error: expected, over ten bins.
        reliability: of each bin that is not empty: mean confidence, share of good results, count.
    """

    n_samples: int
    good_share: float
    roc_auc: float
    roc_auc_negatives: float
    calibration_error: float
    reliability: tuple[tuple[float, float, int], ...]

    def __str__(self) -> str:
        """One line."""
        return (
            f"confidence: ROC-AUC {self.roc_auc:.4f}, against misplaced crops and backgrounds "
            f"{self.roc_auc_negatives:.4f}; calibration error {100 * self.calibration_error:.1f} %"
        )


@dataclass(frozen=True)
class _Samples:
    hidden: Tensor  # (K, hidden)
    good: Tensor  # (K,) bool
    negative: npt.NDArray[np.bool_]  # (K,) background, or off by half a face


def fit_confidence(
    model: DAN,
    train: FaceTensors,
    valid: FaceTensors,
    scheme: LandmarkScheme,
    augmentation: Augmentation,
    *,
    draws: int,
    seed: int = 1,
    on_batch: Callable[[], None] = lambda: None,
) -> tuple[DAN, ConfidenceFigures] | None:
    """The same network with a confidence head, and what that head is worth.

    None where all results are good or all are bad, so that there is nothing to learn.

    Args:
        model: finished; it is not changed.
        train: faces to learn from.
        valid: faces to calibrate on.
        scheme: of the landmarks.
        augmentation: of the good crops.
        draws: crops of each kind from each training face.
        seed: of the random crops.
        on_batch: called after each batch, of which there are :func:`n_batches`.
    """
    with_head = model.extended(replace(model.config, confidence=True)).eval()
    learn, judge = (
        _samples(
            with_head, faces, scheme, augmentation, draws=draws, seed=own_seed, on_batch=on_batch
        )
        for faces, own_seed in ((train, seed), (valid, seed + 1))
    )
    if any(samples.good.all() or not samples.good.any() for samples in (learn, judge)):
        return None
    weight, bias = _logistic_regression(learn.hidden, learn.good)
    logits = judge.hidden @ weight + bias
    scale, shift = _logistic_regression(logits[:, None], judge.good)
    calibrated = {"weight": (weight * scale)[None], "bias": (bias * scale + shift).view(1)}
    with_head.get_submodule("confidence").load_state_dict(calibrated)
    likely = torch.sigmoid(logits * scale + shift).double().cpu().numpy()
    good = judge.good.cpu().numpy()
    apart = good | judge.negative
    reliability = Reliability.of(likely, good)
    return with_head, ConfidenceFigures(
        n_samples=len(good),
        good_share=round(float(good.mean()), 4),
        roc_auc=round(roc_auc(likely, good), 5),
        roc_auc_negatives=round(roc_auc(likely[apart], good[apart]), 5),
        calibration_error=round(reliability.expected_error, 5),
        reliability=tuple(
            (round(float(predicted), 4), round(float(observed), 4), int(count))
            for predicted, observed, count in zip(
                reliability.predicted, reliability.observed, reliability.counts, strict=True
            )
            if count
        ),
    )


def n_batches(train: FaceTensors, valid: FaceTensors, draws: int) -> int:
    """How many batches :func:`fit_confidence` goes through."""
    return sum(3 * draws * -(-len(faces) // BATCH) for faces in (train, valid))


@torch.no_grad()
def _samples(
    model: DAN,
    faces: FaceTensors,
    scheme: LandmarkScheme,
    augmentation: Augmentation,
    *,
    draws: int,
    seed: int,
    on_batch: Callable[[], None],
) -> _Samples:
    size = model.config.image_size
    face_size = float((model.mean_shape.amax(dim=0) - model.mean_shape.amin(dim=0)).max())
    kinds = [(faces, augmentation), (faces, MISPLACED), (_backgrounds(faces, size), augmentation)]
    hidden, good, negative = [], [], []
    normaliser = common_normalisers(faces.points.cpu().numpy(), scheme)[0]
    for kind, (source, settings) in enumerate(kinds):
        augmenter = Augmenter(source, size, scheme, settings)
        for draw in range(draws):
            for number, indices in enumerate(torch.split(torch.arange(len(faces)), BATCH)):
                batch = augmenter.batch(
                    indices, derive_seed(seed, Draw.CONFIDENCE, kind, draw, number), whole=True
                )
                output = model(batch.crops)
                truth = batch.points.cpu().numpy()
                found = output.points.cpu().numpy()
                errors = normalised_errors(found, truth, scheme, normaliser)
                offsets = (batch.points - model.mean_shape).nanmean(dim=1).norm(dim=1)
                hidden.append(output.hidden)
                good.append(torch.from_numpy(errors < GOOD_ERROR[normaliser]))
                negative.append(offsets.cpu().numpy() > face_size / 2)
                on_batch()
    device = hidden[0].device
    return _Samples(torch.cat(hidden), torch.cat(good).to(device), np.concatenate(negative))


def _backgrounds(faces: FaceTensors, size: int) -> FaceTensors:
    """The same pictures with a corner of each in the crop's place; corners take turns."""
    side = faces.images.shape[-1]
    part = BACKGROUND_SHARE * side
    scale = size / part
    transforms = torch.zeros(len(faces), 2, 3, device=faces.device)
    transforms[:, 0, 0] = transforms[:, 1, 1] = scale
    corners = torch.arange(len(faces), device=faces.device) % 4
    transforms[:, 0, 2] = -scale * (side - part) * (corners % 2)
    transforms[:, 1, 2] = -scale * (side - part) * (corners // 2)
    return dataclasses.replace(faces, crop_from_image=transforms)


def _logistic_regression(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (D,) and bias of labels (K,) on values (K, D), in float64, slightly regularised.

    Computed by L-BFGS on standardised values; the problem is convex.
    """
    values, labels = values.double(), labels.double()
    mean, std = values.mean(dim=0), values.std(dim=0).clamp_min(1e-6)
    standard = (values - mean) / std
    weight = torch.zeros(values.shape[1], dtype=torch.float64, device=values.device)
    bias = torch.zeros((), dtype=torch.float64, device=values.device)
    weight.requires_grad_()
    bias.requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(standard @ weight + bias, labels)
        loss = loss + WEIGHT_DECAY * weight.square().sum() / 2
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    weight = weight.detach() / std
    return weight.float(), (bias.detach() - weight @ mean).float()
