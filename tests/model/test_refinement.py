"""Local refinement: what it reads, where it reads it, and what it changes."""

import numpy as np
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch")
from torch.nn import functional

from dan.core.errors import ConfigError
from dan.model import DAN, DANConfig, cost_of
from dan.model.refinement import PointwiseLinear, patches, triangle_of
from dan.model.stage import READ_STRIDES, Stage, map_channels, positions_on

CONFIG = DANConfig(n_landmarks=5, image_size=32, width=2, hidden=8, dropout=0.0, refinement=3)


def network(**changes) -> DAN:
    torch.manual_seed(0)
    model = DAN(replace(CONFIG, **changes)).eval()
    shape = np.array([[8, 8], [22, 8], [15, 15], [10, 24], [20, 24]], dtype=np.float32)
    model.set_statistics(shape, np.full((32, 32), 100.0), np.full((32, 32), 50.0))
    return model


def test_patches_of_a_hand_made_map():
    values = torch.arange(20.0).view(1, 1, 4, 5)  # 5 a row
    centres = torch.tensor([[[2.0, 1.0], [2.25, 1.5]]])
    (seen,) = patches([values], centres[:, :, None], 3)
    assert seen[0, 0].tolist() == [1, 2, 3, 6, 7, 8, 11, 12, 13]
    assert seen[0, 1].tolist() == [value + 0.25 + 2.5 for value in (1, 2, 3, 6, 7, 8, 11, 12, 13)]


def test_patches_are_those_of_bilinear_sampling_also_beyond_the_edges():
    maps, centres = (
        [torch.rand(3, 4, 9, 7), torch.rand(3, 4, 5, 11)],
        torch.rand(3, 6, 2, 2) * 14 - 4,
    )
    line = torch.arange(5.0) - 2
    grid = torch.stack([line.repeat(5), line.repeat_interleave(5)], dim=1)
    expected = []
    for place, (values, last) in enumerate(zip(maps, ([6.0, 8.0], [10.0, 4.0]), strict=True)):
        around = (centres[:, :, place, None] + grid).view(3, 1, -1, 2) * 2 / torch.tensor(last) - 1
        seen = functional.grid_sample(values, around, padding_mode="border", align_corners=True)
        expected.append(seen.view(3, 4, 6, 25).permute(0, 2, 3, 1).flatten(2))
    torch.testing.assert_close(patches(maps, centres, 5), expected)


def test_points_that_are_no_numbers_are_no_error():
    """Of a training that diverges: its loss, which is no number, is what is told."""
    (seen,) = patches([torch.rand(1, 2, 8, 8)], torch.full((1, 3, 1, 2), torch.nan), 3)
    assert seen.isnan().all()


def test_patches_follow_their_positions_smoothly():
    maps = torch.rand(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    centres = (torch.rand(1, 3, 1, 2, dtype=torch.float64) * 6 + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, p: patches([m], p, 3)[0], (maps, centres))


@pytest.mark.parametrize("trunk", ["paper", "strided"])
@pytest.mark.parametrize("axis", [-1, -2])
def test_a_maps_pixels_stand_where_it_says(trunk, axis):
    """Averaging kernels on a ramp: each map then shows the coordinate of its own pixels.

    Pooling takes the right one of two pixels from a rising ramp and the left one from a falling
    one; the mean of both is their middle.
    """
    stage = Stage(replace(CONFIG, trunk=trunk, image_size=64), n_channels=1).eval()
    for layer in stage.blocks.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 0.0
    ramp = torch.arange(64.0).expand(64, 64)
    ramp = ramp if axis == -1 else ramp.T
    rising, falling = (stage(values[None, None]).maps for values in (ramp, 63 - ramp))
    for up, down, stride in zip(rising, falling, READ_STRIDES, strict=True):
        side = 64 // stride
        assert up.stride == stride
        assert up.values.shape[2:] == (side, side)
        across = -1 if axis == -2 else -2
        shown = (up.values + 63 - down.values)[0, 0].select(across, side // 2) / 2
        inner = slice(side * 3 // 8, side * 5 // 8)  # edges are padded with zeros
        positions = positions_on([up], shown[None, :, None].expand(1, -1, 2))[0, :, 0, 0]
        torch.testing.assert_close(positions[inner], torch.arange(float(side))[inner])


def test_map_channels_are_those_of_the_maps():
    for trunk in ("paper", "strided"):
        config = replace(CONFIG, trunk=trunk)
        maps = Stage(config, n_channels=3).eval()(torch.rand(1, 3, 32, 32)).maps
        assert map_channels(config) == tuple(item.values.shape[1] for item in maps)


@pytest.mark.parametrize("n_stages", [1, 2])
@pytest.mark.parametrize("trunk", ["paper", "strided"])
def test_a_fresh_refinement_moves_nothing(trunk, n_stages):
    plain = network(trunk=trunk, n_stages=n_stages, refinement=0)
    refined = plain.extended(replace(plain.config, refinement=3)).eval()
    crops = torch.rand(3, 1, 32, 32) * 255
    for before, after in zip(plain(crops).estimates, refined(crops).estimates, strict=True):
        assert torch.equal(before, after)


def test_heads_that_are_extended_by_keep_what_they_have_learned():
    refined = network()
    torch.nn.init.constant_(refined.refinement.offsets.weight, 0.5)
    both = refined.extended(replace(refined.config, confidence=True))
    assert torch.equal(both.refinement.offsets.weight, refined.refinement.offsets.weight)
    assert both.confidence is not None
    with pytest.raises(RuntimeError, match=r"Unexpected key.*refinement"):
        refined.extended(replace(refined.config, refinement=0))


def test_it_moves_the_last_stages_points_in_that_stages_frame_and_no_others():
    model = network(n_stages=2)
    crops = torch.rand(2, 1, 32, 32) * 255
    before = model(crops).estimates
    with torch.no_grad():
        model.refinement.offsets.bias.copy_(torch.tensor([1.0, 2.0]).repeat(5))
    after = model(crops).estimates
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[0], model(crops, n_stages=1).points)
    look = model.connections[0](
        (crops - 100) / 50, before[0], model.stages[0]((crops - 100) / 50).hidden, model.mean_shape
    )
    step = look.crop_from_canonical[:, :, :2] @ torch.tensor([1.0, 2.0])
    torch.testing.assert_close(after[1] - before[1], step[:, None].expand(-1, 5, -1))


def test_each_point_has_weights_of_its_own():
    layer = PointwiseLinear(3, 4, 2)
    values = torch.rand(2, 3, 4)
    expected = torch.stack([values[:, i] @ layer.weight[i] for i in range(3)], dim=1)
    torch.testing.assert_close(layer(values), expected)


def test_it_is_trained_with_the_last_stage():
    model = network(n_stages=2)
    for trained, expected in (([1], False), ([2], True), ([1, 2], True)):
        model.train_stages(trained)
        assert model.refinement.training is expected
        assert {value.requires_grad for value in model.refinement.parameters()} == {expected}


def test_its_cost():
    config = replace(CONFIG, trunk="strided", n_stages=2)
    plain, refined = cost_of(replace(config, refinement=0)), cost_of(config)
    values = 2 * 16 * 5 * 5  # two maps of 16 channels, patches of 5 x 5
    look, offsets = 5 * values * 3, (5 * 3 + 8) * 10
    narrow = 16 * 16 * 2 * 16 + 8 * 8 * 4 * 16
    assert refined.multiplications[0] == plain.multiplications[0]
    assert refined.multiplications[1] - plain.multiplications[1] == look + offsets + narrow
    norms = 2 * (16 + 16 + 5 * 3)
    parameters = look + offsets + 10 + (2 + 4) * 16 + norms
    assert refined.parameters[1] - plain.parameters[1] == parameters


def test_wrong_units():
    with pytest.raises(ConfigError, match="refinement: expected 0 or more units, got -1"):
        replace(CONFIG, refinement=-1)


def test_three_values_make_a_triangle_with_a_positive_diagonal():
    values = torch.tensor([[[2.0, 3.0, 1.0], [1.0, 1.0, 1.0]]]).log()
    values[0, 0, 2] = -0.5
    triangle = torch.tensor([[2.0, 0.0], [-0.5, 3.0]])
    found = triangle_of(values)
    torch.testing.assert_close(found[0, 0], triangle)
    torch.testing.assert_close(found[0, 1], torch.eye(2))


def test_the_certainty_of_points_is_that_of_the_crop():
    """The last stage looks at a straightened crop; covariances turn and grow with its points."""
    model = network(n_stages=2, covariance=True, visibility=True)
    with torch.no_grad():
        for value in model.covariance.parameters():
            value.normal_(std=0.3)
        output = model(torch.rand(4, 1, 32, 32) * 255)
        certainty = model.certainty(output)
        triangles = triangle_of(model.covariance(output.local, output.hidden))
        canonical = triangles @ triangles.transpose(2, 3)
    assert list(certainty) == ["covariance", "visibility"]
    assert (certainty["visibility"] == 0.5).all()
    linear = output.crop_from_canonical[:, None, :, :2]
    scale = linear.square().sum(dim=(2, 3)) / 2
    np.testing.assert_allclose(
        torch.linalg.det(certainty["covariance"]),
        torch.linalg.det(canonical) * scale**2,
        rtol=1e-4,
    )
    u = torch.tensor([1.0, 2.0])  # the variance along a direction turns with it
    there = torch.einsum("bnij,j->bni", linear.transpose(2, 3), u)
    along = torch.einsum("bni,bnij,bnj->bn", there, canonical, there)
    torch.testing.assert_close(torch.einsum("i,bnij,j->bn", u, certainty["covariance"], u), along)


def test_heads_of_points_need_the_refinement():
    with pytest.raises(ConfigError, match="expected a model with a refinement"):
        DANConfig(visibility=True)
