import math
from typing import get_args

import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import ConfigError
from dan.schemes import FACE68, LandmarkScheme
from dan.training.losses import build_loss, loss_kind_of, wing_loss
from dan.training.recipe import LossKind


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
    losses = build_loss(kind, FACE68)(predicted, truth)
    assert losses.tolist() == pytest.approx([5 / length for length in lengths])


def test_wing_loss_at_its_two_branches():
    truth = torch.zeros(2, 1, 2)
    predicted = torch.tensor([[[1.0, 1.0]], [[15.0, 15.0]]])
    constant = 10 - 10 * math.log(1 + 10 / 2)
    wanted = [10 * math.log(1 + 1 / 2), 15 - constant]
    assert wing_loss(predicted, truth).tolist() == pytest.approx(wanted)


def test_wing_loss_is_continuous_where_the_branches_meet():
    truth = torch.zeros(1, 1, 2)
    below, above = (wing_loss(truth + 10 + step, truth).item() for step in (-1e-3, 1e-3))
    assert above - below == pytest.approx(0, abs=3e-3)


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_a_perfect_face_has_a_finite_gradient(kind):
    truth = faces()
    predicted = truth.clone().requires_grad_()
    build_loss(kind, FACE68)(predicted, truth).mean().backward()
    assert torch.isfinite(predicted.grad).all()


@pytest.mark.parametrize("kind", get_args(LossKind))
def test_gradients_in_float64(kind):
    truth = faces().double()
    generator = torch.Generator().manual_seed(0)
    offsets = torch.rand(truth.shape, generator=generator, dtype=torch.float64) + 0.5
    loss = build_loss(kind, FACE68)
    assert torch.autograd.gradcheck(lambda p: loss(p, truth), (truth + offsets).requires_grad_())


@pytest.mark.parametrize(
    ("scheme", "same_as"),
    [(FACE68, "eye_centres"), (LandmarkScheme.plain(68), "diagonal")],
    ids=["eyes known", "no eyes"],
)
def test_the_loss_follows_the_scheme(scheme, same_as):
    truth = faces()
    predicted = truth + torch.tensor([3.0, 4.0])
    assert loss_kind_of("auto", scheme) == same_as
    found = build_loss("auto", scheme)(predicted, truth)
    assert torch.equal(found, build_loss(same_as, scheme)(predicted, truth))
    assert loss_kind_of("wing", scheme) == "wing"


def test_a_scheme_without_eyes_needs_another_loss():
    with pytest.raises(ConfigError, match="use auto or diagonal"):
        build_loss("eye_centres", LandmarkScheme.plain(5))
