"""The heads of each point: how far off it may be, and how likely it can be seen.

The finished network stays as it is. It is shown training faces, as hard as the recipe makes them
and as a detector gives them, and its own errors, in the frame of its last stage, are what the
covariances are fitted to: by the likelihood of a two-dimensional Student distribution, because a
normal one would let the few largest errors speak for all. Whether a point can be seen is learned
from sets that say so, and from the covers that the samples are painted with. On the faces held out
each region gets one factor for its covariances, and two numbers for its visibility.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.nn import functional

from dan.evaluation.certainty import SHARES
from dan.evaluation.metrics import roc_auc
from dan.geometry.point_errors import FREEDOM, ellipse_radius
from dan.model import DAN
from dan.model.refinement import PointHead
from dan.model.torch_geometry import invert, move_points
from dan.schemes import LandmarkScheme
from dan.training.augmentation import Augmenter
from dan.training.face_tensors import FaceTensors
from dan.training.phases import Draw, derive_seed
from dan.training.recipe import Augmentation

DETECTED = replace(Augmentation.none(), rotation_deg=4.0, scale=0.06, shift=0.02, flip=0.5)
"""Crops as the face finder's frames give them: its errors on HELEN train, rounded up."""

WEIGHT_DECAY = 1e-2
MAX_STEPS = 100
BATCH = 64


@dataclass(frozen=True)
class PointFigures:
    """What the heads are worth on held-out faces, as a detector gives them.

    Attributes:
        coverage: shares of the errors, weighted as the points are, within the ellipses of
            ``SHARES``.
        visibility_roc_auc: points that can be seen against all others; None: no set says.
    """

    coverage: tuple[float, ...]
    visibility_roc_auc: float | None

    def __str__(self) -> str:
        """One line."""
        pairs = zip(self.coverage, SHARES, strict=True)
        held = ", ".join(f"{share:.0%} ellipses hold {found:.1%}" for found, share in pairs)
        if self.visibility_roc_auc is None:
            return f"points: {held}"
        return f"points: {held}; visibility: ROC-AUC {self.visibility_roc_auc:.4f}"


@dataclass(frozen=True)
class _Samples:
    local: Tensor  # (K, N, units)
    hidden: Tensor  # (K, hidden)
    errors: Tensor  # (K, N, 2), pixels of the last stage's frame; NaN without a position
    weights: Tensor  # (K, N)
    seen: Tensor  # (K, N), NaN where nobody says

    def values(self, head: PointHead) -> Tensor:
        """(K, N, n_values) of a head."""
        values: Tensor = head(self.local, self.hidden)
        return values


def fit_point_certainty(
    model: DAN,
    train: FaceTensors,
    valid: FaceTensors,
    scheme: LandmarkScheme,
    augmentation: Augmentation,
    *,
    draws: int,
    seed: int = 1,
    on_batch: Callable[[], None] = lambda: None,
) -> tuple[DAN, PointFigures]:
    """The same network with heads for each point, and what they are worth.

    Args:
        model: finished, with a refinement; it is not changed.
        train: faces to learn from. Where some points are known to be hidden, visibility is learned.
        valid: faces to calibrate on.
        scheme: of the landmarks.
        augmentation: of the hard samples.
        draws: samples of each kind from each training face.
        seed: of the random samples.
        on_batch: called after each batch, of which there are :func:`n_batches`.
    """
    both = [augmentation, DETECTED]
    learn = _samples(model, train, scheme, both, draws=draws, seed=seed, on_batch=on_batch)
    judge = _samples(
        model, valid, scheme, [DETECTED], draws=draws, seed=seed + 1, on_batch=on_batch
    )
    knows_visibility = all((samples.seen == 0).any() for samples in (learn, judge))
    config = replace(model.config, covariance=True, visibility=knows_visibility)
    with_heads = model.extended(config).eval()
    regions = _regions(scheme)
    with torch.enable_grad():
        coverage = _fit_covariance(cast(PointHead, with_heads.covariance), learn, judge, regions)
        auc = None
        if with_heads.visibility is not None:
            auc = _fit_visibility(with_heads.visibility, learn, judge, regions)
    return with_heads, PointFigures(coverage, auc)


def n_batches(train: FaceTensors, valid: FaceTensors, draws: int) -> int:
    """How many batches :func:`fit_point_certainty` goes through."""
    return draws * (2 * -(-len(train) // BATCH) + -(-len(valid) // BATCH))


@torch.no_grad()
def _samples(
    model: DAN,
    faces: FaceTensors,
    scheme: LandmarkScheme,
    kinds: Sequence[Augmentation],
    *,
    draws: int,
    seed: int,
    on_batch: Callable[[], None],
) -> _Samples:
    rows: list[tuple[Tensor, ...]] = []
    for kind, settings in enumerate(kinds):
        augmenter = Augmenter(faces, model.config.image_size, scheme, settings)
        for draw in range(draws):
            for number, indices in enumerate(torch.split(torch.arange(len(faces)), BATCH)):
                batch = augmenter.batch(
                    indices, derive_seed(seed, Draw.CERTAINTY, kind, draw, number), whole=True
                )
                output = model(batch.crops)
                errors = output.points - batch.points
                if output.crop_from_canonical is not None:
                    back = invert(output.crop_from_canonical)
                    errors = move_points(output.points, back) - move_points(batch.points, back)
                local = cast(Tensor, output.local)  # the model has a refinement
                rows.append((local, output.hidden, errors, batch.weights, batch.seen))
                on_batch()
    return _Samples(*(torch.cat(values).float() for values in zip(*rows, strict=True)))


def _fit_covariance(
    head: PointHead, learn: _Samples, judge: _Samples, regions: Sequence[Sequence[int]]
) -> tuple[float, ...]:
    """Fit and calibrate the head; shares of the errors within its ellipses."""
    spread = learn.errors.square().nanmean(dim=(0, 2)).sqrt().log()  # (N,)
    head.whole.bias.data.view(-1, 3)[:, :2] = spread[:, None]

    def loss(values: Tensor) -> Tensor:
        known = learn.errors.isfinite().all(dim=2)
        weights = learn.weights * known
        squares = _mahalanobis(values, learn.errors.nan_to_num())
        likelihood = (FREEDOM + 2) / 2 * torch.log1p(squares / (FREEDOM - 2))
        likelihood = likelihood + values[..., :2].sum(dim=2)  # half the determinant's logarithm
        return (likelihood * weights).sum() / weights.sum()

    _minimise(head, learn, loss)
    with torch.no_grad():
        squares = _mahalanobis(judge.values(head), judge.errors)
        for region in regions:
            factor = _best_factor(squares[:, region], judge.weights[:, region])
            squares[:, region] /= factor
            _scale_covariances(head, region, factor)
        held = _held(squares, judge.weights, torch.ones(1, device=squares.device))
    return tuple(round(float(share), 4) for share in held[:, 0])


def _mahalanobis(values: Tensor, errors: Tensor) -> Tensor:
    """(K, N) squared Mahalanobis distances of (K, N, 2) errors; values as the head gives them."""
    first = errors[..., 0] * (-values[..., 0]).exp()
    second = (errors[..., 1] - values[..., 2] * first) * (-values[..., 1]).exp()
    return first.square() + second.square()


def _best_factor(squares: Tensor, weights: Tensor) -> float:
    """By which covariances grow, so that the worst coverage of all ``SHARES`` is the nearest."""
    factors = torch.logspace(-1, 1, 401, device=squares.device)
    wanted = torch.tensor(SHARES, device=squares.device)[:, None]
    off = (_held(squares, weights, factors) - wanted).abs().amax(dim=0)
    return float(factors[off.argmin()])


def _held(squares: Tensor, weights: Tensor, factors: Tensor) -> Tensor:
    """(3, F) shares of errors within the ellipses of ``SHARES``, were covariances that much larger.

    Args:
        squares: squared Mahalanobis distances, NaN where there is none.
        weights: how much each counts.
        factors: (F,).
    """
    known = squares.isfinite()
    ordered, order = squares[known].sort()
    shares = functional.pad(weights[known][order].cumsum(dim=0), [1, 0])
    radii = torch.from_numpy(ellipse_radius(SHARES)).to(squares)[:, None]
    return shares[torch.searchsorted(ordered, radii.square() * factors, right=True)] / shares[-1]


def _scale_covariances(head: PointHead, region: Sequence[int], factor: float) -> None:
    """Multiply the covariances that a head gives the points of a region."""
    n_points = len(head.around.weight)
    whole = head.whole.weight.data.view(n_points, 3, -1)
    bias = head.whole.bias.data.view(n_points, 3)
    bias[region, :2] += math.log(factor) / 2
    for below in (whole[:, 2], bias[:, 2], head.around.weight.data[..., 2]):
        below[region] *= math.sqrt(factor)


def _fit_visibility(
    head: PointHead, learn: _Samples, judge: _Samples, regions: Sequence[Sequence[int]]
) -> float:
    """Fit and calibrate the head; its ROC-AUC."""
    known = learn.seen.isfinite()

    def loss(values: Tensor) -> Tensor:
        logits, labels = values[..., 0][known], learn.seen[known]
        return functional.binary_cross_entropy_with_logits(logits, labels)

    _minimise(head, learn, loss)
    with torch.no_grad():
        logits = judge.values(head)[..., 0]
    known = judge.seen.isfinite()
    for region in regions:
        chosen = known[:, region]
        scale, shift = _platt(logits[:, region][chosen], judge.seen[:, region][chosen])
        head.around.weight.data[region] *= scale
        head.whole.weight.data[region] *= scale
        head.whole.bias.data[region] = head.whole.bias.data[region] * scale + shift
        logits[:, region] = logits[:, region] * scale + shift
    return round(roc_auc(logits[known].cpu().numpy(), judge.seen[known].cpu().numpy() > 0), 5)


def _platt(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Scale and shift that make logits calibrated (Platt 1999); 1 and 0 where all are alike."""
    if len(labels) == 0 or labels.min() == labels.max():
        return 1.0, 0.0
    line = torch.tensor([1.0, 0.0], device=logits.device, requires_grad=True)
    _lbfgs(
        [line],
        lambda: functional.binary_cross_entropy_with_logits(line[0] * logits + line[1], labels),
    )
    scale, shift = line.tolist()
    return scale, shift


def _minimise(head: PointHead, samples: _Samples, loss: Callable[[Tensor], Tensor]) -> None:
    """Fit a head to samples; what it is given is standardised, so that one decay suits all."""
    local, hidden = samples.local, samples.hidden
    local_mean, local_std = local.mean(dim=0), local.std(dim=0).clamp_min(1e-3)
    hidden_mean, hidden_std = hidden.mean(dim=0), hidden.std(dim=0).clamp_min(1e-3)
    standard = ((local - local_mean) / local_std, (hidden - hidden_mean) / hidden_std)
    n_points = local.shape[1]
    kernels = (head.around.weight, head.whole.weight)

    def penalised() -> Tensor:
        decay = sum((kernel.square().sum() for kernel in kernels), torch.zeros(()))
        return loss(head(*standard)) + WEIGHT_DECAY / 2 / n_points * decay

    _lbfgs(list(head.parameters()), penalised)
    around, whole, bias = (value.data for value in (*kernels, head.whole.bias))
    around /= local_std[..., None]
    whole /= hidden_std
    bias -= (local_mean[:, None] @ around)[:, 0].flatten() + whole @ hidden_mean


def _lbfgs(parameters: Sequence[Tensor], loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=MAX_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _regions(scheme: LandmarkScheme) -> list[list[int]]:
    """Indices of the points of each group, and of those in none."""
    regions = [list(group) for group in scheme.groups.values()]
    grouped = {index for region in regions for index in region}
    rest = [index for index in range(scheme.n_landmarks) if index not in grouped]
    return [*regions, rest] if rest else regions
