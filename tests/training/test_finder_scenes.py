"""What the finder learns from: losses, scenes that agree with their faces, pictures held out."""

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import DataError
from dan.core.images import write_png
from dan.datasets.face_frames import FramedPicture
from dan.model.finder import QUARTERS, Frames
from dan.training.finder.loss import finder_loss
from dan.training.finder.material import Material, Source, load_material
from dan.training.finder.recipe import SceneSettings
from dan.training.finder.scenes import FACE, IGNORED, NOTHING, Composer

NO_EFFECTS = dict.fromkeys(
    ("plain", "cover", "blur", "dark", "grey", "noise", "jpeg", "empty", "cut", "bare"), 0.0
) | dict.fromkeys(("contrast", "gamma", "tint", "brightness"), 0.0)


def frames_that_say(face, logit) -> Frames:
    """Of a scene of 64 pixels: every answer is the same frame."""
    n_answers = QUARTERS * (8 * 8 + 4 * 4 + 2 * 2)
    x, y, side, roll = face
    return Frames(
        torch.full((1, n_answers), logit),
        torch.tensor([[x, y]]).expand(1, n_answers, 2),
        torch.full((1, n_answers), side),
        torch.full((1, n_answers), roll),
    )


def test_perfect_frames_are_off_by_nothing():
    face = (35.5, 27.5, 20.0, 0.3)
    losses = finder_loss(frames_that_say(face, -30.0), torch.tensor([[[*face, FACE]]]), 64)
    assert losses.frame.item() == pytest.approx(0, abs=1e-6)
    moved = (35.5 + 2.0, 27.5, 20.0, 0.3)
    losses = finder_loss(frames_that_say(moved, -30.0), torch.tensor([[[*face, FACE]]]), 64)
    assert losses.frame.item() == pytest.approx(0.1, abs=1e-6)


def test_what_may_be_a_face_is_not_counted():
    sure = frames_that_say((31.5, 31.5, 200.0, 0.0), 5.0)
    all_over = torch.tensor([[[31.5, 31.5, 200.0, 0.0, IGNORED]]])
    assert finder_loss(sure, all_over, 64).total == 0
    nothing = torch.tensor([[[31.5, 31.5, 200.0, 0.0, NOTHING]]])
    assert finder_loss(sure, nothing, 64).score > 1


def marked(ignored=()) -> Source:
    """A grey picture: a red mark right of the face's centre, a green one below."""
    picture = np.full((120, 120, 3), 128, dtype=np.uint8)
    picture[57:64, 72:79] = 255, 0, 0
    picture[72:79, 57:64] = 0, 255, 0
    frames = np.array([[60.0, 60.0, 60.0, 0.0]])
    return Source((picture,), frames, np.array(ignored, dtype=float).reshape(-1, 4), 0)


def composer_of(source: Source, **settings) -> Composer:
    background = Source(
        (np.full((90, 90, 3), 128, np.uint8),), np.empty((0, 4)), np.empty((0, 4)), 0
    )
    scenes = SceneSettings(**{"size": 128, **NO_EFFECTS, "grid": (1.0,), **settings})
    return Composer(Material([source], [background]), scenes)


def centre_of(picture, channel) -> np.ndarray:
    others = picture[..., [c for c in range(3) if c != channel]].max(axis=2)
    weights = np.clip(picture[..., channel].astype(float) - others, 0, None)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def test_single_faces_are_more_often_large():
    composer = composer_of(marked(), smallest=8, largest=1.0)
    faces = [composer.compose(1, number).faces for number in range(400)]
    sides = np.concatenate([own[:, 2] for own in faces if len(own)])
    # A triangle over the logarithm: a quarter lies below its middle, here 32 pixels.
    assert 0.15 < np.mean(sides < math.sqrt(8 * 128)) < 0.35


def test_faces_lie_where_the_picture_shows_them():
    composer = composer_of(marked(), smallest=50, largest=0.5, upright=0.3)
    mirrored = set()
    for seed in range(12):
        scene = composer.compose(seed)
        ((x, y, side, roll, kind),) = scene.faces
        assert kind == FACE
        down = np.array([-math.sin(roll), math.cos(roll)])
        along = np.array([math.cos(roll), math.sin(roll)])
        red, green = (
            (centre_of(scene.picture, channel) - (x, y)) / (side / 4) for channel in (0, 1)
        )
        assert green == pytest.approx(down, abs=0.05)
        sign = np.sign(red @ along)
        assert red == pytest.approx(sign * along, abs=0.05)
        mirrored.add(sign)
    assert mirrored == {-1, 1}


def test_a_scene_is_a_function_of_its_seed():
    composer = composer_of(marked(), noise=1.0, jpeg=1.0, blur=1.0, cover=1.0, grid=(1.0, 1.0))
    one, again, other = (composer.compose(*seed) for seed in ((3, 1), (3, 1), (3, 2)))
    assert np.array_equal(one.picture, again.picture)
    assert np.array_equal(one.faces, again.faces)
    assert not np.array_equal(one.picture, other.picture)


def test_noise_is_of_all_channels():
    scene = composer_of(marked(), noise=1.0, empty=1.0, noise_levels=30.0).compose(0)
    assert (scene.picture.reshape(-1, 3).std(axis=0) > 1).all()


def test_doubtful_places_stay_doubtful_and_empty_scenes_have_no_face():
    doubtful = marked(ignored=[[60.0, 60.0, 50.0, 0.0]])
    settings = {"smallest": 50, "largest": 0.5}
    faces = composer_of(doubtful, **settings).compose(0).faces
    assert faces[:, 4].tolist() == [FACE, IGNORED]
    assert len(composer_of(doubtful, empty=1.0, **settings).compose(0).faces) == 0


def test_faces_that_the_edge_cuts_away_are_ignored_or_left_out():
    composer = composer_of(marked(), cut=1.0, smallest=100, largest=1.0)
    kinds = {tuple(composer.compose(seed).faces[:, 4]) for seed in range(40)}
    assert {(FACE,), (IGNORED,)} <= kinds


def test_every_tenth_picture_of_each_folder_is_held_out(tmp_path):
    framed = []
    for folder, count in (("a", 11), ("b", 3), ("faceless", 12)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            path = tmp_path / folder / f"{number:02d}.png"
            write_png(path, np.full((8, 8, 3), number, dtype=np.uint8))
            framed.append(FramedPicture(path, np.array([[4.0, 4, 4, 0]]), np.empty((0, 4))))
    framed, read = framed[:14][::-1], []
    material = load_material(framed, tmp_path / "faceless", lambda: read.append(1))
    assert len(read) == 26
    kept, held_out = material.split(10)
    levels = [int(source.levels[0][0, 0, 0]) for source in held_out.faces]
    assert levels == [0, 10, 0]
    assert [int(source.levels[0][0, 0, 0]) for source in held_out.backgrounds] == [0, 10]
    assert (len(kept.faces), len(kept.backgrounds)) == (11, 10)
    no_face = [FramedPicture(framed[0].path, np.empty((0, 4)), np.empty((0, 4)))]
    with pytest.raises(DataError, match=r"02\.png: expected a face's frame at least, got none"):
        load_material(no_face, tmp_path / "faceless", lambda: None)
    with pytest.raises(DataError, match="got 0 and 12"):
        load_material([], Path(tmp_path / "faceless"), lambda: None)
