"""Chips lie where the programs that read them would have cut them."""

import json

import cv2
import numpy as np
import pytest
from helpers import PORTRAIT

from dan.core.errors import ConfigError, DanError, DegenerateShapeError, FormatError
from dan.core.images import read_rgb
from dan.geometry import Similarity
from dan.inference.faces import Faces
from dan.points.chips import (
    ARCFACE_112,
    DLIB_MEAN,
    DLIB_POINTS,
    cut_chip,
    dlib_template,
    template_of,
)
from dan.schemes import FACE5, FACE68, WFLW98, convert_points


def a_face(seed=0, size=200.0, angle_deg=0.0, centre=(600.0, 590.0)):
    """(68, 2) whole numbers: a face of about that size, no two alike."""
    chance = np.random.default_rng(seed)
    mean = chance.uniform(0.2, 0.8, (68, 2))
    mean[list(DLIB_POINTS)] = DLIB_MEAN
    mean += chance.normal(0, 0.02, mean.shape)
    move = Similarity.about([0.5, 0.5], scale=size, angle_deg=angle_deg, move_to_xy=centre)
    return np.rint(move.apply(mean))


def corners(size):
    return np.array([(0, 0), (size - 1, 0), (0, size - 1), (size - 1, size - 1)], dtype=float)


def faces_of(points):
    n = len(points)
    return Faces(points, np.zeros((n, 4)), np.ones(n), np.ones(n), FACE68)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("arcface112", ARCFACE_112),
        ("arcface224", ARCFACE_112 * 2),
        ("arcface128", ARCFACE_112 + np.array([8, 0])),
        ("arcface256", (ARCFACE_112 + np.array([8, 0])) * 2),
    ],
)
def test_arcface_is_umeyamas_similarity(name, wanted):
    face = convert_points(a_face(3, angle_deg=25), FACE68, FACE5)
    move = template_of(name).fit(face, FACE5)
    # Umeyama 1991, as skimage.transform.SimilarityTransform computes it.
    src, dst = face - face.mean(axis=0), wanted - wanted.mean(axis=0)
    u, stretch, vt = np.linalg.svd(dst.T @ src / 5)
    assert np.linalg.det(u @ vt) > 0
    linear = u @ vt * stretch.sum() / src.var(axis=0).sum()
    umeyama = corners(1000) @ linear.T + (wanted.mean(axis=0) - linear @ face.mean(axis=0))
    np.testing.assert_allclose(move.apply(corners(1000)), umeyama, atol=1e-9)


DLIB = [
    (150, 0.25, 60, 0),
    (150, 0.25, 100, 20),
    (150, 0.25, 200, -30),  # dlib halves the picture once
    (150, 0.25, 560, 170),  # twice
    (151, 0.5, 300, -60),
    (96, 0.0, 500, 5),
]


DLIB_CORNERS = [  # of those chips: where their first and their last pixel lie in the picture
    [(554.620, 545.347), (645.621, 635.293)],
    [(556.604, 493.774), (643.472, 685.288)],
    [(396.289, 536.551), (802.434, 644.193)],
    [(1075.546, 923.936), (121.640, 263.228)],
    [(191.868, 691.529), (1006.449, 487.299)],
    [(370.765, 317.845), (828.047, 864.820)],
]


@pytest.mark.parametrize(("size", "padding", "face_size", "angle_deg"), DLIB)
def test_dlib_sees_the_same_pixels(size, padding, face_size, angle_deg):
    dlib = pytest.importorskip("dlib", reason="needs dlib-bin, the extra 'interop'")
    face = a_face(face_size, face_size, angle_deg)
    place = dlib.rectangle(400, 400, 800, 800)
    parts = [dlib.point(int(x), int(y)) for x, y in face]
    found = dlib.full_object_detection(place, parts)
    # A picture whose levels are its coordinates tells where each pixel of the chip comes from.
    y, x = np.mgrid[:1200, :1200].astype(np.float64)
    seen = [dlib.get_face_chip(levels, found, size, padding) for levels in (x, y)]
    move = dlib_template(size, padding).fit(face, FACE68)
    back = move.inverse().apply(corners(size)).reshape(2, 2, 2)
    theirs = np.stack(seen, axis=-1)[:: size - 1, :: size - 1]
    inside = (theirs > 0).all(axis=-1)
    assert inside.sum() >= 3
    assert np.abs(back - theirs)[inside].max() * move.scale < 1e-6


@pytest.mark.parametrize(("options", "there"), [*zip(DLIB, DLIB_CORNERS, strict=True)])
def test_dlib_by_numbers_of_dlib_20_0_1(options, there):
    size, padding, face_size, angle_deg = options
    move = dlib_template(size, padding).fit(a_face(face_size, face_size, angle_deg), FACE68)
    back = move.inverse().apply(corners(size)[[0, 3]])
    assert np.abs(back - there).max() * move.scale < 0.01


def test_dlib_by_name():
    named = template_of("dlib200:0.5").fit(a_face(), FACE68)
    assert named == dlib_template(200, 0.5).fit(a_face(), FACE68)
    assert template_of("dlib150").fit(a_face(), FACE68) == dlib_template().fit(a_face(), FACE68)


def test_the_square_of_ffhq():
    eyes_and_mouth = np.array([(40, 50), (60, 50), (50, 60), (42, 70), (58, 70)], dtype=float)
    move = template_of("ffhq256").fit(eyes_and_mouth, FACE5)
    # Eyes 20 apart, mouth 20 below: half the side is 40, about (50, 52); from edge to edge.
    np.testing.assert_allclose(
        move.inverse().apply(np.array([(-0.5, -0.5), (255.5, 255.5)])), [(10, 12), (90, 92)]
    )
    turn = Similarity.about([3, 4], scale=2, angle_deg=70, move_to_xy=[100, 80])
    turned = template_of("ffhq1024").fit(turn.apply(eyes_and_mouth), FACE5)
    wanted = template_of("ffhq1024").fit(eyes_and_mouth, FACE5) @ turn.inverse()
    np.testing.assert_allclose(turned.matrix, wanted.matrix, atol=1e-9)


def test_beyond_the_picture_ffhq_is_reflected_then_blurred_then_even():
    x = np.arange(10000).reshape(100, 100, 1) % 100
    stripes = np.where(x % 8 < 4, [255, 40, 40], [40, 40, 255]).astype(np.uint8)
    at_the_edge = np.array([(20, 50), (40, 50), (30, 60), (22, 70), (38, 70)], dtype=float)
    chip = cut_chip(stripes, at_the_edge, FACE5, "ffhq256").image.astype(float)
    first = 10 * 256 / 80  # of the picture; the square begins 10 pixels before it
    rows = chip[128]
    assert np.ptp(rows[200:, 0]) > 200  # inside, stripes
    assert np.ptp(rows[: int(first) - 16, 0]) < 120  # beyond, hardly any
    assert np.abs(chip[:, 0] - np.median(chip, axis=(0, 1))).max() < 110
    inside = cut_chip(stripes, at_the_edge + np.array([20, 0]), FACE5, "ffhq256")
    plain = cv2.warpAffine(stripes, inside.chip_from_picture.matrix, (256, 256))
    assert np.abs(inside.image[40:200, 40:200].astype(int) - plain[40:200, 40:200]).max() <= 1


def test_lips_lie_in_the_middle_and_are_upright():
    upright = a_face(1)
    turn = Similarity.about([600, 590], scale=1.7, angle_deg=33)
    face = turn.apply(upright)
    chip = cut_chip(np.full((1200, 1200, 3), 90, np.uint8), face, FACE68, "lips96")
    assert chip.image.shape == (96, 96)
    np.testing.assert_allclose(chip.chip_from_picture.apply(face)[48:].mean(axis=0), [47.5, 47.5])
    alone = template_of("lips96").fit(upright, FACE68)
    np.testing.assert_allclose(chip.chip_from_picture.scale * 1.7, alone.scale)
    mouth = np.diff(chip.chip_from_picture.apply(face)[[48, 54]], axis=0)[0]
    assert 40 < np.hypot(*mouth) < 58


def test_points_map_in_and_out_and_small_chips_do_not_alias():
    checks = np.indices((1000, 1000)).sum(axis=0) % 2 * 255
    picture = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    faces = faces_of(np.array([a_face(2, 500, 10, (500, 500)), a_face(4, 300, 0, (900, 500))]))
    one, two = faces.chips(picture, "arcface112")
    assert one.image.shape == (112, 112, 3)
    assert np.abs(one.image[30:80, 30:80].astype(int) - 127).max() <= 4  # grey, no pattern
    assert (two.image[:, -10:] == 0).all()  # beyond the picture
    there = one.chip_from_picture.apply(faces.points_xy[0])
    back = one.chip_from_picture.inverse().apply(there)
    np.testing.assert_allclose(back, faces.points_xy[0], atol=1e-3)
    single = faces[1].chip(picture, "arcface112")
    assert (single.image == two.image).all()
    assert Faces.empty(FACE68).chips(picture, "arcface112") == []


def test_channels_are_those_of_the_picture_given():
    rgb = read_rgb(PORTRAIT)
    face = faces_of(a_face(0, 80, 0, (224, 132))[None])[0]
    chip = face.chip(rgb[..., ::-1], "dlib150", channels="bgr")
    assert (chip.image == face.chip(PORTRAIT, "dlib150").image).all()


def test_a_template_from_a_file(tmp_path):
    points = {"left_eye": [10, 12], "right_eye": [30, 12], "outer_lips_9": [20, 34]}
    own = {"size": 40, "points": points, "beyond": "edge", "grey": True}
    as_json, as_toml = tmp_path / "own.json", tmp_path / "own.toml"
    as_json.write_text(json.dumps(own))
    as_toml.write_text(
        'size = 40\nbeyond = "edge"\ngrey = true\n[points]\n'
        "left_eye = [10, 12]\nright_eye = [30, 12]\nouter_lips_9 = [20, 34]\n"
    )
    face = a_face(5)
    picture = np.zeros((1200, 1200, 3), dtype=np.uint8)
    one, two = (cut_chip(picture, face, FACE68, str(path)) for path in (as_json, as_toml))
    assert one.chip_from_picture == two.chip_from_picture
    assert one.image.shape == (40, 40)
    as_json.write_text(json.dumps(own | {"centre": ["left_eye"]}))
    move = template_of(str(as_json)).fit(face, FACE68)
    np.testing.assert_allclose(move.apply(face[36:42]).mean(axis=0), [19.5, 19.5])
    as_json.write_text(json.dumps(own | {"centre": ["lips"]}))
    with pytest.raises(ConfigError, match=r"own\.json: expected a group of face68, got lips"):
        template_of(str(as_json)).fit(face, FACE68)
    as_json.write_text(json.dumps({"size": 40, "points": {"chin": [1, 2], "nose_tip": [2, 3]}}))
    with pytest.raises(ConfigError, match="face68: it has no landmark chin"):
        template_of(str(as_json)).fit(face, FACE68)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "size: expected an entry, found none"),
        ("size = 0\n[points]\na = [1, 2]\nb = [1, 2]", "size: expected a whole number >= 1, got 0"),
        ("size = 9\npoints = {}", "points: expected a table of length >= 2, got {}"),
        ("size = 9\nsort = 1\n", "sort: unknown setting; known: "),
        ("size = ", "Invalid value"),
    ],
)
def test_a_file_that_is_no_template(tmp_path, text, said):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        template_of(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("arcface", "template: expected arcface112, dlib150, "),
        ("arcface100", "arcface: expected a multiple of 112 or 128 pixels, got 100"),
        ("arcface0", "arcface0: expected 1 to 8192 pixels, got 0"),
        ("ffhq256:1", "got ffhq256:1"),
        ("ffhq99999", "ffhq99999: expected 1 to 8192 pixels, got 99999"),
    ],
)
def test_an_unknown_template(name, said):
    with pytest.raises(ConfigError, match=said):
        template_of(name)


@pytest.mark.parametrize("name", ["arcface112", "dlib150", "ffhq256", "lips96"])
@pytest.mark.parametrize("face", [np.ones((68, 2)), np.full((68, 2), np.nan)])
def test_points_that_are_no_face(name, face):
    with pytest.raises(DegenerateShapeError):
        cut_chip(np.zeros((9, 9, 3), np.uint8), face, FACE68, name)


def test_other_schemes():
    wflw = np.random.default_rng(0).uniform(100, 200, (98, 2))
    picture = np.zeros((300, 300, 3), np.uint8)
    for name in ("arcface112", "dlib150", "ffhq256", "lips96"):
        assert cut_chip(picture, wflw, WFLW98, name).chip_from_picture.scale > 0
    with pytest.raises(DanError, match="no conversion leads from scheme face5 "):
        cut_chip(picture, ARCFACE_112, FACE5, "dlib150")
