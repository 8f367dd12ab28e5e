import numpy as np
import pytest

from dan.core.errors import DataError, ShapeError
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE, AnnotationSet, same_annotations
from dan.schemes import FACE68, LandmarkScheme

POINTS = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [np.nan, np.nan]]])
TWO = AnnotationSet.build(["a.jpg", "empty.jpg", "b.jpg"], [2, 0], POINTS)


def test_what_is_not_said_is_filled_in():
    assert len(TWO) == 2
    assert TWO.n_landmarks == 2
    assert TWO.visibility.tolist() == [[VISIBLE, VISIBLE], [VISIBLE, UNKNOWN]]
    assert TWO.known.tolist() == [[True, True], [True, False]]
    assert np.isnan(TWO.boxes_xyxy).all()
    assert not TWO.ignore.any()
    assert TWO.image_sizes_wh.tolist() == [[0, 0]] * 3
    assert TWO.face_names == ("b.jpg", "a.jpg")
    assert TWO.or_plain_scheme().n_landmarks == 2


def test_input_is_neither_changed_nor_locked_and_the_set_is_read_only():
    points = POINTS.copy()
    faces = AnnotationSet.build(["a"], [0, 0], points, visibility=[[2, 0], [1, 0]])
    assert np.array_equal(points, POINTS, equal_nan=True)
    assert np.isnan(faces.points[0, 1]).all()
    assert faces.visibility[1, 0] == HIDDEN
    points[0] = 7
    with pytest.raises(ValueError, match="read-only"):
        faces.points[0] = 7


def test_empty_sets():
    empty = AnnotationSet.empty(68)
    assert len(empty) == 0
    assert empty.points.shape == (0, 68, 2)
    assert empty.or_plain_scheme() is FACE68
    assert same_annotations(empty.select([]).by_image(), empty)
    with pytest.raises(DataError, match="at least 1 landmark, got 0"):
        AnnotationSet.empty().or_plain_scheme()


def test_selecting_and_ordering():
    assert TWO.by_image().face_names == ("a.jpg", "b.jpg")
    assert TWO.by_image().by_image() is not TWO
    assert TWO.select([1]).face_names == ("a.jpg",)
    assert TWO.select([False, True]).image_names == TWO.image_names
    assert not same_annotations(TWO, TWO.select([0]))


def test_boxes_of_points_where_there_is_none():
    faces = AnnotationSet.build(
        ["a"], [0, 0, 0], np.concatenate([POINTS, np.full((1, 2, 2), np.nan)]),
        boxes_xyxy=[[0, 0, 9, 9], [np.nan] * 4, [np.nan] * 4],
    )  # fmt: skip
    boxes = faces.boxes_or_points_boxes()
    assert boxes[:2].tolist() == [[0, 0, 9, 9], [5, 6, 5, 6]]
    assert np.isnan(boxes[2]).all()


def test_images_below_a_folder(tmp_path):
    faces = AnnotationSet.build(["x/a.jpg", "b..jpg"], [], np.empty((0, 2, 2)))
    assert faces.image_paths(tmp_path) == (tmp_path / "x/a.jpg", tmp_path / "b..jpg")


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "x/../../a.jpg", "/etc/a.jpg", "C:/a.jpg", "C:a.jpg", r"\\h\s\a", r"x\..\a"],
)
def test_names_that_lead_out_of_the_folder_are_data_but_no_paths(tmp_path, name):
    faces = AnnotationSet.build([name], [], np.empty((0, 2, 2)))
    assert faces.image_names == (name,)
    with pytest.raises(DataError, match="path out of it"):
        faces.image_paths(tmp_path)


ONE = {"image_names": ["a"], "image_index": [0], "points": [[[1.0, 2.0]]]}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": [[1.0, 2.0]]}, ShapeError, r"points: expected shape \(F, N, 2\)"),
        ({"image_index": [0, 0]}, ShapeError, "points: expected shape"),
        ({"visibility": [[2, 2]]}, ShapeError, "visibility: expected shape"),
        ({"visibility": [[3]]}, DataError, "visibility: expected 0, 1 or 2, got 3"),
        ({"visibility": [[-1]]}, DataError, "visibility: expected whole numbers"),
        ({"visibility": [[1.5]]}, DataError, "visibility: expected whole numbers"),
        ({"boxes_xyxy": [[0, 0, 1]]}, ShapeError, "boxes_xyxy: expected shape"),
        ({"boxes_xyxy": [[0, 0, -1, 1]]}, DataError, r"face 0 \(a\): expected a box with x0 <="),
        ({"boxes_xyxy": [[0, 0, 1, np.nan]]}, DataError, r"face 0 \(a\): expected a box"),
        ({"boxes_xyxy": [["left", 0, 1, 1]]}, ShapeError, "boxes_xyxy: expected numbers"),
        ({"image_sizes_wh": [[-1, 1]]}, DataError, "no negative size"),
        ({"attributes": {"blur": [1, 2]}}, ShapeError, "attribute blur"),
        ({"image_index": [1]}, DataError, r"image_index: expected 0\.\.0"),
        ({"points": [[[1.0, np.inf]]]}, DataError, r"face 0 \(a\), point 0: expected finite"),
        ({"points": [[[1.0, 1e10]]]}, DataError, "got .*10000000000"),
        ({"points": [[[1.0, np.nan]]], "visibility": [[2]]}, DataError, "expected finite"),
        ({"scheme": LandmarkScheme.plain(2)}, ShapeError, r"points: expected shape"),
        ({"image_names": ["a", "a"]}, DataError, "unique image names, got it 2 times"),
        ({"image_names": [""]}, DataError, "image name: expected"),
        ({"image_names": ["a\nb"]}, DataError, "image name: expected"),
        ({"image_names": ["a\ud800"]}, DataError, "image name: expected"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        AnnotationSet.build(**{**ONE, **change})
