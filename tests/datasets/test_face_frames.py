"""Frames of faces: from landmarks, and in their file."""

import numpy as np
import pytest

from dan.core.errors import FormatError, ShapeError
from dan.datasets.face_frames import FramedPicture, frame_of_points, load_framed, save_framed
from dan.geometry import Similarity

UPRIGHT = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 3.0], [1.0, 6.0], [3.0, 6.0]])
"""A box of 4 x 6, centred on 2, 3."""


@pytest.mark.parametrize("roll_deg", [0.0, 30.0, -120.0, 179.0])
def test_the_frame_turns_with_the_face(roll_deg):
    image_from_face = Similarity.about(
        (2.0, 3.0), angle_deg=roll_deg, scale=10.0, move_to_xy=(70.0, 50.0)
    )
    frame = frame_of_points(image_from_face.apply(UPRIGHT), UPRIGHT)
    assert frame == pytest.approx([70.0, 50.0, 50.0, roll_deg])


def test_points_without_a_position_do_not_count():
    unknown = np.array([[np.nan, np.nan], [np.nan, 3.0]])
    points, mean = np.vstack([UPRIGHT, unknown]), np.vstack([UPRIGHT, [[99.0, 99.0], [-9.0, 9.0]]])
    assert frame_of_points(points, mean) == pytest.approx([2.0, 3.0, 5.0, 0.0])


def test_two_points_have_no_frame():
    points = np.where(np.arange(5)[:, None] < 2, UPRIGHT, np.nan)
    with pytest.raises(ShapeError, match="points: expected 3 with a position, got 2"):
        frame_of_points(points, UPRIGHT)


def test_a_frame_has_four_numbers(tmp_path):
    with pytest.raises(ShapeError, match="frames"):
        FramedPicture(tmp_path / "a.jpg", np.zeros((1, 5)), np.zeros((0, 4)))


def test_the_file_keeps_hundredths(tmp_path):
    pictures = [
        FramedPicture(
            tmp_path / "a" / "1.jpg",
            np.array([[1.234, 2.0, 30.0, -90.0], [5.0, 6.0, 7.0, 8.0]]),
            np.array([[9.0, 8.0, 7.0, 6.0]]),
        ),
        FramedPicture(tmp_path / "2.jpg", np.array([[1.0, 2.0, 3.0, 4.0]]), np.empty((0, 4))),
    ]
    save_framed(tmp_path / "faces.json", pictures, root=tmp_path)
    loaded = load_framed(tmp_path / "faces.json", tmp_path)
    assert [picture.path for picture in loaded] == [picture.path for picture in pictures]
    assert loaded[0].frames.tolist() == [[1.23, 2.0, 30.0, -90.0], [5.0, 6.0, 7.0, 8.0]]
    assert loaded[0].ignored.tolist() == [[9.0, 8.0, 7.0, 6.0]]
    assert loaded[1].ignored.shape == (0, 4)


@pytest.mark.parametrize(
    "text",
    [
        '{"pictures": [',
        "[]",
        '{"pictures": [{"file": "a.jpg", "faces": [[1, 2, 3]]}]}',
        '{"pictures": [{"file": "a.jpg", "faces": [[1, 2, 0, 0]]}]}',
    ],
    ids=["cut off", "another kind", "three numbers", "no side"],
)
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "faces.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"faces\.json: expected frames of faces"):
        load_framed(path, tmp_path)
