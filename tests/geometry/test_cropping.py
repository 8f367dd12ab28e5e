import cv2
import numpy as np
import pytest

from dan.geometry import Similarity, box_of_points
from dan.geometry.cropping import crop_from_box, crop_from_points, extract_crop
from dan.geometry.mean_shape import shape_in_frame

MEAN_SHAPE = shape_in_frame(np.random.default_rng(5).normal(size=(20, 2)) * [3, 4], 112, 70)
IMAGE_FROM_CROP = Similarity.about((55.5, 55.5), scale=2.7, angle_deg=25, move_to_xy=(400.0, 300.0))


def test_a_face_that_fills_its_box_lands_on_the_mean_shape():
    upright = Similarity.about((55.5, 55.5), scale=2.7, move_to_xy=(400, 300))
    face = upright.apply(MEAN_SHAPE.astype(np.float64))
    crop_from_image = crop_from_box(box_of_points(face), MEAN_SHAPE)
    np.testing.assert_allclose(crop_from_image.apply(face), MEAN_SHAPE, atol=1e-3)
    assert crop_from_image.scale == pytest.approx(1 / 2.7, rel=1e-5)


def test_box_crop_is_upright_and_centred_on_the_box():
    crop_from_image = crop_from_box([100, 200, 300, 400], MEAN_SHAPE)
    assert crop_from_image.angle_deg == pytest.approx(0)
    centre = crop_from_image.apply(np.array([[200.0, 300.0]]))
    np.testing.assert_allclose(centre, [[55.5, 55.5]], atol=1e-4)


def test_a_box_may_be_turned_about_its_centre():
    box, turn = [100, 200, 300, 400], Similarity.about((200, 300), angle_deg=140)
    upright = crop_from_box(box, MEAN_SHAPE).inverse().apply(MEAN_SHAPE.astype(np.float64))
    turned = crop_from_box(box, MEAN_SHAPE, 140)
    np.testing.assert_allclose(turned.apply(turn.apply(upright)), MEAN_SHAPE, atol=1e-3)
    assert turned.angle_deg == pytest.approx(-140)


def test_points_crop_undoes_size_place_and_rotation():
    face = IMAGE_FROM_CROP.apply(MEAN_SHAPE.astype(np.float64))
    crop_from_image = crop_from_points(face, MEAN_SHAPE)
    np.testing.assert_allclose(crop_from_image.apply(face), MEAN_SHAPE, atol=1e-4)
    assert crop_from_image.angle_deg == pytest.approx(-25)


@pytest.mark.parametrize("shape", [(600, 800), (600, 800, 3)], ids=["grey", "colour"])
def test_the_picture_moves_with_the_points(shape):
    face = IMAGE_FROM_CROP.apply(MEAN_SHAPE.astype(np.float64))
    image = np.zeros(shape, dtype=np.uint8)
    x, y = np.rint(face[7]).astype(int)
    image[y - 4 : y + 5, x - 4 : x + 5] = 255
    crop = extract_crop(image, crop_from_points(face, MEAN_SHAPE), 112)
    assert crop.shape == (112, 112, *shape[2:])
    rows, columns = np.nonzero((crop if crop.ndim == 2 else crop[:, :, 0]) > 127)
    expected = crop_from_points(face, MEAN_SHAPE).apply(np.array([[x, y]], dtype=np.float64))[0]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.3)
    np.testing.assert_allclose(expected, MEAN_SHAPE[7], atol=0.5)


def test_real_faces_land_near_the_mean_shape(shared_300w):
    from dan.datasets.formats import load_pts
    from dan.geometry import mean_shape_of

    faces = [load_pts(path) for path in sorted((shared_300w / "afw").glob("*.pts"))[:60]]
    mean_shape = shape_in_frame(mean_shape_of(np.stack(faces)), 112, 56)
    for place, near in (
        (lambda face: crop_from_box(box_of_points(face), mean_shape), 9),
        (lambda face: crop_from_points(face, mean_shape), 6),
    ):
        landed = np.stack([place(face).apply(face) for face in faces])
        np.testing.assert_allclose(landed.mean(axis=(0, 1)), mean_shape.mean(axis=0), atol=2)
        assert np.linalg.norm(landed - mean_shape, axis=2).mean() < near


def test_a_grey_crop_of_a_colour_image_is_that_of_the_grey_image():
    image = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    move = crop_from_box([100, 100, 400, 420], MEAN_SHAPE)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    crop = extract_crop(image, move, 112, to_grey=True)
    assert np.array_equal(crop, extract_crop(grey, move, 112))
    assert np.array_equal(crop, extract_crop(grey, move, 112, to_grey=True))
