import pytest

torch = pytest.importorskip("torch")

from msgspec.structs import replace

from dan.model.torch_geometry import estimate_affine, invert
from dan.schemes import FACE68, LandmarkScheme
from dan.training.covers import (
    N_DRAWS,
    CoveredFaces,
    Covers,
    glasses,
    hair,
    hand,
    mask,
    patch,
)
from dan.training.dice import Dice
from dan.training.face_tensors import faces_of_pack, mean_shape_of_pack
from dan.training.recipe import Augmentation

NONE = Augmentation.none()
SIZE, COUNT = 64, 16


@pytest.fixture(scope="module")
def mean_face(drawn_pack):
    mean_shape = mean_shape_of_pack(drawn_pack, SIZE, 40.0)
    return faces_of_pack(drawn_pack, mean_shape).crop_points().mean(dim=0)


def dice() -> Dice:
    return Dice(COUNT, slice(0, COUNT), 3, torch.device("cpu"))


# Where a cover may lie: least and most y on the middle of the face, in distances of the eyes.
@pytest.mark.parametrize(
    ("paint", "least_y", "most_y"),
    [
        (mask, -0.2, 2.5),
        (glasses, -0.6, 0.7),
        (hair, -2.2, 1.9),
        (hand, -9.0, 9.0),
        (patch, -2.1, 3.4),
    ],
)
def test_covers_change_only_what_they_cover(mean_face, paint, least_y, most_y):
    covers = Covers(mean_face, FACE68, replace(NONE, **{paint.__name__: 1.0}))
    generator = torch.Generator().manual_seed(1)
    levels = torch.rand(COUNT, 1, SIZE, SIZE, generator=generator)
    points, before = mean_face.expand(COUNT, -1, 2).clone(), levels.clone()
    painted, showing = covers.painted(levels, points, dice())
    assert torch.equal(levels, before)
    assert torch.equal(painted[showing == 1], levels[showing == 1])
    rolls = dice()
    rolls.some(1.0)
    face_from_crop = invert(estimate_affine(covers.mean_face, points))
    face = CoveredFaces(levels[:, 0], face_from_crop, rolls.uniforms(N_DRAWS))
    opacity = torch.stack([opacity for opacity, _ in paint(face)]).amax(dim=0)
    free = opacity == 0
    assert torch.equal(painted[:, 0][free], levels[:, 0][free])
    covered = opacity > 0.9
    assert (showing[:, 0][covered] < 0.1001).all()
    assert (covered.sum(dim=(1, 2)) > 0).float().mean() > 0.8  # hair may end above the forehead
    assert ((painted - levels)[:, 0][covered].abs() > 0.01).float().mean() > 0.8
    middle = ~free & (face.x.abs() < 0.3)
    assert face.y[middle].min() > least_y
    assert face.y[middle].max() < most_y
    assert painted.min() >= 0
    assert painted.max() <= 1


@pytest.mark.parametrize("paint", [mask, glasses, hair, hand, patch])
def test_covers_turn_with_the_face(paint):
    upright = torch.tensor([[[0.05, 0.0, -1.6], [0.0, 0.05, -1.2]]])
    quarter = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 63.0]]])  # crop from the turned crop
    linear = upright[:, :, :2] @ quarter
    turned = torch.cat([linear[..., :2], linear[..., 2:] + upright[..., 2:]], dim=2)
    draws = torch.rand(1, N_DRAWS, generator=torch.Generator().manual_seed(2))
    levels = torch.full((1, SIZE, SIZE), 0.5)
    straight, other = (
        [opacity for opacity, _ in paint(CoveredFaces(levels, view, draws))]
        for view in (upright, turned)
    )
    for opacity, opacity_turned in zip(straight, other, strict=True):
        wanted = torch.rot90(opacity, -1, (1, 2))
        torch.testing.assert_close(opacity_turned, wanted, atol=1e-3, rtol=0)
    assert max(opacity.max() for opacity in straight) > 0.5


def test_a_scheme_without_eyes_is_not_covered(mean_face):
    covers = Covers(mean_face, LandmarkScheme.plain(68), replace(NONE, mask=1.0, hand=1.0))
    levels = torch.rand(COUNT, 1, SIZE, SIZE)
    painted, showing = covers.painted(levels, mean_face.expand(COUNT, -1, 2), dice())
    assert torch.equal(painted, levels)
    assert (showing == 1).all()


def test_missing_points_leave_no_holes(mean_face):
    covers = Covers(mean_face, FACE68, replace(NONE, glasses=1.0))
    points = mean_face.expand(COUNT, -1, 2).clone()
    points[:, :8] = torch.nan
    levels = torch.rand(COUNT, 1, SIZE, SIZE)
    assert covers.painted(levels, points, dice())[0].isfinite().all()
