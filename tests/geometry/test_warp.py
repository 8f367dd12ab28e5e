import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ShapeError
from dan.geometry import Similarity, flip_image, flip_points, resize_transform, warp_image
from dan.schemes import FACE68

OUT_WH = (90, 80)


def blob(size_wh, centre_xy, sigma):
    """A round bright spot on black; its centroid is its centre."""
    x, y = np.meshgrid(np.arange(size_wh[0]), np.arange(size_wh[1]))
    square = (x - centre_xy[0]) ** 2 + (y - centre_xy[1]) ** 2
    return np.rint(255 * np.exp(-square / (2 * sigma**2))).astype(np.uint8)


def centroid(image):
    weights = image.astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def smooth_picture(size_wh, seed=0):
    """Noise without fine detail, so that tiny shifts change grey levels little."""
    noise = np.random.default_rng(seed).uniform(0, 255, (size_wh[1] // 16, size_wh[0] // 16))
    return cv2.resize(noise, size_wh, interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=40)
@given(
    scale=st.floats(0.1, 4.0),
    angle=st.floats(-180, 180),
    start=st.tuples(st.floats(140, 260), st.floats(140, 200)),
    offset=st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
)
def test_a_bright_dot_goes_where_its_point_goes(scale, angle, start, offset):
    lands_on = np.array([44.5, 39.5]) + offset
    transform = Similarity.about(start, scale=scale, angle_deg=angle, move_to_xy=lands_on)
    picture = blob((400, 340), start, sigma=max(1.5, 2.5 / scale))
    warped = warp_image(picture, transform, OUT_WH)
    assert warped.shape == OUT_WH[::-1]
    np.testing.assert_allclose(centroid(warped), lands_on, atol=0.1)


@pytest.mark.parametrize("scale", [0.08, 0.3, 0.5, 0.51, 1.0, 2.5])
@pytest.mark.parametrize("angle", [0.0, 33.0])
def test_the_visible_part_alone_gives_the_same_result(scale, angle):
    picture = smooth_picture((1600, 1200))
    out_from_image = Similarity.about((800, 600), scale=scale, angle_deg=angle, move_to_xy=(20, 20))
    whole = warp_image(picture, out_from_image, (40, 40))
    seen = out_from_image.inverse().apply(np.array([[-1.0, -1], [41, -1], [-1, 41], [41, 41]]))
    x0, y0 = np.floor(np.clip(seen.min(axis=0) - 20, 0, None)).astype(int)
    x1, y1 = np.ceil(seen.max(axis=0) + 20).astype(int)
    image_from_part = Similarity(1, 0, float(x0), float(y0))
    part = warp_image(picture[y0:y1, x0:x1], out_from_image @ image_from_part, (40, 40))
    assert np.abs(whole.astype(int) - part).max() <= 3
    assert np.ptp(whole) > 40  # there is something to see


@pytest.mark.parametrize("scale", [0.51, 0.8, 1.0, 2.5])
def test_without_shrinking_it_equals_a_plain_warp_of_the_whole(scale):
    picture = smooth_picture((640, 480))
    transform = Similarity.about((300, 200), scale=scale, angle_deg=-20, move_to_xy=(40, 40))
    plain = cv2.warpAffine(picture, transform.matrix, OUT_WH, borderMode=cv2.BORDER_REPLICATE)
    warped = warp_image(picture, transform, OUT_WH)
    assert np.abs(warped.astype(int) - plain).max() <= 3


def test_identity_copies_and_leaves_the_input():
    picture = smooth_picture((64, 48))
    before = picture.copy()
    warped = warp_image(picture, Similarity.identity(), (64, 48))
    np.testing.assert_array_equal(warped, picture)
    assert not np.shares_memory(warped, picture)
    np.testing.assert_array_equal(picture, before)


def test_whole_pixel_shift_moves_exactly_and_edges_repeat():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    shifted = warp_image(picture, Similarity(1, 0, 5, 7), (40, 35))
    np.testing.assert_array_equal(shifted, np.pad(picture, ((7, 8), (5, 5)), mode="edge"))


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(
    ("move_to", "edge"),
    [
        pytest.param((10_000, 40), 11, id="all left of the picture"),
        pytest.param((-10_000, 40), 22, id="all right of the picture"),
    ],
)
def test_outside_the_picture_its_edge_is_seen(scale, move_to, edge):
    picture = np.full((60, 100), 128, dtype=np.uint8)
    picture[:, :40], picture[:, -40:] = 11, 22
    transform = Similarity.about((50, 30), scale=scale, move_to_xy=move_to)
    assert np.unique(warp_image(picture, transform, (20, 20))).tolist() == [edge]


def test_shrinking_averages_instead_of_picking():
    stripes = np.zeros((600, 600), dtype=np.uint8)
    stripes[:, ::2] = 200
    small = warp_image(stripes, resize_transform(0.1), (60, 60))
    assert np.abs(small[2:-2, 2:-2].astype(int) - 100).max() <= 1


def test_channels_stay_apart():
    picture = np.stack([smooth_picture((300, 200), seed) for seed in range(3)], axis=2)
    transform = Similarity.about((150, 100), scale=0.3, angle_deg=10, move_to_xy=(40, 40))
    warped = warp_image(picture, transform, OUT_WH)
    assert warped.shape == (80, 90, 3)
    for channel in range(3):
        alone = warp_image(np.ascontiguousarray(picture[:, :, channel]), transform, OUT_WH)
        np.testing.assert_array_equal(warped[:, :, channel], alone)


def test_pictures_wider_than_opencv_addresses_are_seen_to_the_end():
    picture = np.zeros((8, 40_000), dtype=np.uint8)
    picture[:, 38_000:] = 255
    small = warp_image(picture, resize_transform(0.01), (400, 1))
    assert small[0, :375].max() == 0
    assert small[0, 385:].min() == 255


def test_one_pixel_fills_any_output():
    assert np.unique(warp_image(np.array([[7]], np.uint8), Similarity(0.1, 0, 0, 0), (3, 3))) == [7]


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5,), (1, 5, 5, 3)])
def test_no_picture_is_refused(shape):
    with pytest.raises(ShapeError, match="image: expected shape"):
        warp_image(np.zeros(shape, dtype=np.uint8), Similarity.identity(), (4, 4))


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0, 3.0])
def test_resize_transform_says_where_opencv_puts_the_pixels(scale):
    start = np.array([[43.0, 31.5]])
    picture = blob((96, 64), start[0], sigma=6)
    resized = cv2.resize(
        picture,
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    expected = resize_transform(scale).apply(start)[0]
    np.testing.assert_allclose(centroid(resized), expected, atol=0.02)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 20), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_resize_and_back(scale, x, y):
    there = resize_transform(scale).apply(np.array([[x, y]]))
    wanted = [[(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5]]
    np.testing.assert_allclose(there, wanted, atol=1e-9)
    back = resize_transform(1 / scale).apply(there)
    np.testing.assert_allclose(back, [[x, y]], atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_flipping_points_twice_changes_nothing(seed, width):
    points = np.random.default_rng(seed).uniform(-50, 550, (68, 2))
    before = points.copy()
    once = flip_points(points, width, FACE68.mirror)
    np.testing.assert_allclose(flip_points(once, width, FACE68.mirror), points, atol=1e-9)
    np.testing.assert_array_equal(points, before)
    np.testing.assert_allclose(once[0], [width - 1 - points[16, 0], points[16, 1]])


@pytest.mark.parametrize("shape", [(5, 7), (5, 8, 3)])
def test_flipped_picture_and_flipped_points_agree(shape):
    picture = np.zeros(shape, dtype=np.uint8)
    picture[3, 1] = 255
    flipped = flip_image(picture)
    x, y = flip_points(np.array([[1, 3]]), shape[1], np.array([0]))[0].astype(int)
    assert np.all(flipped[y, x] == 255)
    assert np.count_nonzero(flipped) == np.count_nonzero(picture)
    np.testing.assert_array_equal(flip_image(flipped), picture)


def test_mirror_of_another_length_is_refused():
    with pytest.raises(ShapeError, match="mirror"):
        flip_points(np.zeros((5, 2)), 10, FACE68.mirror)


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-9])
def test_an_image_that_becomes_a_dot_costs_no_memory(scale):
    picture = np.full((90, 120), 60, np.uint8)
    assert np.unique(warp_image(picture, Similarity(scale, 0, 5, 5), (12, 12))).tolist() == [60]


@pytest.mark.parametrize(
    ("border", "row"),
    [
        ("edge", [10, 10, 10, 20, 30, 30]),
        ("black", [0, 0, 10, 20, 30, 0]),
        ("reflect", [30, 20, 10, 20, 30, 20]),
    ],
)
def test_what_lies_beyond_the_image(border, row):
    image = np.tile(np.array([10, 20, 30], np.uint8), (3, 1))
    right = Similarity.about([0, 0], move_to_xy=[2, 0])
    assert warp_image(image, right, (6, 3), border=border)[1].tolist() == row
