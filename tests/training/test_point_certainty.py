"""The heads of each point learn from the network's own errors."""

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch")

from dan.model import DAN
from dan.training.face_tensors import faces_of_pack, mean_shape_of_pack
from dan.training.point_certainty import DETECTED, fit_point_certainty, n_batches
from dan.training.recipe import Augmentation

DRAWS = 8


@pytest.fixture
def parts(drawn_pack, tiny_recipe):
    """A network that always answers with the mean shape, and faces to judge it on."""
    train_pack, valid_pack = drawn_pack.split(4)
    mean_shape = mean_shape_of_pack(train_pack, 32, 22.0)
    torch.manual_seed(0)
    config = replace(tiny_recipe().model, n_stages=1, n_landmarks=68, refinement=2)
    model = DAN(config).eval()
    model.set_statistics(mean_shape, np.full((32, 32), 128.0), np.full((32, 32), 60.0))
    torch.nn.init.zeros_(model.stages[0].offsets.weight)
    faces = [faces_of_pack(pack, mean_shape) for pack in (train_pack, valid_pack)]
    return model, *faces, drawn_pack.scheme


def test_ellipses_hold_what_they_say(parts):
    calls = []
    model, figures = fit_point_certainty(
        *parts, Augmentation.none(), draws=DRAWS, on_batch=lambda: calls.append(1)
    )
    assert (model.config.covariance, model.config.visibility) == (True, False)
    np.testing.assert_allclose(figures.coverage, (0.5, 0.68, 0.95), atol=0.05)
    assert figures.visibility_roc_auc is None
    assert len(calls) == n_batches(parts[1], parts[2], DRAWS)
    crops = torch.rand(3, 1, 32, 32) * 255
    before, after = parts[0](crops), model(crops)
    assert torch.equal(before.points, after.points)
    covariance = model.certainty(after)["covariance"]
    assert covariance.shape == (3, 68, 2, 2)
    assert torch.equal(covariance, covariance.transpose(2, 3))
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_a_point_that_errs_along_a_line_gets_a_long_ellipse(parts):
    model, train, valid, scheme = parts
    off = {}
    for name, faces in (("train", train), ("valid", valid)):
        points = faces.points.clone()
        generator = torch.Generator().manual_seed(len(points))
        side = faces.images.shape[-1]
        points[:, 8, 0] += torch.randn(len(points), generator=generator) * side / 4
        off[name] = dataclasses.replace(faces, points=points)
    with_heads, _ = fit_point_certainty(
        model, off["train"], off["valid"], scheme, DETECTED, draws=DRAWS
    )
    output = with_heads(torch.full((1, 1, 32, 32), 128.0))
    chin = with_heads.certainty(output)["covariance"][0, 8]
    assert chin[0, 0] > 4 * chin[1, 1]


def test_visibility_is_learned_where_a_set_says_it(parts):
    model, train, valid, scheme = parts
    both = []
    for faces in (train, valid):
        seen = torch.ones(faces.points.shape[:2])
        seen[:, :17] = 0  # the jaw of these faces is always covered
        both.append(dataclasses.replace(faces, seen=seen))
    with_heads, figures = fit_point_certainty(
        model, *both, scheme, replace(Augmentation.none(), occlusion=0.5), draws=DRAWS
    )
    assert with_heads.config.visibility
    assert figures.visibility_roc_auc > 0.99
    output = with_heads(torch.full((1, 1, 32, 32), 128.0))
    visibility = with_heads.certainty(output)["visibility"][0]
    assert visibility[:17].max() < 0.2 < 0.6 < visibility[17:].min()


def test_points_without_a_position_do_not_count(parts):
    model, train, valid, scheme = parts
    both = []
    for faces in (train, valid):
        points, weights = faces.points.clone(), faces.weights.clone()
        points[::2, :10], weights[::2, :10] = torch.nan, 0.0
        both.append(dataclasses.replace(faces, points=points, weights=weights))
    with_heads, figures = fit_point_certainty(model, *both, scheme, DETECTED, draws=2)
    assert all(value.isfinite().all() for value in with_heads.parameters())
    np.testing.assert_allclose(figures.coverage, (0.5, 0.68, 0.95), atol=0.1)
