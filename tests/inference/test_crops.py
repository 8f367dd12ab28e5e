"""Crops of several faces, and where they lie in the picture."""

from types import SimpleNamespace

import numpy as np
import pytest

from dan.geometry import Similarity
from dan.inference.crops import CropBatch

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
