import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE, AnnotationSet, convert_annotations
from dan.datasets.synthetic import template_shape
from dan.schemes import FACE5, FACE68, WFLW98, LandmarkScheme, convert_points


def faces(scheme=FACE68):
    points = np.stack([template_shape(), 2 * template_shape()]).astype(float)
    visibility = np.full((2, 68), VISIBLE)
    visibility[0, [37, 30]] = UNKNOWN, HIDDEN
    return AnnotationSet.build(
        ["a", "b"],
        [1, 0],
        points,
        visibility=visibility,
        boxes_xyxy=[[0, 0, 1, 1]] * 2,
        ignore=[True, False],
        attributes={"blur": [0, 1]},
        scheme=scheme,
    )


def test_points_and_scheme_change_and_the_rest_stays():
    given = faces()
    made = convert_annotations(given, FACE5)
    assert made.scheme is FACE5
    np.testing.assert_allclose(made.points[1], convert_points(given.points[1], FACE68, FACE5))
    assert made.visibility.tolist() == [[UNKNOWN, VISIBLE, HIDDEN, VISIBLE, VISIBLE], [VISIBLE] * 5]
    assert np.isnan(made.points[0, 0]).all()
    for name in ("image_names", "image_index", "boxes_xyxy", "ignore", "image_sizes_wh"):
        assert getattr(made, name) is getattr(given, name) or np.array_equal(
            getattr(made, name), getattr(given, name)
        )
    assert made.attributes["blur"].tolist() == [0, 1]
    assert given.scheme is FACE68
    assert given.n_landmarks == 68


def test_an_interpolated_point_is_hidden_with_either_neighbour():
    seen = np.full((1, 68), VISIBLE)
    seen[0, 5] = HIDDEN
    given = AnnotationSet.build(["a"], [0], template_shape()[None], visibility=seen)
    made = convert_annotations(given, WFLW98)
    hidden = np.flatnonzero(made.visibility[0] == HIDDEN).tolist()
    assert hidden == [7, 9, 10, 11, 13]  # the point itself, and those whose cubic needs it


def test_the_number_of_points_says_the_scheme_where_nobody_does():
    assert convert_annotations(faces(scheme=None), FACE5).n_landmarks == 5
    empty = AnnotationSet.build([], [], np.zeros((0, 68, 2)))
    assert convert_annotations(empty, FACE5).points.shape == (0, 5, 2)


def test_what_is_refused():
    with pytest.raises(ConfigError, match="from scheme points68"):
        convert_annotations(faces(LandmarkScheme.plain(68)), FACE5)
    with pytest.raises(DataError, match="at least 1 landmark"):
        convert_annotations(AnnotationSet.empty(), FACE5)
