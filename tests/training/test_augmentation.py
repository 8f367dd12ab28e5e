import numpy as np
import pytest

torch = pytest.importorskip("torch")

from msgspec.structs import fields, replace

from dan.geometry import box_of_points, flip_image
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.schemes import FACE68
from dan.training.augmentation import Augmenter
from dan.training.face_tensors import FaceTensors, faces_of_pack, mean_shape_of_pack
from dan.training.recipe import Augmentation

NONE = Augmentation.none()
ALL = torch.arange(8)
GEOMETRIC = ("rotation_deg", "scale", "shift", "stretch", "shear", "bend", "flip", "turn")
SIZES = {
    "blur_sigma": 2.0,
    "noise_levels": 20.0,
    "occlusion_size": 0.5,
    "motion_length": 0.2,
    "small_face": 10.0,
    "dark_stops": 3.0,
    "jpeg_quality": 20.0,
}
OF_SOME = (
    "blur",
    "noise",
    "mask",
    "glasses",
    "hair",
    "hand",
    "patch",
    "motion",
    "small",
    "dark",
    "jpeg",
)
HARD = {**SIZES, "turn": 0.5, **dict.fromkeys(OF_SOME, 0.5)}


@pytest.fixture(scope="module")
def faces(drawn_pack) -> FaceTensors:
    return faces_of_pack(drawn_pack, mean_shape_of_pack(drawn_pack, 48, 36.0))


def augmenter(faces: FaceTensors, **changes: float) -> Augmenter:
    return Augmenter(faces, 48, FACE68, replace(NONE, **changes))


def test_no_change_gives_the_crops_of_inference(faces, drawn_pack):
    batch = augmenter(faces).batch(ALL, seed=0)
    mean_shape = mean_shape_of_pack(drawn_pack, 48, 36.0)
    for index in range(8):
        crop_from_image = crop_from_box(box_of_points(drawn_pack.points[index]), mean_shape)
        wanted = extract_crop(drawn_pack.images[index], crop_from_image, 48).astype(np.float32)
        # OpenCV rounds sampling positions to a 32nd of a pixel, and levels to whole ones.
        assert np.abs(batch.crops[index, 0].numpy() - wanted).mean() < 1
        np.testing.assert_allclose(
            batch.points[index], crop_from_image.apply(drawn_pack.points[index]), atol=1e-3
        )


@pytest.mark.parametrize("settings", [Augmentation(), replace(Augmentation(), **HARD)])
def test_the_same_seed_gives_the_same_samples(faces, settings):
    first, again, other = (
        Augmenter(faces, 48, FACE68, settings).batch(ALL, seed) for seed in (5, 5, 6)
    )
    assert torch.equal(first.crops, again.crops)
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points, other.points)


def test_processes_share_the_samples_of_one(faces, monkeypatch):
    whole = augmenter(faces, **HARD).batch(ALL, seed=5)
    parts = []
    for rank in range(2):
        monkeypatch.setattr("dan.training.augmentation.world", lambda rank=rank: (rank, 2))
        parts.append(augmenter(faces, **HARD).batch(ALL, seed=5))
    assert torch.equal(torch.cat([part.points for part in parts]), whole.points)
    crops = torch.cat([part.crops for part in parts])
    # Rounding in another order may push a coefficient of a JPEG block to its next step.
    assert (crops - whole.crops).abs().quantile(0.99) < 0.01


@pytest.mark.parametrize(
    "change",
    [item.name for item in fields(Augmentation) if item.name not in SIZES],
)
def test_each_change_changes_something(faces, change):
    value = {"rotation_deg": 20.0, "bend": 0.03}.get(change, 0.9)
    plain = augmenter(faces).batch(ALL, seed=1)
    changed = augmenter(faces, **{change: value}, **SIZES).batch(ALL, seed=1)
    geometric = change in GEOMETRIC
    assert torch.equal(plain.points, changed.points) is not geometric
    assert not torch.equal(plain.crops, changed.crops)
    assert changed.crops.min() >= 0
    assert changed.crops.max() <= 255


@pytest.mark.parametrize("change", OF_SOME)
def test_a_change_of_some_samples_leaves_the_others_as_they_are(faces, change):
    plain = augmenter(faces).batch(ALL, seed=1)
    changed = augmenter(faces, **{change: 0.5}, **SIZES).batch(ALL, 1)
    same = [torch.equal(a, b) for a, b in zip(plain.crops, changed.crops, strict=True)]
    assert any(same)
    assert not all(same)
    unchanged = augmenter(faces, **{change: 1e-9}, **SIZES).batch(ALL, 1)
    assert torch.equal(plain.crops, unchanged.crops)


@pytest.mark.parametrize("change", [*GEOMETRIC, "all"])
def test_points_stay_on_what_they_mark(change):
    """A bright dot at each landmark is found where the landmark went."""
    rng = np.random.default_rng(0)
    points = rng.permutation(np.stack(np.meshgrid(*[np.arange(30, 67, 4)] * 2), -1).reshape(-1, 2))
    points = points[:68].astype(np.float32)
    image = np.zeros((96, 96), np.uint8)
    x, y = points.astype(int).T
    image[y, x] = 255
    faces = FaceTensors.plain(
        torch.from_numpy(image)[None].repeat(8, 1, 1),
        torch.from_numpy(points).repeat(8, 1, 1),
        torch.tensor([[[1.0, 0.0, -24.0], [0.0, 1.0, -24.0]]]).repeat(8, 1, 1),
    )
    values = {
        "rotation_deg": 15.0,
        "scale": 0.1,
        "shift": 0.05,
        "stretch": 0.1,
        "shear": 0.1,
        "bend": 0.02,
        "flip": 0.5,
        "turn": 0.5,
    }
    # All in small amounts: shrunk twice, a dot falls between two pixels.
    thirds = {name: value / 3 for name, value in values.items() if name != "turn"}
    changes = thirds if change == "all" else {change: values[change]}
    batch = augmenter(faces, **changes).batch(ALL, seed=3)
    brightness = []
    for crop, moved in zip(batch.crops[:, 0], batch.points, strict=True):
        inside = moved[((moved >= 0) & (moved <= 47)).all(dim=1)].round().long()
        brightness.append(crop[inside[:, 1], inside[:, 0]])
    assert torch.cat(brightness).min() > 60  # half a pixel off on both axes: a quarter of 255
    assert batch.crops.mean() < 20


def test_flip_is_the_mirror_image_with_partners_exchanged(faces):
    plain = augmenter(faces).batch(ALL, seed=1)
    flipped = augmenter(faces, flip=1.0).batch(ALL, seed=1)
    wanted = torch.from_numpy(np.stack([flip_image(crop.numpy()) for crop in plain.crops[:, 0]]))
    torch.testing.assert_close(flipped.crops[:, 0], wanted, atol=0.1, rtol=0)
    mirrored = plain.points[:, FACE68.mirror].clone()
    mirrored[..., 0] = 47 - mirrored[..., 0]
    torch.testing.assert_close(flipped.points, mirrored, atol=1e-3, rtol=0)


def test_a_scheme_without_partners_is_never_flipped(faces):
    from dan.schemes import LandmarkScheme

    plain = augmenter(faces).batch(ALL, seed=1)
    scheme = LandmarkScheme.plain(68)
    unflipped = Augmenter(faces, 48, scheme, replace(NONE, flip=1.0)).batch(ALL, seed=1)
    assert torch.equal(unflipped.points, plain.points)
