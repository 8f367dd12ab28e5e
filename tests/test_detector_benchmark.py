"""What ``benchmarks/detectors.py`` takes for the truth, and which detection it takes for a face."""

from pathlib import Path

import numpy as np
import pytest

from dan.core.errors import ConfigError
from dan.geometry import Similarity
from dan.inference.detections import BoxFit, Detections
from dan.inference.onnx_model import OnnxModel

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("needs benchmarks/, which the source archive lacks", allow_module_level=True)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def mean_shape():
    return OnnxModel("dan68-fast").mean_shape.astype(float)


def face_at(centre_xy, mean_shape, **move):
    """A face in the mean shape's form, its box's centre there."""
    from scenes import TrueFace

    middle = (mean_shape.min(axis=0) + mean_shape.max(axis=0)) / 2
    moved = Similarity.about(middle, move_to_xy=centre_xy, **move).apply(mean_shape)
    return TrueFace.of(moved, mean_shape)


@pytest.mark.parametrize("angle", [0, 30, 90, 135, -90])
def test_a_turned_face_keeps_its_centre_and_size(mean_shape, angle):
    upright = face_at((50, 40), mean_shape)
    face = face_at((50, 40), mean_shape, angle_deg=angle, scale=2)
    assert face.roll_deg == pytest.approx(angle)
    assert face.centre_xy == pytest.approx([50, 40])
    assert face.size == pytest.approx(2 * upright.size)


def test_the_true_frame_starts_at_the_true_points(mean_shape):
    from detector_frames import Frames

    face = face_at((50, 40), mean_shape, angle_deg=120, scale=1.5)
    starts = Frames.true([face]).starts(mean_shape)
    np.testing.assert_allclose(starts[0], face.points_xy, atol=1e-6)


def test_unknown_points_do_not_count(mean_shape):
    from scenes import TrueFace

    points = mean_shape.copy()
    points[36] = np.nan
    face = TrueFace.of(points, mean_shape)
    assert np.isnan(face.length)
    eyes = np.linalg.norm(mean_shape[36] - mean_shape[45])
    assert face.with_length_by_size(mean_shape).length == pytest.approx(eyes)


@pytest.mark.parametrize(
    ("shifts", "nearest"),
    [([], None), ([0.39], 0), ([0.41], None), ([0.3, -0.2, 0.25], 1)],
)
def test_a_face_is_found_within_its_own_0_4(mean_shape, shifts, nearest):
    from detector_frames import Frames

    face = face_at((50, 40), mean_shape, angle_deg=60)
    boxes = [face.box_xyxy + [shift * face.size, 0] * 2 for shift in shifts]
    frames = Frames(np.reshape(boxes, (-1, 4)), np.zeros(len(boxes)))
    assert frames.nearest([face]) == [nearest]


class OfOneFace:
    """Finds one face, a square of 20 pixels, and may tell how it is turned."""

    box_fit = BoxFit(shift_xy=(0, 0.1), scale_wh=(0.5, 0.5))

    def __init__(self, roll_deg=None):
        self.roll_deg = roll_deg

    def detect(self, picture):
        found = Detections.of([[10, 10, 30, 30]], [1])
        if self.roll_deg is not None:
            object.__setattr__(found, "rolls_deg", np.array([self.roll_deg]))
        return found


@pytest.mark.parametrize(
    ("roll", "box"),
    [(None, [15, 17, 25, 27]), (90, [13, 15, 23, 25]), (180, [15, 13, 25, 23])],
)
def test_the_fit_is_turned_with_the_face(roll, box):
    from detector_frames import Frames

    frames = Frames.found(OfOneFace(roll), np.zeros((40, 40, 3), np.uint8))
    np.testing.assert_allclose(frames.boxes_xyxy, [box], atol=1e-12)
    assert frames.rolls_deg == pytest.approx([roll or 0])


@pytest.mark.parametrize(
    ("angle", "size_wh", "xy"),
    [(0, (5, 3), (4, 1)), (90, (3, 5), (1, 4)), (180, (5, 3), (0, 1)), (45, (6, 6), None)],
)
def test_turning_moves_points_with_their_pixels_and_cuts_nothing(angle, size_wh, xy):
    from scenes import turned

    picture = np.zeros((3, 5, 3), np.uint8)
    picture[1, 4] = 255  # the middle of the right edge
    out, move = turned(picture, angle)
    assert out.shape[1::-1] == size_wh
    if xy is not None:
        assert move.apply(np.array([[4.0, 1.0]]))[0] == pytest.approx(xy)
        assert out[xy[1], xy[0]].tolist() == [255] * 3
        assert out.sum() == 3 * 255


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("any_angle", [False, True])
def test_a_composed_scene_knows_where_its_faces_are(mean_shape, side_by_side, any_angle):
    from scenes import SCENE_WH, composed

    face = face_at((100, 100), mean_shape)
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[60:141, 60:141] = 200  # bright where the face is
    scene = composed(
        np.zeros((30, 40, 3), np.uint8), [(lambda: picture, face)] * 500, (24, 48), mean_shape,
        np.random.default_rng(0), any_angle=any_angle, side_by_side=side_by_side,
    )  # fmt: skip
    assert scene.picture.shape[1::-1] == SCENE_WH
    assert len(scene.faces) == (24 if side_by_side else 12)  # of 6 by 4 cells
    for found in scene.faces:
        assert 24 <= found.size <= 48
        assert any_angle or found.roll_deg == pytest.approx(0, abs=1e-6)
        x, y = found.centre_xy.round().astype(int)
        assert scene.picture[y, x].tolist() == [200] * 3
    rolls = [found.roll_deg for found in scene.faces]
    assert (np.ptp(rolls) > 90) == any_angle


def test_what_is_not_found_has_failed():
    from detectors import figures

    assert figures(np.array([0.02, 0.04, 0.12, np.inf])) == "75.0 / 6.00 / 50.0"
    assert figures(np.array([np.inf])) == "0.0 / – / 100.0"
    assert figures(np.array([])) == "–"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "0"], "--every: expected at least 1, got 0"),
        (["--detectors", "slimface"], "--detectors: expected some of finder, .*, got slimface"),
    ],
)
def test_wrong_options_are_one_line(monkeypatch, words, message):
    import detectors

    monkeypatch.setattr("sys.argv", ["detectors.py", "dan68-fast", "nowhere", *words])
    with pytest.raises(ConfigError, match=message):
        detectors.main()
