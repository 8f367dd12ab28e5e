"""Crops of several faces, and where they lie in the picture."""

from types import SimpleNamespace

import numpy as np
import pytest

from dan.geometry import Similarity
from dan.inference.crops import CropBatch
from dan.inference.landmark_model import CropLandmarks

SIZE = 16
MODEL = SimpleNamespace(
    mean_shape=np.array([[4.0, 4.0], [11.0, 4.0], [4.0, 11.0], [11.0, 11.0]]), crop_size=SIZE
)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
BATCH = CropBatch.cut(PICTURE, MODEL, boxes_xyxy=[[10, 10, 17, 17], [20, 6, 34, 20]])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_the_same_pixels(quarters):
    seen = BATCH.seen_anew([1, 0], angle_deg=90 * quarters)
    for crop, place in zip(seen.crops, (1, 0), strict=True):
        assert np.array_equal(crop, np.rot90(BATCH.crops[place], -quarters))


def test_points_of_crops_seen_anew_lie_in_the_same_picture():
    seen = BATCH.seen_anew([1], scale=0.5, angle_deg=30)
    point = np.array([[[3.0, 7.0]]], dtype=np.float32)
    move = Similarity.about((7.5, 7.5), scale=0.5, angle_deg=30)
    there = move.apply(point[0])[None]
    wanted = BATCH.part(slice(1, 2)).to_picture(point)
    np.testing.assert_allclose(seen.to_picture(there), wanted, atol=1e-4)


def test_a_smaller_scale_is_a_larger_frame():
    seen = BATCH.seen_anew([0], scale=0.5)
    # Pixel 7 lies 0.5 before the centre and shows what lay 1 before it, at 6.5.
    crop = BATCH.crops[0].astype(float)
    assert abs(float(seen.crops[0][7, 7]) - crop[6:8, 6:8].mean()) <= 2


def test_boxes_are_turned_with_their_faces():
    box = [10.0, 10.0, 17.0, 17.0]
    turned = CropBatch.cut(PICTURE, MODEL, boxes_xyxy=[box] * 2, rolls_deg=[0.0, 90.0])
    # The face lies on its side; its crop is upright: the picture turned back.
    assert np.array_equal(turned.crops[1], np.rot90(turned.crops[0]))


def test_what_a_model_finds_is_brought_to_the_picture():
    """A crop at twice the scale, turned by 90 degrees: half the error, on the other axis."""
    move = Similarity.about((7.5, 7.5), scale=2.0, angle_deg=90)
    batch = CropBatch(np.zeros((1, SIZE, SIZE), np.uint8), (move,))
    points = np.array([[[1.0, 2.0], [9.0, 4.0]]], dtype=np.float32)
    spread = np.array([[[[16.0, 4.0], [4.0, 8.0]]] * 2], dtype=np.float32)
    seen = np.array([[0.25, 1.0]], dtype=np.float32)
    given = CropLandmarks(points, np.array([0.5], np.float32), points[None], spread, seen)
    found = batch.found_by(lambda crops: given)
    np.testing.assert_allclose(found.points, batch.to_picture(points))
    np.testing.assert_allclose(found.estimates(), found.points[None])
    np.testing.assert_allclose(found.covariance[0, 0], [[2.0, -1.0], [-1.0, 4.0]], atol=1e-6)
    assert np.array_equal(found.visibility, seen)
    assert found.confidence == 0.5


def test_parts_and_joins_keep_what_is_known():
    count = 3
    found = CropLandmarks(
        np.arange(count * 8, dtype=np.float32).reshape(count, 4, 2),
        np.arange(count, dtype=np.float32),
        stages=np.zeros((2, count, 4, 2), np.float32),
        visibility=np.arange(count * 4, dtype=np.float32).reshape(count, 4),
    )
    again = CropLandmarks.joined([found.part(slice(0, 1)), found.part(np.array([1, 2]))])
    for name in ("points", "confidence", "stages", "visibility"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    assert again.covariance is None
