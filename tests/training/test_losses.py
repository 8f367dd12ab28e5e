import math
from typing import get_args

import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import ConfigError
from dan.schemes import FACE68, LandmarkScheme
from dan.training.losses import build_loss, loss_kind_of, wing_loss
from dan.training.recipe import LossKind

ONES = torch.ones(2, 68)
MEAN = torch.rand(68, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def faces() -> torch.Tensor:
    """Two faces: eye centres 20 and 40 apart, boxes 30 x 40 and 60 x 80."""
    face = torch.zeros(68, 2)
    face[:, 0], face[:, 1] = 15.0, 20.0
    face[list(FACE68.eyes.left)] = torch.tensor([5.0, 10.0])
    face[list(FACE68.eyes.right)] = torch.tensor([25.0, 10.0])
    face[0], face[8] = torch.tensor([0.0, 0.0]), torch.tensor([30.0, 40.0])
    return torch.stack([face, 2 * face])


@pytest.mark.parametrize(
    ("kind", "lengths"), [("eye_centres", [20.0, 40.0]), ("diagonal", [50.0, 100.0])]
)
def test_mean_distance_over_a_length_of_the_face(kind, lengths):
    truth = faces()
    predicted = truth + torch.tensor([3.0, 4.0])  # every point 5 pixels off
    losses = build_loss(kind, FACE68, MEAN)(predicted, truth, ONES)
    assert losses.tolist() == pytest.approx([5 / length for length in lengths])


def test_wing_loss_at_its_two_branches():
    truth = torch.zeros(2, 1, 2)
    predicted = torch.tensor([[[1.0, 1.0]], [[15.0, 15.0]]])
    constant = 10 - 10 * math.log(1 + 10 / 2)
    wanted = [10 * math.log(1 + 1 / 2), 15 - constant]
    assert wing_loss(predicted, truth, torch.ones(2, 1)).tolist() == pytest.approx(wanted)


def test_wing_loss_is_continuous_where_the_branches_meet():
    truth = torch.zeros(1, 1, 2)
    below, above = (
        wing_loss(truth + 10 + step, truth, torch.ones(1, 1)).item() for step in (-1e-3, 1e-3)
    )
    assert above - below == pytest.approx(0, abs=3e-3)


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_a_perfect_face_has_a_finite_gradient(kind):
    truth = faces()
    predicted = truth.clone().requires_grad_()
    build_loss(kind, FACE68, MEAN)(predicted, truth, ONES).mean().backward()
    assert torch.isfinite(predicted.grad).all()


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_gradients_in_float64(kind):
    truth = faces().double()
    generator = torch.Generator().manual_seed(0)
    offsets = torch.rand(truth.shape, generator=generator, dtype=torch.float64) + 0.5
    loss = build_loss(kind, FACE68, MEAN)
    assert torch.autograd.gradcheck(
        lambda p: loss(p, truth, ONES), (truth + offsets).requires_grad_()
    )


@pytest.mark.parametrize(
    ("scheme", "same_as"),
    [(FACE68, "eye_centres"), (LandmarkScheme.plain(68), "diagonal")],
    ids=["eyes known", "no eyes"],
)
def test_the_loss_follows_the_scheme(scheme, same_as):
    truth = faces()
    predicted = truth + torch.tensor([3.0, 4.0])
    assert loss_kind_of("auto", scheme) == same_as
    found = build_loss("auto", scheme, MEAN)(predicted, truth, ONES)
    assert torch.equal(found, build_loss(same_as, scheme, MEAN)(predicted, truth, ONES))
    assert loss_kind_of("wing", scheme) == "wing"


def test_a_scheme_without_eyes_needs_another_loss():
    with pytest.raises(ConfigError, match="use auto or diagonal"):
        build_loss("eye_centres", LandmarkScheme.plain(5), MEAN[:5])


def some_faces(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random predictions and truths, float64."""
    generator = torch.Generator().manual_seed(1)
    truth = 40 * torch.rand(count, 68, 2, generator=generator, dtype=torch.float64)
    offsets = 15 * torch.randn(count, 68, 2, generator=generator, dtype=torch.float64)
    return truth + offsets, truth


def diagonal(points: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(points.amax(dim=0) - points.amin(dim=0))


def loss_by_hand(
    kind: LossKind, predicted: torch.Tensor, truth: torch.Tensor, mean: torch.Tensor
) -> torch.Tensor:
    """Of one face of some points, without a whole eye, and the same points of the mean shape."""
    if kind == "wing":
        return wing_loss(predicted[None], truth[None], torch.ones(1, len(truth)))[0]
    left, right = (MEAN[list(eye)].mean(dim=0) for eye in (FACE68.eyes.left, FACE68.eyes.right))
    eyes = torch.linalg.vector_norm(right - left) / diagonal(mean)
    length = diagonal(truth) * (1 if kind == "diagonal" else eyes)
    return torch.linalg.vector_norm(predicted - truth, dim=1).mean() / length


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_points_without_a_position_change_neither_loss_nor_gradient(kind):
    predicted, truth = some_faces(2)
    known = torch.ones(2, 68, dtype=torch.bool)
    known[0, :17] = known[0, 36:40] = False
    truth[~known] = torch.nan
    weights = known.double() * 68 / known.sum(dim=1, keepdim=True)
    predicted.requires_grad_()
    losses = build_loss(kind, FACE68, MEAN)(predicted, truth, weights)
    losses[0].backward()
    rest = predicted.detach()[0, known[0]].requires_grad_()
    wanted = loss_by_hand(kind, rest, truth[0, known[0]], MEAN[known[0]])
    wanted.backward()
    assert losses[0].item() == pytest.approx(wanted.item(), rel=1e-12)
    torch.testing.assert_close(predicted.grad[0, known[0]], rest.grad, rtol=1e-9, atol=1e-15)
    assert not predicted.grad[0, ~known[0]].any()
    whole = build_loss(kind, FACE68, MEAN)(predicted[1:], truth[1:], weights[1:])
    assert losses[1].item() == whole.item()


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_weights_of_points_and_faces(kind):
    predicted, truth = some_faces(1)
    loss = build_loss(kind, FACE68, MEAN)
    single = [
        loss(predicted, truth, 68 * torch.eye(68, dtype=torch.float64)[k : k + 1]).item()
        for k in range(68)
    ]
    weights = torch.linspace(0, 2, 68, dtype=torch.float64)[None]  # with a mean of 1
    mean = sum(w * one for w, one in zip(weights[0].tolist(), single, strict=True)) / 68
    assert loss(predicted, truth, weights).item() == pytest.approx(mean)
    assert loss(predicted, truth, 0.3 * weights).item() == pytest.approx(0.3 * mean)


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_a_prediction_that_is_no_number_is_not_hidden(kind):
    predicted, truth = some_faces(1)
    predicted[0, 3], truth[0, 5] = torch.nan, torch.nan
    weights = torch.ones(1, 68, dtype=torch.float64)
    assert build_loss(kind, FACE68, MEAN)(predicted, truth, weights).isnan().all()
