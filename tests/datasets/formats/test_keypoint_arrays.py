import numpy as np
import pytest

from dan.core.errors import DataError, ShapeError
from dan.datasets.formats import (
    AnnotationSet,
    from_keypoint_arrays,
    same_annotations,
    to_keypoint_arrays,
)

FACES = AnnotationSet.build(["image"], [0, 0], [[[1, 2], [3, 4]], [[5, 6], [np.nan, np.nan]]])


def test_arrays_and_back():
    arrays = to_keypoint_arrays(FACES)
    assert {name: array.dtype for name, array in arrays.items()} == {
        "xy": np.float32, "keypoint_confidence": np.float32, "visible": np.bool_,
    }  # fmt: skip
    assert arrays["xy"][1].tolist() == [[5, 6], [0, 0]]
    assert arrays["keypoint_confidence"].tolist() == [[1, 1], [1, 0]]
    again = from_keypoint_arrays(arrays["xy"], arrays["keypoint_confidence"])
    assert same_annotations(again, FACES)
    assert same_annotations(from_keypoint_arrays(arrays["xy"]), FACES)


def test_no_faces():
    arrays = to_keypoint_arrays(AnnotationSet.empty(5))
    assert arrays["xy"].shape == (0, 5, 2)
    assert len(from_keypoint_arrays(arrays["xy"])) == 0


def test_points_of_little_confidence_are_unknown():
    faces = from_keypoint_arrays([[[1, 2], [3, np.nan]]], [[0.6, 0.4]], min_confidence=0.5)
    assert faces.known.tolist() == [[True, False]]
    with pytest.raises(DataError, match="xy: expected numbers"):
        from_keypoint_arrays([[[1, 2], [3, np.nan]]], [[0.6, 0.4]])
    with pytest.raises(ShapeError, match="keypoint_confidence: expected shape"):
        from_keypoint_arrays([[[1, 2]]], [[0.6, 0.4]])
