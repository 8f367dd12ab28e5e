import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError, ShapeError
from dan.drawing.landmarks import (
    AXES_RGB,
    PREDICTED_RGB,
    SHEET_RGB,
    TRUTH_RGB,
    around_face,
    contact_sheet,
    draw_face,
)
from dan.geometry import resize_transform
from dan.schemes import FACE68, LandmarkScheme

GREY = np.full((120, 160), 90, dtype=np.uint8)
SQUARE = np.array([[40.0, 30.0], [110.0, 30.0], [110.0, 90.0], [40.0, 90.0]])
SQUARE_SCHEME = LandmarkScheme("square", ("a", "b", "c", "d"), edges=((0, 1), (2, 3)))


def face68(centre_xy=(80, 60), size=80.0):
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.array(centre_xy) + size / 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def how_much(picture, rgb):
    """(H, W) how near each pixel is to a colour, 0..1."""
    distance = np.linalg.norm(picture.astype(float) - rgb, axis=2)
    return np.clip(1 - distance / 60, 0, 1)


def centroid(weights):
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def changes(picture, image=GREY):
    """(H, W) true where a grey picture was painted on."""
    return (picture != image[:, :, None]).any(axis=2)


@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("min_side", [0, 300])
def test_result_is_an_rgb_copy_and_the_inputs_stay(shape, min_side):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    arrays = (image, face68(), face68(size=70), np.array([10.0, 10.0, 150.0, 110.0]))
    before = [array.copy() for array in arrays]
    _, points, truth, box = arrays
    picture = draw_face(
        image, points, FACE68, truth_xy=truth, box_xyxy=box, label="x", min_side=min_side
    )
    assert picture.dtype == np.uint8
    assert picture.shape == ((120, 160, 3) if min_side == 0 else (240, 320, 3))
    assert not np.shares_memory(picture, image)
    for array, was in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_read_only_and_strided_pictures_can_be_drawn_on():
    image = np.repeat(GREY[:, :, None], 3, axis=2)[::-1, :, ::-1]
    image.flags.writeable = False
    assert changes(draw_face(image, SQUARE, SQUARE_SCHEME)).any()


def test_nothing_to_draw_gives_the_picture():
    assert not changes(draw_face(GREY, None)).any()
    assert not changes(draw_face(GREY, np.empty((0, 2)))).any()


@settings(deadline=None, max_examples=20)
@given(st.floats(30, 50), st.floats(30, 50), st.sampled_from([0, 300, 400]))
def test_a_dot_lies_at_its_point_to_a_fraction_of_a_pixel(x, y, min_side):
    picture = draw_face(GREY[:80, :80], np.array([[x, y]]), min_side=min_side)
    factor = len(picture) // 80
    assert factor == {0: 1, 300: 4, 400: 5}[min_side]
    expected = resize_transform(factor).apply(np.array([[x, y]]))[0]
    painted = np.abs(picture[:, :, 0].astype(float) - 90)
    np.testing.assert_allclose(centroid(painted), expected, atol=0.15)


def test_a_step_of_a_fraction_of_a_pixel_is_seen():
    centres = [
        centroid(np.abs(draw_face(GREY, np.array([[80 + step, 60.0]]))[:, :, 0] - 90.0))[0]
        for step in (0, 0.25, 0.5, 0.75)
    ]
    np.testing.assert_allclose(np.diff(centres), 0.25, atol=0.1)


def test_edges_join_their_points_and_no_others():
    painted = changes(draw_face(GREY, SQUARE, SQUARE_SCHEME))
    assert painted[30, 45:105].all()  # a to b
    assert painted[90, 45:105].all()  # c to d
    assert not painted[40:80].any()  # neither b to c nor d to a
    assert not changes(draw_face(GREY, SQUARE))[30, 50:100].any()


def test_prediction_and_truth_are_told_apart():
    only_predicted = draw_face(GREY, SQUARE, SQUARE_SCHEME, min_side=600)
    only_true = draw_face(GREY, None, SQUARE_SCHEME, truth_xy=SQUARE, min_side=600)
    assert how_much(only_predicted, PREDICTED_RGB).max() > 0.9
    assert how_much(only_predicted, TRUTH_RGB).max() == 0
    assert how_much(only_true, TRUTH_RGB).max() > 0.9
    assert how_much(only_true, PREDICTED_RGB).max() == 0
    both = draw_face(GREY, SQUARE + 8, SQUARE_SCHEME, truth_xy=SQUARE, min_side=600)
    assert how_much(both, PREDICTED_RGB).max() > 0.9
    assert how_much(both, TRUTH_RGB).max() > 0.9


def test_a_true_point_stays_visible_around_a_perfect_prediction():
    picture = draw_face(GREY, face68(), truth_xy=face68(), min_side=400)
    assert how_much(picture, TRUTH_RGB).sum() > 68
    assert how_much(picture, PREDICTED_RGB).sum() > 68


def test_the_two_colours_differ_for_the_colour_blind():
    # Blue against yellow is the axis that red-green blindness keeps; lightness differs as well.
    (r, g, b), (tr, tg, tb) = PREDICTED_RGB, TRUTH_RGB
    assert abs((b - (r + g) / 2) - (tb - (tr + tg) / 2)) > 150


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255], ids=lambda v: f"background {v}")
@pytest.mark.parametrize("min_side", [0, 400])
def test_marks_stand_out_on_any_background(level, min_side):
    background = np.full((112, 112), level, dtype=np.uint8)
    face = face68((56, 56), 80)
    for points, truth in ((face, None), (None, face)):
        picture = draw_face(background, points, truth_xy=truth, min_side=min_side).astype(int)
        assert np.linalg.norm(picture - level, axis=2).max() > 100


@pytest.mark.parametrize(("size", "thinner"), [(120, 480), (480, 1920)])
def test_marks_grow_with_the_face(size, thinner):
    def radius(side):
        points = np.array([[0.1, 0.1], [0.9, 0.9]]) * side
        painted = changes(
            draw_face(np.full((side, side), 90, np.uint8), points),
            np.full((side, side), 90, np.uint8),
        )
        return np.sqrt(painted.sum() / 2 / np.pi)

    assert 1.5 < radius(thinner) / radius(size) < 5


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([[-500.0, -500.0], [-400.0, -450.0]], id="far outside"),
        pytest.param([[1e30, 1e30], [-1e30, 1e30]], id="very far outside"),
        pytest.param([[np.nan, 5.0], [5.0, np.nan]], id="NaN"),
        pytest.param([[np.inf, 5.0], [-np.inf, 5.0]], id="infinite"),
    ],
)
def test_points_that_cannot_be_seen_leave_the_picture(points):
    scheme = LandmarkScheme("pair", ("a", "b"), edges=((0, 1),))
    picture = draw_face(GREY, np.array(points), scheme, truth_xy=np.array(points))
    assert not changes(picture).any()


def test_a_point_without_a_place_takes_its_edges_along_and_no_more():
    points = SQUARE.copy()
    points[0] = np.nan
    painted = changes(draw_face(GREY, points, SQUARE_SCHEME))
    assert not painted[30, 45:100].any()
    assert painted[90, 45:105].all()


def test_an_edge_across_the_border_is_drawn_up_to_it():
    scheme = LandmarkScheme("pair", ("a", "b"), edges=((0, 1),))
    painted = changes(draw_face(GREY, np.array([[100.0, 60.0], [900.0, 60.0]]), scheme))
    assert painted[60, 100:].all()
    assert not painted[60, :90].any()


def test_integer_points_are_taken():
    np.testing.assert_array_equal(
        draw_face(GREY, SQUARE.astype(int), SQUARE_SCHEME), draw_face(GREY, SQUARE, SQUARE_SCHEME)
    )


def turned_covariance(deviations, angle_deg):
    angle = np.deg2rad(angle_deg)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return axes @ np.diag(np.square(deviations)) @ axes.T


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
@pytest.mark.parametrize("min_side", [0, 300])
def test_an_ellipse_lies_where_the_mahalanobis_distance_says(angle, min_side):
    point, covariance = np.array([[80.25, 60.5]]), turned_covariance([15, 6], angle)[None]
    plain = draw_face(GREY, point, min_side=min_side)
    painted = (draw_face(GREY, point, min_side=min_side, covariance=covariance) != plain).any(
        axis=2
    )
    factor = len(plain) // len(GREY)
    y, x = np.nonzero(painted)
    offsets = (np.stack([x, y], axis=1) + 0.5) / factor - 0.5 - point
    squares = np.einsum("ki,ij,kj->k", offsets, np.linalg.inv(covariance[0]), offsets)
    away = np.abs(np.sqrt(squares) / 2.5863 - 1)  # sqrt(6 (0.05^(-1/4) - 1)): 95 %
    assert away.max() < 2 / factor / (6 * 2.5863)  # 2 pixels of the picture along the short axis
    widest = 2.5863 * np.sqrt(covariance[0].diagonal())
    np.testing.assert_allclose(np.abs(offsets).max(axis=0), widest, atol=1.5 / factor)


def test_ellipses_without_a_place_or_a_size_are_left_out():
    covariance = np.tile(100 * np.eye(2), (4, 1, 1))
    points = SQUARE.copy()
    points[0], covariance[1, 0, 1] = np.nan, np.inf
    new = draw_face(GREY, points, covariance=covariance) != draw_face(GREY, points)
    assert not new[:60, :75].any()
    assert not new[:60, 75:].any()
    assert new[66:, :75].any()
    assert new[66:, 75:].any()


def test_axes_are_red_green_and_blue():
    ends = np.array([[40, 60], [70, 60], [40, 90], [30, 50]])
    picture = draw_face(GREY, None, axes_xy=ends, min_side=320)
    for end, colour in zip(ends[1:], AXES_RGB, strict=True):
        x, y = resize_transform(2).apply((ends[:1] + end) / 2).round().astype(int)[0]
        assert picture[y, x].tolist() == list(colour)
    with pytest.raises(ShapeError, match="axes"):
        draw_face(GREY, None, axes_xy=ends[:3])


def test_points_that_are_likely_not_seen_are_hollow():
    visibility = [0.49, 0.5, np.nan, 1]
    picture = draw_face(GREY, SQUARE, min_side=600, visibility=visibility)
    centres = resize_transform(4).apply(SQUARE).round().astype(int)
    is_dark = [picture[y, x].max() < 60 for x, y in centres]
    assert is_dark == [True, False, False, False]
    (x, y), plain = centres[0], draw_face(GREY, SQUARE, min_side=600)
    assert how_much(picture[y - 20 : y + 20, x - 20 : x + 20], PREDICTED_RGB).max() > 0.9
    assert (picture[:, 300:] == plain[:, 300:]).all()
    assert (draw_face(GREY, SQUARE, visibility=np.ones(4)) == draw_face(GREY, SQUARE)).all()


def test_box_is_drawn_along_its_sides():
    painted = changes(draw_face(GREY, None, box_xyxy=[20, 30, 120, 100]))
    assert painted[30, 20:121].all()
    assert painted[100, 20:121].all()
    assert painted[30:101, 20].all()
    assert painted[30:101, 120].all()
    assert not painted[40:90, 30:110].any()
    assert not painted[:20].any()


def bounds(painted):
    rows, columns = np.nonzero(painted)
    return columns.min(), rows.min(), columns.max(), rows.max()


@pytest.mark.parametrize(
    ("box", "where"),
    [
        pytest.param(None, lambda x0, y0, x1, y1: (x0, y0) == (0, 0), id="no box: corner"),
        pytest.param([40, 60, 120, 100], lambda x0, y0, x1, y1: x0 >= 35 and y1 <= 62, id="above"),
        pytest.param([40, 2, 120, 100], lambda x0, y0, x1, y1: y0 == 0, id="no room above"),
        pytest.param([-90, -90, -50, -50], lambda x0, y0, x1, y1: x0 == y0 == 0, id="box outside"),
        pytest.param([150, 60, 400, 100], lambda x0, y0, x1, y1: x1 == 159, id="no room at right"),
    ],
)
def test_label_is_near_its_box_and_inside(box, where):
    with_label = draw_face(GREY, None, box_xyxy=box, label="3.1 %")
    without = draw_face(GREY, None, box_xyxy=box)
    plate = (with_label != without).any(axis=2)
    assert where(*bounds(plate))
    assert plate.sum() > 100
    assert how_much(with_label, (255, 255, 255))[plate].max() > 0.5  # white letters
    assert with_label[plate].min() < 60  # on a dark plate


@pytest.mark.parametrize("label", ["a" * 500, "grüße 笑", "two\nlines", " ", "%s {} \\"])
def test_any_label_stays_inside(label):
    picture = draw_face(GREY[:40, :40], None, label=label)
    assert picture.shape == (40, 40, 3)
    assert changes(picture, GREY[:40, :40]).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3)])
def test_tiny_pictures_can_be_drawn_on(shape):
    image = np.zeros(shape, dtype=np.uint8)
    points = np.array([[0.0, 0.0], [0.5, 0.5]])
    everything = {"truth_xy": points, "box_xyxy": [0, 0, 1, 1], "label": "long label"}
    assert draw_face(image, points, **everything).shape == (*shape, 3)
    enlarged = draw_face(image, points, **everything, min_side=100)
    assert 100 <= max(enlarged.shape) < 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((GREY.astype(float), SQUARE), "uint8", id="float picture"),
        pytest.param((np.zeros((5, 5, 4), np.uint8), SQUARE), r"\(5, 5, 4\)", id="four channels"),
        pytest.param((np.zeros((0, 5), np.uint8), SQUARE), r"\(0, 5\)", id="empty picture"),
        pytest.param((GREY, SQUARE[:3], SQUARE_SCHEME), r"\(4, 2\), got \(3, 2\)", id="too few"),
        pytest.param((GREY, SQUARE[0]), r"points: expected shape \(N, 2\)", id="one point alone"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ShapeError, match=message):
        draw_face(*arguments)


def test_bad_truth_and_box_are_named():
    with pytest.raises(ShapeError, match=r"truth: expected shape \(4, 2\)"):
        draw_face(GREY, SQUARE, SQUARE_SCHEME, truth_xy=SQUARE[:2])
    with pytest.raises(ShapeError, match="box: expected x0 < x1"):
        draw_face(GREY, SQUARE, box_xyxy=[5, 5, 5, 9])
    with pytest.raises(ShapeError, match=r"covariance: expected shape \(4, 2, 2\), got \(4, 3\)"):
        draw_face(GREY, SQUARE, covariance=np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"visibility: expected shape \(4\), got \(3,\)"):
        draw_face(GREY, SQUARE, visibility=np.ones(3))


def tile(level, size_wh=(50, 50)):
    return np.full(size_wh[::-1], level, dtype=np.uint8)


def test_sheet_places_its_tiles_row_by_row():
    levels = [50, 100, 150, 200, 250]
    sheet = contact_sheet([tile(level) for level in levels], columns=3, tile_size=50)
    gap = 2
    assert sheet.shape == (2 * 52 + gap, 3 * 52 + gap, 3)
    for index, level in enumerate(levels):
        row, column = divmod(index, 3)
        y, x = gap + 52 * row, gap + 52 * column
        assert (sheet[y : y + 50, x : x + 50] == level).all()
    assert (sheet[54:, 106:] == SHEET_RGB).all()  # the sixth place stays free
    assert (sheet[:gap] == SHEET_RGB).all()


@pytest.mark.parametrize(
    ("size_wh", "filled_wh"),
    [((50, 50), (50, 50)), ((200, 100), (50, 25)), ((10, 20), (25, 50)), ((1, 1000), (1, 50))],
)
def test_tiles_of_any_size_are_fitted_whole_and_centred(size_wh, filled_wh):
    sheet = contact_sheet([tile(222, size_wh)], columns=4, tile_size=50)
    assert sheet.shape == (54, 54, 3)  # no more columns than tiles
    x0, y0, x1, y1 = bounds((sheet == 222).all(axis=2))
    assert (x1 - x0 + 1, y1 - y0 + 1) == filled_wh
    assert abs((x0 + x1) / 2 - 26.5) <= 0.5
    assert abs((y0 + y1) / 2 - 26.5) <= 0.5


def test_colours_stay_and_tiles_are_not_changed():
    colour = np.zeros((50, 50, 3), dtype=np.uint8)
    colour[:] = (200, 10, 90)
    sheet = contact_sheet([colour, tile(7)], columns=2, tile_size=50)
    assert (sheet[2:52, 2:52] == (200, 10, 90)).all()
    assert (sheet[2:52, 54:104] == 7).all()
    assert not np.shares_memory(sheet, colour)


def test_captions_lie_beneath_their_tiles():
    tiles = [tile(99), tile(99)]
    blank = contact_sheet(tiles, 2, 50, labels=["", ""])
    sheet = contact_sheet(tiles, 2, 50, labels=["", "very long caption that cannot fit"])
    assert sheet.shape == (50 + 14 + 4, 2 * 52 + 2, 3)
    x0, y0, x1, y1 = bounds((sheet != blank).any(axis=2))
    assert x0 >= 54
    assert x1 < 104
    assert y0 >= 52
    assert y1 < 66


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param(([], 3, 50), ConfigError, "got 0, 3 and 50", id="no tiles"),
        pytest.param(([tile(1)], 0, 50), ConfigError, "got 1, 0 and 50", id="no columns"),
        pytest.param(([tile(1)], 1, 5), ConfigError, "got 1, 1 and 5", id="too small"),
        pytest.param(([tile(1)], 1, 50, ["a", "b"]), ShapeError, "expected 1.*got 2", id="labels"),
        pytest.param(
            ([tile(1), np.zeros((2, 2))], 2, 50), ShapeError, "tile 1: .*uint8", id="not uint8"
        ),
    ],
)
def test_sheet_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        contact_sheet(*arguments)


def test_a_label_lies_above_the_points_and_is_no_larger_than_suits_the_face():
    image = np.full((1000, 1000), 90, dtype=np.uint8)
    points = face68((500, 500), 90.0)
    box = [460.0, 480.0, 540.0, 545.0]  # the points reach above it
    plain = draw_face(image, points, box_xyxy=box)
    labelled = draw_face(image, points, box_xyxy=box, label="98%")
    rows, columns = np.nonzero((plain != labelled).any(axis=2))
    assert rows.max() < points[:, 1].min()
    assert np.ptp(rows) < 30
    assert np.ptp(columns) < 60
    alone = np.nonzero((draw_face(image, None, label="98%") != image[:, :, None]).any(axis=2))[0]
    assert np.ptp(alone) > np.ptp(rows)


def test_points_of_a_tiny_face_stay_apart():
    image = np.full((180, 180), 90, dtype=np.uint8)
    grid = np.stack(np.meshgrid([20.0, 30.0, 40.0], [20.0, 30.0, 40.0]), axis=-1).reshape(-1, 2)
    tiny, larger = (
        np.abs(draw_face(image[:side, :side], grid * side / 60).astype(int) - 90).sum()
        for side in (30, 180)
    )
    assert tiny < 0.8 * larger


def test_the_cut_about_a_face_has_room_and_stays_in_the_picture():
    picture = np.zeros((120, 160, 3), dtype=np.uint8)
    assert around_face(picture, SQUARE).shape == (96, 106, 3)  # 17.5 on each side
    assert around_face(picture, SQUARE, margin=0, least_px=5).shape == (70, 80, 3)
    assert around_face(picture, SQUARE, margin=9).shape == picture.shape
    assert around_face(picture, SQUARE + 1000).shape == (8, 8, 3)
