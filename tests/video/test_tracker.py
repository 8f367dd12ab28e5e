"""The tracker with a perfect aligner: every answer is known exactly."""

import math

import cv2
import numpy as np
import pytest

from dan.core.errors import ConfigError, ShapeError
from dan.datasets.synthetic import template_shape
from dan.inference.detections import Detections
from dan.video.smoothing import Smoothing
from dan.video.tracked_faces import TrackedFaces
from dan.video.tracker import MAX_MISSES, FaceTracker

FPS = 25
SIZE = 60.0


def at(x, y=120.0):
    """(68, 2) a face of 60 pixels with its template's origin there."""
    return (SIZE * template_shape() + [x, y]).astype(np.float32)


def follow(tracker, scene, count, first=0):
    """Faces of each of the frames."""
    blank = [scene.frame_with(number, []) for number in range(first, first + count)]
    return [tracker.update(frame, (first + k) / FPS) for k, frame in enumerate(blank)]


def ids(results):
    return [faces.ids.tolist() for faces in results]


def test_one_face_is_detected_now_and_then_and_followed_exactly(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(60 + 4 * number)})
    tracker = FaceTracker(aligner, detect_every=10, smoothing=False)
    results = follow(tracker, scene, 41)
    assert ids(results) == [[1]] * 41
    for number, faces in enumerate(results):
        np.testing.assert_array_equal(faces.points_xy[0], at(60 + 4 * number))
        np.testing.assert_allclose(faces.boxes_xyxy[0, :2], faces.points_xy[0].min(axis=0))
        assert faces.scores[0] == np.float32(0.9)
        assert faces.confidence[0] == np.float32(0.95)
    assert (tracker.n_frames, tracker.n_detections, tracker.n_ids) == (41, 5, 1)


def test_no_face_is_the_same_type_and_the_search_goes_on(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(100)} if number >= 5 else {})
    tracker = FaceTracker(aligner)
    results = follow(tracker, scene, 8)
    assert all(isinstance(faces, TrackedFaces) for faces in results)
    assert ids(results) == [[]] * 5 + [[1]] * 3
    assert tracker.n_detections == 6


def test_a_new_face_is_found_at_the_next_detection(scene):
    def truth(number):
        return {"a": at(60)} | ({"b": at(200)} if number >= 3 else {})

    results = follow(FaceTracker(scene.SceneAligner(truth), detect_every=10), scene, 15)
    assert ids(results) == [[1]] * 10 + [[1, 2]] * 5
    np.testing.assert_array_equal(results[12].points_xy[1], at(200))


@pytest.mark.parametrize(
    ("away_for", "back_at", "expected"),
    [
        (10, 60, [1]),  # where it was
        (10, 75, [1]),  # a little further
        (10, 180, [2]),  # elsewhere: another face
        (45, 60, [1]),
        (60, 60, [2]),  # after more than two seconds
    ],
)
def test_a_lost_face_comes_back_under_its_id(scene, away_for, back_at, expected):
    def truth(number):
        if number < 5:
            return {"a": at(60)}
        return {} if number < 5 + away_for else {"a": at(back_at)}

    results = follow(FaceTracker(scene.SceneAligner(truth)), scene, 10 + away_for)
    assert ids(results) == [[1]] * 5 + [[]] * away_for + [expected] * 5


def test_a_face_that_went_behind_something_comes_out_under_its_id(scene):
    def truth(number):
        return {} if 20 <= number < 40 else {"a": at(50 + 4 * number)}

    results = follow(FaceTracker(scene.SceneAligner(truth)), scene, 45)
    assert ids(results)[40:] == [[1]] * 5


@pytest.mark.parametrize("knows_confidence", [True, False])
@pytest.mark.parametrize("front", ["older", "younger"])
def test_ids_stay_when_one_face_passes_in_front_of_another(scene, front, knows_confidence):
    # The resting face is hidden while the other one is near; "a" is detected first.
    resting, moving = ("a", "b") if front == "younger" else ("b", "a")

    def truth(number):
        x = 280 - 5 * number
        faces = {moving: at(x)} | ({resting: at(160)} if abs(x - 160) > 0.5 * SIZE else {})
        return dict(sorted(faces.items()))

    tracker = FaceTracker(scene.SceneAligner(truth, knows_confidence), smoothing=False)
    last = follow(tracker, scene, 46)[-1]
    assert last.ids.tolist() == [1, 2]
    np.testing.assert_array_equal(last.points_xy[0 if resting == "a" else 1], at(160))
    np.testing.assert_array_equal(last.points_xy[1 if resting == "a" else 0], at(55))


def test_detections_in_another_order_do_not_swap_ids(scene):
    def truth(number):
        faces = {"a": at(90), "b": at(200)}
        return faces if number % 2 else dict(reversed(faces.items()))

    results = follow(FaceTracker(scene.SceneAligner(truth), detect_every=1), scene, 6)
    assert ids(results) == [[1, 2]] * 6
    assert len({tuple(faces.points_xy[0, 0]) for faces in results}) == 1


def test_a_sure_face_needs_no_detector(scene):
    unseen = [(number, "a") for number in range(1, 40)]
    aligner = scene.SceneAligner(lambda _: {"a": at(100)}, unseen=unseen)
    assert ids(follow(FaceTracker(aligner, detect_every=4), scene, 40)) == [[1]] * 40


@pytest.mark.parametrize(("missed", "is_kept"), [(MAX_MISSES - 1, True), (MAX_MISSES, False)])
def test_without_confidence_detections_in_a_row_decide(scene, missed, is_kept):
    unseen = [(number, "a") for number in range(10, 10 + missed)]
    aligner = scene.SceneAligner(lambda _: {"a": at(100)}, knows_confidence=False, unseen=unseen)
    results = follow(FaceTracker(aligner, detect_every=10), scene, 10 + missed)
    assert ids(results)[:-1] == [[1]] * (9 + missed)
    assert ids(results)[-1] == ([1] if is_kept else [])


def test_a_track_that_slid_off_starts_again_from_its_detection(scene):
    class Stuck(scene.SceneAligner):
        """Stays where it is, unless it starts from a detection."""

        from_box = False

        def __call__(self, frame, *, boxes=None, points=None):
            found = super().__call__(frame, boxes=boxes, points=points)
            if points is not None and not self.from_box:
                object.__setattr__(found, "points_xy", np.asarray(points, dtype=np.float32))
            self.from_box = boxes is not None
            return found

    aligner = Stuck(lambda number: {"a": at(100 if number < 3 else 130)}, knows_confidence=False)
    results = follow(FaceTracker(aligner, detect_every=10, smoothing=False), scene, 12)
    assert ids(results) == [[1]] * 12
    np.testing.assert_array_equal(results[9].points_xy[0], at(100))
    np.testing.assert_array_equal(results[10].points_xy[0], at(130))
    np.testing.assert_array_equal(results[11].points_xy[0], at(130))


def test_after_a_loss_every_frame_is_searched(scene):
    def truth(number):
        return {"a": at(60)} | ({} if 3 <= number < 7 else {"b": at(200)})

    tracker = FaceTracker(scene.SceneAligner(truth), detect_every=100)
    results = follow(tracker, scene, 40)
    assert ids(results) == [[1, 2]] * 3 + [[1]] * 4 + [[1, 2]] * 33
    # The whole frame once more in each frame without it; its own part finds it when it is back.
    assert tracker.n_detections == 1 + 4


def test_two_detections_of_one_face_are_one_face(scene):
    class Double(scene.SceneAligner):
        def detect(self, frame, **where):
            found = super().detect(frame, **where)
            shifted = found.boxes_xyxy + np.array([0.4 * SIZE, 0, 0.4 * SIZE, 0])
            boxes = np.concatenate([found.boxes_xyxy, shifted])
            return Detections.of(boxes, np.concatenate([found.scores, found.scores - 0.1]))

    tracker = FaceTracker(Double(lambda _: {"a": at(100)}), detect_every=1)
    assert ids(follow(tracker, scene, 4)) == [[1]] * 4
    assert tracker.n_ids == 1


def test_at_most_so_many_faces_and_the_first_ones_stay(scene):
    def truth(number):
        return ({"c": at(260, 60)} if number >= 3 else {}) | {"a": at(60), "b": at(160)}

    tracker = FaceTracker(scene.SceneAligner(truth), detect_every=2, max_faces=2)
    results = follow(tracker, scene, 8)
    assert ids(results) == [[1, 2]] * 8
    np.testing.assert_array_equal(results[-1].points_xy[0], at(60))


def test_a_picture_of_another_size_keeps_the_ids(scene):
    factors = {0: 1.0, 1: 1.0, 2: 2.0, 3: 2.0, 4: 0.5}

    def truth(number):
        return {"a": (at(100) + 0.5) * factors[number] - 0.5}

    tracker = FaceTracker(scene.SceneAligner(truth), smoothing=False, detect_every=100)
    for number, factor in factors.items():
        frame = cv2.resize(scene.frame_with(number, []), None, fx=factor, fy=factor)
        faces = tracker.update(frame, float(number))
        assert faces.ids.tolist() == [1]
        np.testing.assert_allclose(faces.points_xy[0], truth(number)["a"], atol=1e-4)
    assert tracker.n_detections == 1


def test_other_proportions_are_another_picture(scene):
    aligner = scene.SceneAligner(lambda _: {"a": at(100)})
    tracker = FaceTracker(aligner)
    tracker.update(scene.frame_with(0, []), 0.0)
    taller = np.concatenate([scene.frame_with(1, [])] * 2)
    assert tracker.update(taller, 0.1).ids.tolist() == [2]


def test_smoothing_never_feeds_back_into_the_search(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(60 + 6 * number)})
    lazy = Smoothing(min_cutoff_hz=0.01, beta=0.0)
    results = follow(FaceTracker(aligner, smoothing=lazy, detect_every=100), scene, 20)
    assert (results[-1].points_xy[0] - at(60 + 6 * 19))[:, 0].max() < -80  # far behind
    last_start = aligner.starts[-1][0]
    assert np.abs(last_start - at(60 + 6 * 19)).max() < 1.0  # and yet the search is on time


def test_the_same_points_without_smoothing_and_the_input_is_left_alone(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(100)})
    frame = scene.frame_with(0, [])
    kept = frame.copy()
    smooth, raw = FaceTracker(aligner), FaceTracker(aligner, smoothing=False)
    for k in range(3):
        shown, found = smooth.update(frame, k / FPS), raw.update(frame, k / FPS)
        np.testing.assert_allclose(shown.points_xy, found.points_xy, atol=1e-4)
    assert (frame == kept).all()


@pytest.mark.parametrize("time_s", [1.0, 0.5, math.nan, math.inf])
def test_the_time_must_advance(scene, time_s):
    tracker = FaceTracker(scene.SceneAligner(lambda _: {}))
    tracker.update(scene.frame_with(0, []), 1.0)
    with pytest.raises(ConfigError, match=r"time_s: expected more than 1.0"):
        tracker.update(scene.frame_with(1, []), time_s)


def test_frames_must_be_pictures(scene):
    with pytest.raises(ShapeError, match="picture: expected"):
        FaceTracker(scene.SceneAligner(lambda _: {})).update(np.zeros((4, 4)), 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"detect_every": 0},
        {"max_faces": 0},
        {"lost_below": 1.1},
        {"lost_below": -0.1},
        {"min_confidence": 1.1},
        {"min_confidence": -0.1},
    ],
)
def test_options_out_of_range(scene, options):
    with pytest.raises(ConfigError, match="tracker: expected"):
        FaceTracker(scene.SceneAligner(lambda _: {}), **options)


def test_an_aligner_that_leaves_faces_out_is_refused(scene):
    aligner = scene.SceneAligner(lambda _: {})
    aligner.min_confidence = 0.5
    with pytest.raises(ConfigError, match="an aligner whose min_confidence is 0"):
        FaceTracker(aligner)


def test_faces_below_the_least_confidence_are_followed_but_not_returned(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(100 + number)})
    tracker = FaceTracker(aligner, min_confidence=0.96)  # the scene is sure to 0.95
    results = follow(tracker, scene, 20)
    assert [len(faces) for faces in results] == [0] * 20
    assert (tracker.n_ids, tracker.n_detections) == (1, 2)
    shown = FaceTracker(aligner, min_confidence=0.95)
    assert [faces.ids.tolist() for faces in follow(shown, scene, 3)] == [[1]] * 3


def test_a_least_confidence_needs_a_model_that_knows_its_own(scene):
    aligner = scene.SceneAligner(lambda _: {}, knows_confidence=False)
    with pytest.raises(ConfigError, match="min_confidence: expected a model that knows its"):
        FaceTracker(aligner, min_confidence=0.5)


def test_frames_may_be_bgr(scene):
    aligner = scene.SceneAligner(lambda _: {"a": at(100)})
    seen = []
    aligner.detect = lambda frame: (seen.append(frame), scene.Detections.of([], []))[1]
    frame = scene.frame_with(0, [(0, 100, 100)])
    FaceTracker(aligner).update(frame[:, :, ::-1], 0.0, channels="bgr")
    np.testing.assert_array_equal(seen[0], frame)


def test_without_times_the_frames_are_those_of_a_common_video(scene):
    aligner = scene.SceneAligner(lambda number: {"a": at(100 + number)})
    timed, plain = FaceTracker(aligner), FaceTracker(aligner)
    for number in range(5):
        frame = scene.frame_with(number, [])
        wanted = timed.update(frame, number / 25)
        np.testing.assert_allclose(plain.update(frame).points_xy, wanted.points_xy, atol=1e-4)
