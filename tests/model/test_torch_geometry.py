"""Torch geometry: parity with NumPy's, gradients, sampling positions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.geometry import Similarity, estimate_similarity, warp_image
from dan.model import torch_geometry as geometry

PARITY = 1e-5


def random_shapes(seed: int, count: int = 5, n: int = 68) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, n, 2))


def test_straightened_points_and_the_way_back_agree_with_numpy():
    src, dst = random_shapes(0), random_shapes(1)[0]
    moved, back = geometry.straighten(torch.from_numpy(src), torch.from_numpy(dst))
    there_and_back = geometry.move_points(moved, back)
    np.testing.assert_allclose(there_and_back.numpy(), src, atol=PARITY)
    for index, shape in enumerate(src):
        wanted = estimate_similarity(shape, dst)
        np.testing.assert_allclose(back[index].numpy(), wanted.inverse().matrix, atol=PARITY)
        np.testing.assert_allclose(moved[index].numpy(), wanted.apply(shape), atol=PARITY)


def test_float32_agrees_with_numpy_to_1e_5_of_the_crop():
    src = (random_shapes(0) * 50 + 56).astype(np.float32)
    dst = (random_shapes(1)[0] * 50 + 56).astype(np.float32)
    moved = geometry.straighten(torch.from_numpy(src), torch.from_numpy(dst)).points.numpy()
    for shape, got in zip(src, moved, strict=True):
        np.testing.assert_allclose(
            got / 112, estimate_similarity(shape, dst).apply(shape) / 112, atol=PARITY
        )


def test_an_affine_map_is_found_whatever_points_are_missing():
    generator = torch.Generator().manual_seed(0)
    src = torch.randn(9, 2, generator=generator)
    maps = torch.randn(4, 2, 3, generator=generator)
    dst = geometry.move_points(src.expand(4, 9, 2), maps)
    dst[0, :5] = torch.nan
    dst[1, 6:] = torch.nan
    torch.testing.assert_close(geometry.estimate_affine(src, dst), maps, atol=1e-4, rtol=1e-4)


def test_invert_and_compose_agree_with_numpy():
    first = Similarity.about([3.0, 4.0], scale=1.5, angle_deg=20, move_to_xy=[7.0, 1.0])
    second = Similarity.about([-2.0, 9.0], scale=0.4, angle_deg=-70, move_to_xy=[0.0, 3.0])
    a, b = (torch.from_numpy(transform.matrix)[None] for transform in (first, second))
    np.testing.assert_allclose(geometry.invert(a)[0], first.inverse().matrix, atol=PARITY)
    np.testing.assert_allclose(geometry.compose(a, b)[0], (first @ second).matrix, atol=PARITY)


def test_coinciding_points_come_to_the_middle_of_the_others():
    target = torch.rand(5, 2)
    moved = geometry.straighten(torch.ones(1, 5, 2), target).points
    torch.testing.assert_close(moved, target.mean(dim=0).expand(1, 5, 2))


def test_identity_warp_changes_nothing():
    image = torch.rand(2, 1, 16, 16)
    identity = torch.eye(2, 3).repeat(2, 1, 1)
    torch.testing.assert_close(geometry.warp(image, identity, 16), image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("border", "corner"), [("edge", 1.0), ("zero", 0.0)])
def test_whole_pixel_shift_and_border(border, corner):
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 0, 0] = 1.0
    image[0, 0, 3, 5] = 2.0
    shift = torch.tensor([[[1.0, 0.0, -2.0], [0.0, 1.0, -1.0]]])  # image_from_out
    out = geometry.warp(image, shift, 8, border)
    assert out[0, 0, 4, 7].item() == pytest.approx(2.0, abs=1e-5)
    assert out[0, 0, 0, 0].item() == pytest.approx(corner, abs=1e-5)


def test_an_inner_edge_repeats_the_last_pixels_but_one():
    image = torch.arange(25.0).view(1, 1, 5, 5)  # 5y + x
    shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, -1.0]]])
    x, y = torch.tensor([0.5, 1.5, 2.5, 3.0, 3.0]), torch.tensor([0.0, 0.0, 1.0, 2.0, 3.0])
    out = geometry.warp(image, shift, 5, "inner_edge")[0, 0]
    torch.testing.assert_close(out, 5 * y[:, None] + x, atol=1e-5, rtol=0)


def test_warp_agrees_with_opencv_within_its_rounding():
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 255, (8, 8)), np.ones((8, 8))).astype(np.uint8)
    out_from_image = Similarity.about([30.0, 33.0], scale=1.1, angle_deg=17, move_to_xy=[25, 31])
    wanted = warp_image(image, out_from_image, (64, 64)).astype(np.float32)
    image_from_out = torch.from_numpy(out_from_image.inverse().matrix).float()[None]
    got = geometry.warp(torch.from_numpy(image)[None, None].float(), image_from_out, 64)[0, 0]
    # OpenCV rounds positions to a 32nd of a pixel: 255 / 32 = 8 levels at a hard edge.
    assert np.abs(got.numpy() - wanted).max() <= 9
    assert np.abs(got.numpy() - wanted).mean() < 0.7


def test_sampling_at_transformed_pixels_is_a_warp():
    images = torch.rand(2, 1, 20, 30, generator=torch.Generator().manual_seed(0))
    image_from_out = torch.tensor([[[1.2, 0.3, -2.0], [-0.2, 0.9, 5.0]]]).repeat(2, 1, 1)
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    pixels = torch.stack([x, y], dim=-1).view(1, -1, 2).repeat(2, 1, 1)
    positions = geometry.move_points(pixels, image_from_out)
    wanted = geometry.warp(images, image_from_out, 16)
    torch.testing.assert_close(geometry.sample(images, positions), wanted)


def test_coordinates_stay_float32_under_autocast():
    shapes = torch.rand(1, 5, 2) * 100
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = geometry.move_points(shapes, torch.eye(2, 3)[None])
        joined = geometry.compose(torch.eye(2, 3)[None], torch.eye(2, 3)[None])
    assert moved.dtype == joined.dtype == torch.float32
    torch.testing.assert_close(moved, shapes, atol=0, rtol=0)


def test_gradients_in_float64():
    points = torch.from_numpy(random_shapes(3, 2, 5)).requires_grad_()
    target = torch.from_numpy(random_shapes(4, 1, 5)[0])
    image = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, (2, 1, 6, 6)))

    def through_all(p):
        moved, back = geometry.straighten(p, target)
        again = geometry.move_points(moved, geometry.compose(back, geometry.invert(back)))
        return again, geometry.warp(image, geometry.invert(back) + 1.3, 3)

    assert torch.autograd.gradcheck(through_all, (points,))
