"""Connection layers against answers worked out by hand."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.model.config import DANConfig
from dan.model.connection import (
    GAUSSIAN_SIGMAS,
    Connection,
    FeatureImage,
    GaussianHeatMap,
    InverseDistanceHeatMap,
)


def distances(points: np.ndarray, size: int) -> np.ndarray:
    """(N, size, size) distance of every pixel to every point."""
    y, x = np.mgrid[:size, :size]
    return np.hypot(x - points[:, 0, None, None], y - points[:, 1, None, None])


def test_uncut_inverse_distance_map_is_the_papers():
    points = np.array([[10.25, 20.5], [40.0, 41.0], [-3.0, 70.0]], dtype=np.float32)
    wanted = 1 / (1 + distances(points, 48).min(axis=0))
    got = InverseDistanceHeatMap(48, cut_off=False)(torch.from_numpy(points)[None])[0, 0]
    np.testing.assert_allclose(got, wanted, atol=1e-3)  # 1e-6 under the root


def test_cut_off_keeps_a_patch_and_clips_points_to_the_margin():
    heat = InverseDistanceHeatMap(48, cut_off=True)
    got = heat(torch.tensor([[[20.75, 24.0]]]))[0, 0].numpy()
    wanted = 1 / (1 + distances(np.array([[20.75, 24.0]]), 48)[0])
    inside = np.zeros((48, 48), bool)
    inside[24 - 8 : 24 + 9, 20 - 8 : 20 + 9] = True  # around the truncated point
    np.testing.assert_allclose(got[inside], wanted[inside], atol=1e-3)
    assert (got[~inside] == 0).all()
    outside = heat(torch.tensor([[[-30.0, 100.0]]]))
    torch.testing.assert_close(outside, heat(torch.tensor([[[8.0, 39.0]]])))


def test_gaussian_map_is_the_sum_over_points_and_widths():
    points = np.array([[10.25, 20.5], [40.0, 41.0]], dtype=np.float32)
    square = distances(points, 48) ** 2
    wanted = sum(np.exp(-square / (2 * (s * 48) ** 2)).sum(axis=0) for s in GAUSSIAN_SIGMAS)
    got = GaussianHeatMap(48)(torch.from_numpy(points)[None])[0, 0]
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_gaussian_map_has_no_denormal_numbers():
    bumps = GaussianHeatMap(112)(torch.tensor([[[0.0, 0.0]]]))
    assert bumps.min() >= math.exp(-60) * 0.99


@pytest.mark.parametrize(
    ("settings", "border"),
    [
        ({}, "edge"),
        ({"variant": "tensorflow"}, "zero"),
        ({"border": "inner_edge"}, "inner_edge"),
        ({"variant": "tensorflow", "border": "edge"}, "edge"),
    ],
)
def test_border_of_warps(settings, border):
    assert Connection(DANConfig(image_size=32, width=1, hidden=4, **settings)).border == border


@pytest.mark.parametrize(
    ("variant", "row"), [("theano", [1, 1, 3, 3]), ("tensorflow", [1, 2, 3, 3])]
)
def test_feature_image_upscaling(variant, row):
    feature = FeatureImage(DANConfig(image_size=32, width=1, hidden=4, variant=variant))
    feature.side = 2
    feature.dense = torch.nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        feature.dense.weight.copy_(torch.eye(4))
    image = feature(torch.tensor([[1.0, 3.0, -1.0, 0.0]]))[0, 0]
    assert image[0].tolist() == row
    assert image[3].tolist() == [0, 0, 0, 0]  # ReLU


@pytest.mark.parametrize("kernel", ["gaussians", "inverse_distance"])
def test_look_of_the_mean_shape_is_the_image_itself(kernel):
    config = DANConfig(n_landmarks=3, image_size=32, width=1, hidden=4, heat_map=kernel)
    mean_shape = torch.tensor([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
    images = torch.rand(1, 1, 32, 32)
    look = Connection(config)(images, mean_shape[None], torch.rand(1, 4), mean_shape)
    torch.testing.assert_close(look.images[:, :1], images, atol=1e-4, rtol=0)
    torch.testing.assert_close(look.points[0], mean_shape, atol=1e-4, rtol=0)
    assert look.images.shape == (1, 3, 32, 32)


def test_turned_points_are_brought_upright():
    config = DANConfig(n_landmarks=3, image_size=32, width=1, hidden=4)
    mean_shape = torch.tensor([[10.0, 10.0], [20.0, 10.0], [15.0, 20.0]])
    turned = 31 - mean_shape  # by 180 degrees about the centre 15.5
    images = torch.rand(1, 1, 32, 32)
    look = Connection(config)(images, turned[None], torch.rand(1, 4), mean_shape)
    torch.testing.assert_close(look.points[0], mean_shape, atol=1e-3, rtol=0)
    torch.testing.assert_close(look.images[0, 0], images[0, 0].flip(0).flip(1), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kernel", ["gaussians", "inverse_distance"])
def test_gradients_through_the_whole_connection(kernel):
    config = DANConfig(n_landmarks=3, image_size=32, width=1, hidden=2, heat_map=kernel)
    connection = Connection(config).double()
    mean_shape = torch.tensor([[10.1, 10.3], [20.2, 10.7], [15.4, 20.9]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    points = mean_shape + torch.rand(1, 3, 2, generator=generator, dtype=torch.float64)
    images = torch.rand(1, 1, 32, 32, generator=generator, dtype=torch.float64)
    hidden = torch.rand(1, 2, generator=generator, dtype=torch.float64)

    def look(points, hidden):
        seen = connection(images, points, hidden, mean_shape)
        return seen.images.mean(dim=(2, 3)), seen.points, seen.crop_from_canonical

    assert torch.autograd.gradcheck(
        look, (points.requires_grad_(), hidden.requires_grad_()), eps=1e-7, atol=1e-5
    )
