"""The cascade: what its stages do to points, what freezing freezes, what it costs."""

import numpy as np
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch")

from dan.core.errors import ConfigError, ShapeError
from dan.model import DAN, DANConfig, cost_of, paper


def small(**changes) -> DANConfig:
    settings = {"n_landmarks": 5, "image_size": 32, "width": 2, "hidden": 8, **changes}
    return DANConfig(**settings)


@pytest.mark.parametrize("variant", ["theano", "tensorflow"])
@pytest.mark.parametrize("n_stages", [1, 2, 3])
@pytest.mark.parametrize("n_landmarks", [5, 98])
def test_any_number_of_stages_and_landmarks(n_stages, n_landmarks, variant):
    model = DAN(small(n_stages=n_stages, n_landmarks=n_landmarks, variant=variant)).eval()
    estimates = model(torch.rand(3, 1, 32, 32) * 255).estimates
    assert [tuple(points.shape) for points in estimates] == [(3, n_landmarks, 2)] * n_stages
    assert len(model(torch.rand(1, 1, 32, 32), n_stages=1).estimates) == 1


@pytest.mark.parametrize("n_stages", [0, 3])
def test_stages_that_are_not_there_are_refused(n_stages):
    with pytest.raises(ConfigError, match=f"n_stages: expected 1..2, got {n_stages}"):
        DAN(small(n_stages=2))(torch.rand(1, 1, 32, 32), n_stages)


def test_stages_without_offsets_give_the_mean_shape():
    model = DAN(small(n_stages=3)).eval()
    shape = np.array([[8, 8], [22, 8], [15, 15], [10, 24], [20, 24]], dtype=np.float32)
    model.set_statistics(shape, np.full((32, 32), 100.0), np.full((32, 32), 50.0))
    for stage in model.stages:
        torch.nn.init.zeros_(stage.offsets.weight)
    for points in model(torch.rand(2, 1, 32, 32) * 255).estimates:
        np.testing.assert_allclose(points[0].detach(), shape, atol=1e-3)


def test_later_offsets_act_in_the_canonical_frame():
    model = DAN(small(n_stages=2)).eval()
    shape = np.array([[8, 8], [22, 8], [15, 15], [10, 24], [20, 24]], dtype=np.float32)
    model.set_statistics(shape, np.zeros((32, 32)), np.ones((32, 32)))
    turned = torch.from_numpy(31 - shape)  # by 180 degrees
    for stage in model.stages:
        torch.nn.init.zeros_(stage.offsets.weight)
    with torch.no_grad():
        model.stages[0].offsets.bias.copy_((turned - torch.from_numpy(shape)).flatten())
        model.stages[1].offsets.bias.copy_(torch.tensor([1.0, 2.0]).repeat(5))
    points = model(torch.rand(1, 1, 32, 32)).points[0]
    # A step of (1, 2) in the upright frame is one of (-1, -2) in the crop.
    torch.testing.assert_close(points, turned - torch.tensor([1.0, 2.0]), atol=1e-3, rtol=0)


def test_crops_are_normalised_by_mean_and_deviation_images():
    model = DAN(small(n_stages=1)).eval()
    mean, std = np.full((32, 32), 90.0), np.full((32, 32), 30.0)
    model.set_statistics(np.random.default_rng(0).uniform(5, 25, (5, 2)), mean, std)
    plain = DAN(small(n_stages=1)).eval()
    plain.load_state_dict(model.state_dict())
    plain.mean_image.zero_()
    plain.std_image.fill_(1.0)
    crops = torch.rand(2, 1, 32, 32) * 255
    torch.testing.assert_close(model(crops).points, plain((crops - 90) / 30).points)


def test_a_constant_pixel_does_not_divide_by_zero():
    model = DAN(small(n_stages=1))
    model.set_statistics(np.ones((5, 2)), np.zeros((32, 32)), np.zeros((32, 32)))
    assert (model.std_image == 1).all()


def test_statistics_of_another_size_are_refused():
    with pytest.raises(ShapeError, match=r"mean_image: expected shape \(32, 32\)"):
        DAN(small()).set_statistics(np.ones((5, 2)), np.ones((16, 16)), np.ones((32, 32)))


def test_training_one_stage_leaves_the_others_and_their_statistics_alone():
    model = DAN(small(n_stages=2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train_stages([2])
    trained = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.1)
    model(torch.rand(4, 1, 32, 32)).points.square().mean().backward()
    optimiser.step()
    changed = {
        name.rsplit(".", 1)[0]
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert all(name.startswith(("stages.1", "connections.0")) for name in changed)
    assert "connections.0.feature_image.dense" in changed
    assert "stages.1.input_norm" in changed


def test_bf16_keeps_sub_pixel_offsets():
    model = DAN(small(n_stages=1)).eval()
    torch.nn.init.zeros_(model.stages[0].offsets.weight)
    torch.nn.init.constant_(model.stages[0].offsets.bias, 20.03)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        points = model(torch.rand(1, 1, 32, 32)).points
    torch.testing.assert_close(points, model.mean_shape[None] + 20.03)


def test_the_papers_arithmetic():
    cost = cost_of(paper())
    convolutions = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    convolutions += [(256, 512), (512, 512)]
    sides = [112, 112, 56, 56, 28, 28, 14, 14]
    kernels = [9 * n_in * n_out for n_in, n_out in convolutions]
    dense = 512 * 7 * 7 * 256 + 256 * 136
    norms = 2 * (sum(n_out for _, n_out in convolutions) + 256)
    first = sum(kernels) + dense + 136 + norms
    assert cost.parameters[0] == first == 11_144_136
    feature, extra_input = 256 * 3136 + 3136, 9 * 2 * 64 + 2 * 3
    assert cost.parameters[1] == first + feature + extra_input == 11_951_246
    multiplications = sum(k * s * s for k, s in zip(kernels, sides, strict=True)) + dense
    assert cost.multiplications[0] == multiplications
    assert cost.multiplications[1] == multiplications + 256 * 3136 + 9 * 2 * 64 * 112 * 112
    assert round(sum(cost.parameters) / 1e6, 1) == 23.1
    assert round(sum(cost.multiplications) / 1e9, 2) == 5.13


def test_the_strided_trunk_works_at_half_the_resolution():
    config = replace(paper(n_stages=1), width=32)
    plain, strided = cost_of(config), cost_of(replace(config, trunk="strided"))
    sides = [56, 56, 28, 28, 14, 14, 7, 7]
    convolutions = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    convolutions += [(128, 256), (256, 256)]
    kernels = [9 * n_in * n_out for n_in, n_out in convolutions]
    kernels[0] = 25 * 32
    dense = 256 * 7 * 7 * 256 + 256 * 136
    expected = sum(k * s * s for k, s in zip(kernels, sides, strict=True)) + dense
    assert strided.multiplications[0] == expected
    assert plain.multiplications[0] / strided.multiplications[0] == pytest.approx(4, rel=0.05)
    assert strided.parameters[0] == plain.parameters[0] + 16 * 32  # 5x5 for 3x3


@pytest.mark.parametrize("trunk", ["paper", "strided"])
@pytest.mark.parametrize("number", [2, 3])
def test_a_stage_that_starts_from_the_last_one_sees_the_image_as_it_did(trunk, number):
    model = DAN(small(n_stages=3, trunk=trunk)).eval()
    stage, previous = model.stages[number - 1], model.stages[number - 2]
    stage.start_from(previous)
    images = torch.rand(2, 3, 32, 32)
    seen = images[:, :1] if number == 2 else images
    stage.input_norm.eps = previous.input_norm.eps = 0.0
    offsets, hidden, _ = stage(images)
    torch.testing.assert_close(hidden, previous(seen)[1], atol=1e-5, rtol=1e-4)
    assert offsets.abs().max() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 100}, "image_size: expected a multiple of 16, at least 32, got 100"),
        ({"n_stages": 0}, "n_stages: expected a whole number of at least 1, got 0"),
        ({"n_landmarks": 1}, "n_landmarks: expected at least 2"),
        ({"width": 1.5}, "width: expected a whole number"),
        ({"dropout": 1.0}, "dropout: expected 0 <= p < 1, got 1.0"),
        ({"trunk": "elephant"}, "trunk: expected one of paper, strided"),
        ({"heat_map": "flames"}, "heat_map: expected one of inverse_distance, gaussians"),
        ({"variant": "ascend"}, "variant: expected one of theano, tensorflow"),
        (
            {"border": "mirror"},
            "border: expected one of auto, edge, inner_edge, zero, got 'mirror'",
        ),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        small(**change)
