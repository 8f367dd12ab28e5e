"""The result type."""

import json

import numpy as np
import pytest

from dan.errors import ConfigError, ShapeError
from dan.inference.faces import Faces
from dan.schemes import LandmarkScheme

SCHEME = LandmarkScheme("three", ("a", "b", "c"))


def faces(count=4):
    points = np.arange(count * 6, dtype=float).reshape(count, 3, 2) + 0.12345
    boxes = np.arange(count * 4, dtype=float).reshape(count, 4)
    scores = np.linspace(1, 0.5, count)
    return Faces(points, boxes, scores, np.linspace(0.9, 0.1, count), SCHEME)


def test_arrays_are_float32():
    found = faces()
    for values in (found.points_xy, found.boxes_xyxy, found.scores, found.confidence):
        assert values.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("points_xy", (4, 2, 2)),
        ("points_xy", (4, 3)),
        ("points_xy", (3, 3, 2)),
        ("boxes_xyxy", (3, 4)),
        ("boxes_xyxy", (4, 5)),
        ("scores", (3,)),
        ("confidence", (4, 1)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(name, shape):
    values = {
        "points_xy": np.zeros((4, 3, 2)),
        "boxes_xyxy": np.zeros((4, 4)),
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
    assert none.boxes_xyxy.shape == (0, 4)
    assert list(none) == []
    assert len(none[:]) == len(none[[]]) == len(none[np.zeros(0, bool)]) == 0
    assert none.to_dict() == {"scheme": "three", "faces": []}


@pytest.mark.parametrize(
    ("index", "places"),
    [
        (0, [0]),
        (-1, [3]),
        (np.int64(2), [2]),
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
    assert np.array_equal(some.boxes_xyxy, whole.boxes_xyxy[places])
    assert np.array_equal(some.scores, whole.scores[places])
    assert np.array_equal(some.confidence, whole.confidence[places])


@pytest.mark.parametrize("index", [4, -5, [0, 9], np.array([True, False])])
def test_what_is_not_there_is_an_index_error(index):
    with pytest.raises(IndexError):
        faces()[index]


def test_iteration_gives_results_of_one_face():
    whole = faces()
    assert [len(face) for face in whole] == [1] * 4
    assert [float(face.scores[0]) for face in whole] == whole.scores.tolist()


def test_to_dict_is_plain_and_unknown_is_none():
    found = faces(2)
    silent = Faces(
        found.points_xy, found.boxes_xyxy, found.scores, np.array([np.nan, 0.25]), SCHEME
    )
    values = json.loads(json.dumps(silent.to_dict(), allow_nan=False))
    assert values["scheme"] == "three"
    first, second = values["faces"]
    assert first["confidence"] is None
    assert second["confidence"] == 0.25
    assert first["points_xy"] == [[0.123, 1.123], [2.123, 3.123], [4.123, 5.123]]
    assert second["box_xyxy"] == [4.0, 5.0, 6.0, 7.0]
    assert first["score"] == 1.0


def test_to_supervision():
    pytest.importorskip("supervision")
    points = faces().to_supervision()
    assert points.xy.shape == (4, 3, 2)
    assert points.keypoint_confidence.shape == (4, 3)


def test_to_supervision_says_what_is_missing():
    try:
        import supervision  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match="pip install 'supervision"):
            faces().to_supervision()
