"""The page's modules give the numbers that Python gives."""

import numpy as np
import pytest
from helpers import PORTRAIT, turned_covariance

from dan.core.images import read_rgb
from dan.datasets.formats.pts import parse_pts
from dan.datasets.synthetic import template_shape
from dan.drawing.landmarks import ELLIPSE_SHARE, _ellipses
from dan.geometry import Similarity, box_overlap, ellipse_radius, estimate_similarity
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.detections import one_a_face
from dan.inference.shrinking import shrunk
from dan.points.pose import estimate_poses
from dan.schemes import FACE68
from dan.service.page.facts import _in_javascript, _pose
from dan.video.smoothing import OneEuroFilter, Smoothing

SHAPE = shape_in_frame(template_shape(), 96, 60).astype(float)
RNG = np.random.default_rng(0)


def flat(points):
    return np.asarray(points, dtype=float).ravel().tolist()


def rgba(rgb):
    """A picture as the page has it."""
    height, width = rgb.shape[:2]
    opaque = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    return {"data": {"bytes": opaque.ravel().tolist()}, "width": width, "height": height}


def matrix(move):
    return [move["a"], move["b"], move["tx"], move["ty"]]


def test_similarities(call):
    points, others = RNG.normal(size=(2, 68, 2))
    box, roll = [10.0, 20.0, 60.0, 90.0], 37.0
    wanted = estimate_similarity(points, others), crop_from_box(box, SHAPE, roll)
    got = call(
        ("geometry", "estimateSimilarity", flat(points), flat(others)),
        ("geometry", "cropFromBox", box, flat(SHAPE), roll),
        ("geometry", "estimateSimilarity", [1, 1, 1, 1], [0, 0, 1, 1]),
    )
    for one, other in zip(got, wanted, strict=False):
        np.testing.assert_allclose(matrix(one), [other.a, other.b, other.tx, other.ty])
    assert got[2] is None


def test_moved_points_and_covariances(call):
    move = Similarity.about((3, 4), scale=0.7, angle_deg=50, move_to_xy=(9, 1))
    plain = {"a": move.a, "b": move.b, "tx": move.tx, "ty": move.ty}
    points, spread = RNG.normal(size=(5, 2)), turned_covariance((3, 1), 20)[None]
    upper = {"bytes": [11, 3, 7]}  # what is sliced has to be typed
    moved, covariance = call(
        ("geometry", "apply", plain, flat(points)),
        ("geometry", "applyToCovariance", plain, upper),
    )
    np.testing.assert_allclose(np.reshape(moved, (-1, 2)), move.apply(points))
    wanted = move.apply_to_covariance(np.array([[11.0, 3.0], [3.0, 7.0]]))
    np.testing.assert_allclose(covariance, wanted[[0, 0, 1], [0, 1, 1]])
    radius = float(ellipse_radius(ELLIPSE_SHARE))
    (ellipse,) = call(("draw", "ellipseOf", flat(spread[0][[0, 0, 1], [0, 1, 1]]), radius))
    reach = np.linalg.norm(_ellipses(np.zeros((1, 2)), spread, 1)[0], axis=1)
    assert ellipse["radiusX"] == pytest.approx(reach.max(), rel=2e-3)
    assert ellipse["radiusY"] == pytest.approx(reach.min(), rel=2e-3)
    assert np.degrees(ellipse["angle"]) == pytest.approx(20)


def test_boxes(call):
    boxes = RNG.uniform(0, 50, (20, 2))
    boxes = np.hstack([boxes, boxes + RNG.uniform(5, 40, (20, 2))])
    scores = RNG.uniform(size=20)
    overlap, kept = call(
        ("geometry", "overlapOf", flat(boxes[0]), flat(boxes[1])),
        ("geometry", "onePerFace", boxes.tolist(), scores.tolist(), 0.3),
    )
    assert overlap == pytest.approx(box_overlap(boxes[0], boxes[1]))
    assert kept == one_a_face(boxes, scores, 0.3).tolist()


@pytest.mark.parametrize("size_wh", [(50, 40), (333, 250), (1001, 97), (9, 700)])
def test_shrunk_pictures(call, size_wh):
    rgb = read_rgb(PORTRAIT)[: size_wh[1], : size_wh[0]]
    rgb = np.tile(rgb, (2, 2, 1))[: size_wh[1], : size_wh[0]]
    small, scale_xy = shrunk(rgb, 64)
    (got,) = call(("pixels", "shrunk", rgba(rgb), 64))
    seen = got["small"]
    pixels = np.reshape(seen["data"], (-1, 4))
    assert (seen["height"], seen["width"]) == small.shape[:2]
    np.testing.assert_allclose([got["scaleX"], got["scaleY"]], scale_xy)
    off = np.abs(pixels[:, :3].reshape(small.shape).astype(int) - small)
    assert off.max() <= 1  # 0 with OpenCV 5 on x86-64


@pytest.mark.parametrize(
    "move",
    [
        Similarity.about((224, 130), scale=0.6, angle_deg=20, move_to_xy=(48, 48)),
        Similarity.about((224, 130), scale=0.21, angle_deg=-130, move_to_xy=(48, 48)),
        Similarity.about((20, 500), scale=2.5, angle_deg=5, move_to_xy=(30, 48)),
    ],
    ids=["plain", "shrunk", "beyond the edge"],
)
def test_crops(call, move):
    rgb = read_rgb(PORTRAIT)
    wanted = extract_crop(rgb, move, 96, to_grey=True)
    plain = {"a": move.a, "b": move.b, "tx": move.tx, "ty": move.ty}
    (got,) = call(("pixels", "cutCrop", rgba(rgb), plain, 96))
    off = np.abs(np.reshape(got["data"], (96, 96)).astype(int) - wanted)
    assert off.mean() < 0.5  # 0 with OpenCV 5; OpenCV 4 looks at 32nds of pixels
    assert off.max() <= 8


def test_smoothed_points(call):
    smoothing = Smoothing()
    filtered, facts = OneEuroFilter(smoothing), _in_javascript(vars(smoothing))
    times_s, shapes = [0.0, 0.04, 0.1, 0.13], np.cumsum(RNG.normal(size=(4, 6, 2)), axis=0)
    wanted = [filtered(shape, 50.0, time_s) for shape, time_s in zip(shapes, times_s, strict=True)]
    given = [[flat(shape), 50.0, time_s] for shape, time_s in zip(shapes, times_s, strict=True)]
    (got,) = call(("smoothing", "OneEuroFilter.next", facts, *given))
    np.testing.assert_allclose(np.reshape(got, (4, 6, 2)), wanted, atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 2.0, 5.0])
@pytest.mark.parametrize("angle_deg", [0, 90, 170])
def test_poses(call, noise, angle_deg):
    turn = Similarity.about((48, 48), scale=2, angle_deg=angle_deg)
    points = turn.apply(SHAPE * [0.7, 1]) + RNG.normal(0, noise, SHAPE.shape)
    (wanted,) = estimate_poses(points[None], FACE68)
    (got,) = call(("pose", "poseOf", flat(points), _in_javascript(_pose(FACE68))))
    angles = [got[name] for name in ("yaw", "pitch", "roll")]
    np.testing.assert_allclose(angles, wanted.yaw_pitch_roll_deg, atol=1e-6)
    np.testing.assert_allclose(got["axes"], wanted.axes_xy(), atol=1e-6)


def test_points_of_a_scheme_without_a_pose_have_none(call):
    assert call(("pose", "poseOf", [1, 2, 3, 4], None)) == [None]


def test_pts_files_can_be_read(call):
    points = SHAPE.round(3)
    (text,) = call(("formats", "asPts", {"points": flat(points)}))
    np.testing.assert_allclose(parse_pts(text), points, atol=1e-3)


def test_names_in_tables_are_quoted(call):
    face = {"points": [1, 2, 3, 4], "score": 0.5, "searchBox": [0, 0, 1, 1], "confidence": 0.25}
    (line,) = call(("formats", "csvRow", ['a,"b".jpg', 1], face))
    assert line == '"a,""b"".jpg",1,0.5,0.25,1,2,3,4,1,2,3,4\n'
