"""Our own finder: faces of the portrait, turned, small, in pictures of any kind."""

import copy
import pickle

import cv2
import helpers
import numpy as np
import pytest

from dan.core.errors import BundleError, ConfigError, ShapeError
from dan.geometry import box_centre, box_of_points, box_size_wh
from dan.inference.aligner import FaceAligner
from dan.inference.detectors import YuNetFile, build_detector
from dan.inference.finder import FaceFinder, _without_dim

FACE_CENTRE, FACE_SIDE = box_centre(helpers.FACE_XYXY), box_size_wh(helpers.FACE_XYXY).mean()


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


def off_by(degrees, others):
    return abs((degrees - others + 180) % 360 - 180)


@pytest.mark.parametrize("angle_deg", range(-150, 181, 30))
def test_the_portrait_at_any_angle(finder, portrait, angle_deg):
    middle = (255.5, 255.5)
    turn = cv2.getRotationMatrix2D(middle, -angle_deg, 1)  # OpenCV turns the other way
    found = finder.detect(cv2.warpAffine(portrait, turn, (512, 512)))
    centre = turn[:, :2] @ FACE_CENTRE + turn[:, 2]
    assert np.hypot(*(box_centre(found.boxes_xyxy[0]) - centre)) < 0.2 * FACE_SIDE
    width, height = box_size_wh(found.boxes_xyxy[0])
    assert width == pytest.approx(height)
    assert 0.75 * FACE_SIDE < width < 1.33 * FACE_SIDE
    assert off_by(found.rolls_deg[0], angle_deg) < 15


@pytest.mark.parametrize("kind", ["grey", "dark", "mirrored"])
def test_other_light_and_the_other_way_round(finder, portrait, kind):
    picture = {
        "grey": np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
        "dark": (portrait * 0.3).astype(np.uint8),
        "mirrored": np.ascontiguousarray(portrait[:, ::-1]),
    }[kind]
    centre = [511 - FACE_CENTRE[0], FACE_CENTRE[1]] if kind == "mirrored" else FACE_CENTRE
    found = finder.detect(picture)
    assert np.hypot(*(box_centre(found.boxes_xyxy[0]) - centre)) < 0.2 * FACE_SIDE


def test_large_and_small_faces_of_one_large_picture(portrait):
    picture = np.full((1280, 1600, 3), 90, np.uint8)
    picture[:1024, :1024] = cv2.resize(portrait, (1024, 1024))
    picture[100:228, 1300:1428] = cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(picture, (1280, 1024), interpolation=cv2.INTER_AREA)
    found = FaceFinder(size=1280).detect(picture)
    sides = np.array([FACE_SIDE * 2, FACE_SIDE / 4]) * 0.8
    centres = np.array([FACE_CENTRE * 2, FACE_CENTRE / 4 + [1300, 100]]) * 0.8
    for centre, side in zip(centres, sides, strict=True):
        away = [np.hypot(*(box_centre(box) - centre)) for box in found.boxes_xyxy]
        nearest = int(np.argmin(away))
        assert away[nearest] < 0.25 * side
        assert 0.7 * side < box_size_wh(found.boxes_xyxy[nearest]).mean() < 1.4 * side


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (7, 1), (31, 33), (1, 4000)], ids=str)
@pytest.mark.parametrize("size", [320, 2000])
def test_pictures_of_any_size(shape, size):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = FaceFinder(size).detect(noise)
    assert found.boxes_xyxy.shape == (len(found), 4)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_no_face_in_black_and_in_grey(level):
    assert len(FaceAligner()(np.full((240, 320, 3), level, np.uint8))) == 0


@pytest.mark.parametrize("shape", [(20, 20), (20, 20, 4), (20, 20, 1)])
def test_other_arrays_are_refused(finder, shape):
    with pytest.raises(ShapeError, match=r"picture: expected \(H, W, 3\) of type uint8"):
        finder.detect(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("size", "score"), [(31, 0.5), (320, 1.5), (320, np.nan)])
def test_options_out_of_range(size, score):
    with pytest.raises(ConfigError, match="expected a size of at least 32"):
        FaceFinder(size, score)


def test_a_higher_score_leaves_fewer(portrait):
    everything = FaceFinder(min_score=0.02).detect(portrait)
    assert len(everything) > 1
    assert (everything.scores > 0.02).all()
    least = float(everything.scores[1])
    assert len(FaceFinder(min_score=least).detect(portrait)) == 1


@pytest.mark.parametrize(("best", "kept"), [(0.6, [0, 2, 3]), (0.59, [0, 1, 2, 3])])
def test_beside_a_clear_face_a_large_one_has_to_be_half_as_clear(best, kept):
    sizes, scores = [90, 48, 48, 47], [best, 0.29, 0.3, 0.1]
    frames = np.array(
        [[5, 5, 5 + size, 9, 0, score] for size, score in zip(sizes, scores, strict=True)]
    )
    assert np.array_equal(_without_dim(frames), frames[kept])
    assert _without_dim(frames[:0]).shape == (0, 6)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_find_the_same(finder, portrait, copied):
    wanted, found = finder.detect(portrait), copied(finder).detect(portrait)
    assert np.array_equal(found.boxes_xyxy, wanted.boxes_xyxy)


def test_a_finder_by_its_file(portrait, tmp_path, finder):
    path = tmp_path / "mine.onnx"
    path.write_bytes(finder.path.read_bytes())
    mine = build_detector(str(path), 640)
    assert (mine.size, mine.card) == (640, finder.card)
    assert not isinstance(mine, YuNetFile)
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"mine\.onnx: expected YuNet's ONNX file"):
        build_detector(str(path))
    with pytest.raises(BundleError, match=r"mine\.onnx: onnxruntime cannot run its graph"):
        FaceFinder(path=path)


def test_the_card_says_how_it_was_made(finder):
    card = finder.card
    assert card["made"]["recipe"]["network"]["neck"] > 0
    assert "research only" in card["licences"]["weights"]
    assert finder.path.stat().st_size < 2**20


def test_the_faces_of_300w_at_any_angle(shared_300w, finder):
    from dan.datasets.formats import load_pts

    pictures = sorted((shared_300w / "helen" / "testset").glob("*.jpg"))[::33]
    missed = []
    for path in pictures:
        points, picture = load_pts(path.with_suffix(".pts")), cv2.imread(str(path))[..., ::-1]
        for quarters in range(4):
            last = picture.shape[0] - 1
            found = finder.detect(np.ascontiguousarray(picture))
            box = box_of_points(points)
            away = [np.hypot(*(box_centre(b) - box_centre(box))) for b in found.boxes_xyxy]
            if min(away, default=np.inf) > 0.4 * box_size_wh(box).mean():
                missed.append((path.name, quarters))
            picture = np.rot90(picture, -1)
            points = np.stack([last - points[:, 1], points[:, 0]], axis=1)
    assert not missed
