import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.inference.faces import Faces
from dan.schemes import FACE68
from dan.video.tracked_faces import TrackedFaces


def faces(count=3):
    points = np.arange(count * 136, dtype=float).reshape(count, 68, 2)
    levels = np.linspace(0.1, 0.9, count)
    return TrackedFaces.of(
        Faces(points, np.ones((count, 4)), levels, levels, FACE68), 5 + np.arange(count)
    )


def test_a_selection_keeps_ids_with_their_faces():
    all_faces = faces()
    for index, ids in ((slice(0, 2), [5, 6]), ([2, 0], [7, 5]), ([], [])):
        chosen = all_faces[index]
        assert isinstance(chosen, TrackedFaces)
        assert chosen.ids.tolist() == ids
        assert chosen.ids.dtype == np.int64
        assert (chosen.points_xy == all_faces.points_xy[np.array(ids, dtype=int) - 5]).all()
    assert all_faces[all_faces.confidence > 0.4].ids.tolist() == [6, 7]
    assert [face.id for face in all_faces] == [5, 6, 7]
    assert all_faces[-1].id == 7
    assert all_faces[-1].points_xy.tolist() == all_faces.points_xy[2].tolist()
    with pytest.raises(IndexError, match="face 3 of 3"):
        all_faces[3]


def test_empty_is_the_same_type():
    none = TrackedFaces.empty(FACE68)
    assert isinstance(none, TrackedFaces)
    assert (len(none), none.ids.shape, list(none)) == (0, (0,), [])


def test_plain_values_hold_the_ids():
    assert [face["id"] for face in faces().to_dict()["faces"]] == [5, 6, 7]


def test_as_many_ids_as_faces():
    with pytest.raises(ShapeError, match=r"ids: expected shape \(3\), got \(2,\)"):
        TrackedFaces.of(faces(), [1, 2])
