"""A face that is lost stays covered for a while."""

import numpy as np
import pytest
from helpers import run_command

from dan.core.errors import ConfigError
from dan.geometry import Similarity
from dan.inference.aligner import FaceAligner
from dan.inference.detections import BoxFit, Detections
from dan.inference.landmark_model import CropLandmarks
from dan.schemes import FACE68
from dan.video.covering import Covering, outlines_in
from dan.video.reader import Frame, VideoReader
from dan.video.tracked_faces import TrackedFaces

CHANCE = np.random.default_rng(0)
FACE = Similarity.about([0, 0], move_to_xy=[100, 100]).apply(CHANCE.uniform(-20, 20, (68, 2)))
FACE[:17] = np.c_[np.linspace(70, 130, 17), 130 - np.abs(np.linspace(-30, 30, 17))]


class Seen:
    """A detector that says what the test wants."""

    box_fit = BoxFit()

    def __init__(self):
        self.found = Detections.of([], [])

    def detect(self, _):
        return self.found


class Sure:
    """A model of one confidence."""

    name, crop_size, scheme, has_confidence = "sure", 56, FACE68, True
    mean_shape = FACE.astype(np.float32) / 4

    def __init__(self, confidence):
        self.confidence = confidence

    def __call__(self, crops):
        n = len(crops)
        points = np.repeat(self.mean_shape[None], n, axis=0)
        return CropLandmarks(points, np.full(n, self.confidence, dtype=np.float32))


def aligner_of(confidence=0.0):
    return FaceAligner(Sure(confidence), Seen())


def at(time_s, *, ids=(), shift=0.0):
    """A white frame, and the faces in it."""
    frame = Frame(0, time_s, np.full((300, 300, 3), 255, np.uint8))
    points = np.array([FACE + np.array([shift, 0]) for _ in ids]).reshape(-1, 68, 2)
    n = len(ids)
    faces = TrackedFaces(
        points, np.zeros((n, 4)), np.ones(n), np.ones(n), FACE68, ids=np.array(ids, dtype=int)
    )
    return frame, faces


def area(picture):
    return int((picture == 0).all(axis=2).sum())


def test_a_lost_face_stays_covered_and_its_place_grows():
    covering = Covering(aligner_of(), "fill", hold_s=1.0)
    first = area(covering(*at(0.0, ids=(1,))))
    assert first > 1500
    later = [area(covering(*at(time_s))) for time_s in (0.5, 1.0)]
    assert first < later[0] < later[1]
    assert area(covering(*at(1.01))) == 0


def test_found_again_it_is_covered_where_it_is_alone():
    covering = Covering(aligner_of(), "fill")
    first = area(covering(*at(0.0, ids=(1,))))
    covering(*at(0.5))
    again = covering(*at(0.6, ids=(1,), shift=150))
    assert abs(area(again) - first) < 5
    assert (again[100, 100] == 255).all()
    assert (again[100, 250] == 0).all()


def test_another_face_in_its_place_does_not_uncover_a_lost_one():
    covering = Covering(aligner_of(), "fill")
    covering(*at(0.0, ids=(1, 2)))
    with_one = covering(*at(0.5, ids=(2,), shift=30))
    assert (with_one[100, 75] == 0).all()


@pytest.mark.parametrize(
    ("score", "confidence", "is_covered"), [(0.3, 0.4, True), (0.3, 0.1, False), (0.7, 0.0, True)]
)
def test_what_may_be_a_face_is_covered(score, confidence, is_covered):
    aligner = aligner_of(confidence)
    aligner.detector.found = Detections.of([(200, 200, 240, 240)], [score])
    covering = Covering(aligner, "fill")
    covered = area(covering(*at(0.0)))
    assert (covered > 0) == is_covered
    aligner.detector.found = Detections.of([(202, 200, 242, 240)], [score])
    assert abs(area(covering(*at(0.1))) - covered) < 50  # the same place, not both
    aligner.detector.found = Detections.of([], [])
    assert (area(covering(*at(0.2))) > covered) == is_covered


def test_neighbours_that_are_not_tracked_are_both_covered_and_held():
    aligner = aligner_of()
    aligner.detector.found = Detections.of([(90, 90, 150, 150), (130, 90, 190, 150)], [0.9, 0.8])
    covering = Covering(aligner, "fill")
    now = covering(*at(0.0))
    aligner.detector.found = Detections.of([], [])
    for picture in (now, covering(*at(0.5))):
        assert (picture[120, [80, 200]] == 0).all()


def test_a_finding_on_a_tracked_face_adds_nothing():
    aligner = aligner_of(1.0)
    frame, faces = at(0.0, ids=(1,))
    aligner.detector.found = Detections.of([faces.boxes_xyxy[0] + 1], [1.0])
    assert len(outlines_in(frame.rgb, aligner, faces)) == 1


def test_the_faces_of_a_picture_are_looked_for_where_they_are_not_known():
    aligner = aligner_of(1.0)
    frame, faces = at(0.0, ids=(1,))
    aligner.detector.found = Detections.of(faces.boxes_xyxy, [1.0])
    (outline,) = outlines_in(frame.rgb, aligner)
    (known,) = outlines_in(frame.rgb, aligner, aligner(frame.rgb))
    assert np.array_equal(outline, known)


def test_the_time_has_to_be_one():
    for hold_s in (-1.0, np.nan, np.inf):
        with pytest.raises(ConfigError, match="hold: expected 0 seconds or more, got "):
            Covering(aligner_of(), hold_s=hold_s)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brother.mkv", "head-pose-face-detection-female-and-male.gif"])
def test_no_face_is_found_in_a_covered_clip(name, shared_videos, tmp_path):
    out = tmp_path / "out.mp4"
    words = ["--model", "dan68-fast", "--threads", "1", "-o", out]
    assert run_command("blur", shared_videos / name, *words).code == 0
    aligner = FaceAligner("dan68-fast", threads=1)
    with VideoReader(out) as video:
        found = [len(aligner(frame.rgb)) for frame in video]
    assert len(found) > 50
    assert not any(found)
