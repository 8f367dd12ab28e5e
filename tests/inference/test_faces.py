"""The result type."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dan.core.errors import ConfigError, ShapeError
from dan.drawing.landmarks import AXES_RGB
from dan.inference.aligner import FaceAligner
from dan.inference.faces import Face, Faces
from dan.schemes import FACE68, LandmarkScheme

SCHEME = LandmarkScheme("three", ("a", "b", "c"))


def faces(count=4):
    points = np.arange(count * 6, dtype=float).reshape(count, 3, 2) + 0.12345
    boxes = np.arange(count * 4, dtype=float).reshape(count, 4)
    scores = np.linspace(1, 0.5, count)
    return Faces(points, boxes, scores, np.linspace(0.9, 0.1, count), SCHEME)


def test_arrays_are_float32():
    found = faces()
    for values in (found.points_xy, found.search_boxes_xyxy, found.boxes_xyxy, found.scores):
        assert values.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("points_xy", (4, 2, 2)),
        ("points_xy", (4, 3)),
        ("points_xy", (3, 3, 2)),
        ("search_boxes_xyxy", (3, 4)),
        ("search_boxes_xyxy", (4, 5)),
        ("scores", (3,)),
        ("confidence", (4, 1)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(name, shape):
    values = {
        "points_xy": np.zeros((4, 3, 2)),
        "search_boxes_xyxy": np.zeros((4, 4)),
        "scores": np.zeros(4),
        "confidence": np.zeros(4),
    }
    with pytest.raises(ShapeError, match="expected shape"):
        Faces(**values | {name: np.zeros(shape)}, scheme=SCHEME)


def test_empty_is_a_result_like_any_other():
    none = Faces.empty(SCHEME)
    assert len(none) == 0
    assert not none
    assert none.points_xy.shape == (0, 3, 2)
    assert none.boxes_xyxy.shape == none.search_boxes_xyxy.shape == (0, 4)
    assert list(none) == []
    assert len(none[:]) == len(none[[]]) == len(none[np.zeros(0, bool)]) == 0
    assert none.to_dict() == {"scheme": "three", "faces": []}


@pytest.mark.parametrize(
    ("index", "places"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([2, 0], [2, 0]),
        ((2, 0), [2, 0]),
        ([], []),
        (np.array([True, False, False, True]), [0, 3]),
        ([False, True, False, False], [1]),
        (np.array([3, 3]), [3, 3]),
    ],
    ids=str,
)
def test_slicing(index, places):
    whole = faces()
    some = whole[index]
    assert isinstance(some, Faces)
    assert np.array_equal(some.points_xy, whole.points_xy[places])
    assert np.array_equal(some.search_boxes_xyxy, whole.search_boxes_xyxy[places])
    assert np.array_equal(some.scores, whole.scores[places])
    assert np.array_equal(some.confidence, whole.confidence[places])


@pytest.mark.parametrize("index", [4, -5, [0, 9], np.array([True, False])])
def test_what_is_not_there_is_an_index_error(index):
    with pytest.raises(IndexError):
        faces()[index]


@pytest.mark.parametrize(("index", "place"), [(0, 0), (-1, 3), (np.int64(2), 2)], ids=str)
def test_one_index_is_one_face(index, place):
    whole = faces()
    face = whole[index]
    assert isinstance(face, Face)
    assert np.array_equal(face.points_xy, whole.points_xy[place])
    assert np.array_equal(face.search_box_xyxy, whole.search_boxes_xyxy[place])
    assert np.array_equal(face.box_xyxy, whole.boxes_xyxy[place])
    assert (face.score, face.confidence) == (whole.scores[place], whole.confidence[place])
    assert face.id is None


def test_iteration_gives_one_face_after_the_other():
    whole = faces()
    assert [face.score for face in whole] == whole.scores.tolist()
    assert [face.points_xy.tolist() for face in whole] == whole.points_xy.tolist()


def test_they_print_in_a_line():
    assert repr(faces()) == "<Faces: 4 of three>"
    assert repr(faces()[0]) == "<Face: three, confidence 0.90>"


def test_boxes_are_tight_around_the_points():
    whole = faces()
    for box, points in zip(whole.boxes_xyxy, whole.points_xy, strict=True):
        assert box.tolist() == [*points.min(axis=0), *points.max(axis=0)]


def face68():
    points = np.arange(136, dtype=np.float32).reshape(1, 68, 2)
    return Faces(points, np.zeros((1, 4)), np.ones(1), np.ones(1), FACE68)[0]


def test_points_have_names():
    face = face68()
    assert face["jaw_3"].tolist() == [6, 7]
    assert face["nose_tip"].tolist() == [60, 61]  # of face5: point 30
    assert face["left_mouth_corner"].tolist() == [96, 97]
    assert face["left_eye"].tolist() == np.arange(72, 84).reshape(6, 2).mean(axis=0).tolist()
    assert face.part("left_eye").tolist() == face.points_xy[36:42].tolist()


@pytest.mark.parametrize("name", ["nose", "", "jaw_17"])
def test_names_of_no_point_are_refused(name):
    with pytest.raises(ConfigError, match=f"face68: it has no landmark {name}"):
        face68()[name]
    with pytest.raises(ConfigError, match="face68: expected one of jaw, left_brow"):
        face68().part("mouth")


def test_only_faces_of_known_confidence_can_be_chosen_by_it():
    whole = faces()
    sure = whole.with_confidence(0.5)
    assert sure.confidence.tolist() == [value for value in whole.confidence if value >= 0.5]
    silent = Faces(
        whole.points_xy, whole.search_boxes_xyxy, whole.scores, np.full(4, np.nan), SCHEME
    )
    assert len(silent.with_confidence(0)) == 4
    with pytest.raises(ConfigError, match="expected faces of a model that knows it"):
        silent.with_confidence(0.5)


def test_faces_are_drawn_on_a_copy():
    picture = np.zeros((90, 90, 3), np.uint8)
    points = np.random.default_rng(0).uniform(20, 70, (2, 68, 2))
    found = Faces(points, np.zeros((2, 4)), np.ones(2), np.array([0.5, np.nan]), FACE68)
    drawn = found.draw(picture)
    assert not picture.any()
    both = [found[place : place + 1].draw(picture) for place in (0, 1)]
    assert ((drawn > 0) >= (both[0] > 0)).mean() > 0.99
    assert (drawn != both[0]).any()
    assert np.array_equal(Faces.empty(FACE68).draw(picture), picture)


def test_to_dict_is_plain_and_unknown_is_none():
    found = faces(2)
    silent = Faces(
        found.points_xy, found.search_boxes_xyxy, found.scores, np.array([np.nan, 0.25]), SCHEME
    )
    values = json.loads(json.dumps(silent.to_dict(), allow_nan=False))
    assert values["scheme"] == "three"
    first, second = values["faces"]
    assert first["confidence"] is None
    assert second["confidence"] == 0.25
    assert first["points_xy"] == [[0.123, 1.123], [2.123, 3.123], [4.123, 5.123]]
    assert first["box_xyxy"] == [0.123, 1.123, 4.123, 5.123]
    assert second["search_box_xyxy"] == [4.0, 5.0, 6.0, 7.0]
    assert first["score"] == 1.0


def telling(scheme=SCHEME, count=2):
    """Faces of a model that tells all; outer eye corners, if any, lie 100 pixels apart."""
    n_landmarks = scheme.n_landmarks
    points = np.random.default_rng(0).uniform(20, 70, (count, n_landmarks, 2))
    if scheme.eyes is not None:
        points[:, scheme.eyes.outer_corners] = [[10, 20], [90, 80]]
    spread = np.tile(np.array([[4, 1.23456], [1.23456, 9]]), (count, n_landmarks, 1, 1))
    spread[:, 1] = 16 * np.eye(2)
    seen = np.linspace(0, 0.9, count * n_landmarks).reshape(count, n_landmarks)
    half = np.full(count, 0.5)
    return Faces(points, np.zeros((count, 4)), half, half, scheme, spread, seen)


def test_certainty_is_told_on_request():
    (first, second) = telling().to_dict(certainty=True)["faces"]
    assert first["covariance"] == [[4, 1.2346, 9], [16, 0, 16], [4, 1.2346, 9]]
    assert first["visibility"] == [0, 0.18, 0.36]
    assert second["visibility"] == [0.54, 0.72, 0.9]
    plain = telling().to_dict()["faces"][0]
    assert list(first) == [*plain, "covariance", "visibility"]
    assert {name: first[name] for name in plain} == plain
    unknown = faces(1).to_dict(certainty=True)["faces"][0]
    assert (unknown["covariance"], unknown["visibility"]) == (None, None)


def test_certainty_is_drawn_on_request():
    picture = np.zeros((90, 90, 3), np.uint8)
    found = telling(FACE68, count=1)
    plain, both = found.draw(picture), found.draw(picture, certainty=True)
    assert np.array_equal(plain, replace(found, covariance=None, visibility=None).draw(picture))
    for silent in ({"covariance": None}, {"visibility": None}):
        one = replace(found, **silent).draw(picture, certainty=True)
        assert not np.array_equal(one, plain)
        assert not np.array_equal(one, both)


def test_axes_are_drawn_on_request_where_there_is_a_pose(portrait):
    found = FaceAligner(threads=1)(portrait)
    origin, right, down, ahead = found[0].axes_xy()
    corners = found[0].points_xy[[36, 45]]
    assert np.linalg.norm(origin - corners.mean(axis=0)) < 3
    assert right[0] > origin[0] + 10
    assert down[1] > origin[1] + 10
    assert np.linalg.norm(ahead - origin) < 15  # she looks into the camera
    plain, drawn = found.draw(portrait), found.draw(portrait, axes=True)
    x, y = ((origin + down) / 2).round().astype(int)
    assert (drawn[y, x] == AXES_RGB[1]).all()
    line = np.tile(np.linspace(10, 90, 68)[None, :, None], (1, 1, 2))
    nowhere = replace(found, points_xy=line)
    assert nowhere[0].axes_xy() is None
    assert np.array_equal(nowhere.draw(plain, axes=True), nowhere.draw(plain))
    with pytest.raises(ConfigError, match="no conversion leads from scheme three"):
        faces(1).draw(portrait, axes=True)


def test_a_point_is_as_sure_as_its_covariance_says():
    found = telling(FACE68)  # good: within 8 pixels
    certain = 1 - (5 / 3) ** -4  # within twice the deviation: 1 - (1 + 4 / 6)^-4
    np.testing.assert_allclose(found.point_confidence[:, 1], certain, rtol=1e-6)
    assert (found.point_confidence[:, 0] > found.point_confidence[:, 1]).all()
    for other in (telling(SCHEME), replace(found, covariance=None)):
        assert (other.point_confidence == 0.5).all()
        assert other.point_confidence.shape == other.points_xy.shape[:2]
    assert Faces.empty(FACE68).point_confidence.shape == (0, 68)


def test_to_supervision():
    pytest.importorskip("supervision")
    points = faces().to_supervision()
    assert points.xy.shape == (4, 3, 2)
    np.testing.assert_array_equal(
        points.keypoint_confidence, faces().confidence[:, None] + [[0] * 3]
    )
    found = telling(FACE68)
    assert (found.to_supervision().keypoint_confidence == found.point_confidence).all()
    silent = replace(faces(), confidence=np.full(4, np.nan)).to_supervision()
    assert (silent.keypoint_confidence == 1).all()


def test_to_supervision_says_what_is_missing():
    try:
        import supervision  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match="pip install 'supervision"):
            faces().to_supervision()
