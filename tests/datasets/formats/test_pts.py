import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dan.core.errors import ConfigError, FormatError, ShapeError
from dan.datasets.formats import load_pts, parse_pts, render_pts, save_pts

TWO = "version: 1\nn_points: 2\n{\n1.000 1.000\n11.500 21.250\n}\n"


def test_one_on_disk_is_zero_in_memory():
    points = parse_pts(TWO)
    assert points.tolist() == [[0, 0], [10.5, 20.25]]
    assert points.dtype == np.float32
    assert render_pts(points) == TWO


def test_files_that_count_from_zero_are_told_apart_by_the_caller(tmp_path):
    points = parse_pts(TWO, first_pixel=0)
    assert points.tolist() == [[1, 1], [11.5, 21.25]]
    assert render_pts(points, first_pixel=0) == TWO
    save_pts(tmp_path / "a.pts", points, first_pixel=0)
    assert load_pts(tmp_path / "a.pts", first_pixel=0).tolist() == points.tolist()
    with pytest.raises(ConfigError, match="first_pixel: expected 0 or 1, got 2"):
        parse_pts(TWO, first_pixel=2)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 100).flatmap(
        lambda n: arrays(np.float32, (n, 2), elements=st.floats(-5000, 5000, width=32))
    )
)
def test_round_trip_to_half_of_the_last_decimal(points):
    assume(not (np.abs(points + 2) < 0.001).all(axis=1).any())  # where the mark lies
    before = points.copy()
    again = parse_pts(render_pts(points))
    np.testing.assert_allclose(again, points, rtol=0, atol=0.0005 + 0.0005)  # text, then float32
    np.testing.assert_array_equal(points, before)
    assert render_pts(again) == render_pts(parse_pts(render_pts(again)))


@pytest.mark.parametrize("first_pixel", [0, 1])
@pytest.mark.parametrize("mark", ["-1 -1", "-1.000 -1.000", "-1,-1", "nan nan", "NaN\tNaN"])
def test_a_mark_stands_for_a_point_that_is_not_annotated(mark, first_pixel):
    points = parse_pts(TWO.replace("11.500 21.250", mark), first_pixel)
    np.testing.assert_array_equal(points, [[1 - first_pixel] * 2, [np.nan, np.nan]])
    text = render_pts(points, first_pixel)
    assert text == TWO.replace("11.500 21.250", "-1.000 -1.000")
    np.testing.assert_array_equal(parse_pts(text, first_pixel), points)


@pytest.mark.parametrize("almost", ["-1 5", "5 -1", "-1.5 -1", "0 0", "-2 -2"])
def test_what_only_looks_like_a_mark_is_a_point(almost):
    points = parse_pts(TWO.replace("11.500 21.250", almost), first_pixel=0)
    assert points[1].tolist() == [float(word) for word in almost.split()]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TWO.replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(TWO.replace(" 21", ", 21").replace("00 1", "00,1"), id="commas"),
        pytest.param(TWO.replace(" 21", "\t21"), id="tab"),
        pytest.param(TWO.replace(": ", ":"), id="no space after the colon"),
        pytest.param(TWO.replace(": ", ":  "), id="two spaces after the colon"),
        pytest.param(TWO.replace("\n{\n", " {\n"), id="brace on the line of the count"),
        pytest.param(TWO.replace("\n}\n", "}"), id="brace on the line of the last point"),
        pytest.param("\n" + TWO.replace("\n", "\n\n"), id="empty lines"),
        pytest.param(TWO.replace("1.000 1.000", "1 1e0"), id="other spellings of one"),
        pytest.param(TWO.replace("1\nn", "1.0\nn"), id="version 1.0"),
    ],
)
def test_variants_in_the_wild(text):
    np.testing.assert_allclose(parse_pts(text), [[0, 0], [10.5, 20.25]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "header", id="empty"),
        pytest.param("1 2\n3 4\n", "header", id="numbers only"),
        pytest.param(TWO.replace("n_points: 2\n", ""), "header", id="no count"),
        pytest.param(TWO.replace("{", ""), "header", id="no opening brace"),
        pytest.param(TWO.replace("s: 2", "s: -2"), "header", id="negative count"),
        pytest.param(TWO.replace("s: 2", "s: " + "9" * 5000), "header", id="absurd count"),
        pytest.param(TWO.replace("s: 2", "s: 0"), r"1\.\.100000, got 0", id="count 0"),
        pytest.param(TWO.replace("s: 2", "s: 999999"), "got 999999", id="huge count"),
        pytest.param(TWO.replace("}", ""), "closing '}'", id="no closing brace"),
        pytest.param(TWO[:40], "closing '}'", id="cut off"),
        pytest.param(TWO.replace("s: 2", "s: 3"), "expected 3 points.*got 2", id="too few points"),
        pytest.param(TWO.replace("s: 2", "s: 1"), "expected 1 points.*got 2", id="too many points"),
        pytest.param(TWO.replace("11.500", "nan"), "point 2.*finite", id="NaN"),
        pytest.param(TWO.replace("11.500", "-inf"), "point 2.*finite", id="infinite"),
        pytest.param(TWO.replace("11.500", "1e300"), "point 2.*finite", id="beyond float32"),
        pytest.param(TWO.replace("11.500", "left"), "expected numbers", id="a word"),
        pytest.param(TWO.replace("11.500", "1 2"), "point 2: expected 2 numbers", id="3 numbers"),
        pytest.param(TWO.replace("11.500 ", ""), "point 2: expected 2 numbers", id="1 number"),
    ],
)
def test_damaged_texts_are_refused(text, message):
    with pytest.raises(FormatError, match=message):
        parse_pts(text)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.integers(0, len(TWO)))
def test_junk_is_refused_or_read_but_never_crashes(tmp_path_factory, junk, place):
    path = tmp_path_factory.getbasetemp() / "junk.pts"
    path.write_bytes(TWO[:place].encode() + junk)
    message = None
    try:
        points = load_pts(path)
    except FormatError as error:
        message = str(error)
    if message is None:
        assert points.shape[1] == 2
        assert (np.isfinite(points).all(axis=1) | np.isnan(points).all(axis=1)).all()
    else:
        assert message.startswith(f"{path}: ")


def test_byte_order_mark_and_windows_file(tmp_path):
    path = tmp_path / "face.pts"
    path.write_bytes(b"\xef\xbb\xbf" + TWO.replace("\n", "\r\n").encode())
    np.testing.assert_allclose(load_pts(path), [[0, 0], [10.5, 20.25]])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0JFIF", TWO[:40].encode()])
def test_errors_name_the_file(tmp_path, data):
    path = tmp_path / "face.pts"
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        load_pts(path)
    assert str(caught.value).startswith(f"{path}: expected ")


def test_saved_file(tmp_path):
    path = tmp_path / "face.pts"
    save_pts(path, np.array([[0, 0], [10.5, 20.25]]))
    assert path.read_bytes() == TWO.encode()


@pytest.mark.parametrize(
    ("points", "error"),
    [
        pytest.param(np.zeros((2, 3)), ShapeError, id="in space"),
        pytest.param(np.empty((0, 2)), FormatError, id="no points"),
        pytest.param(np.array([[1.0, np.nan]]), FormatError, id="NaN"),
        pytest.param(np.array([[1.0, np.inf]]), FormatError, id="infinite"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, points, error):
    path = tmp_path / "face.pts"
    path.write_text("kept")
    with pytest.raises(error, match="points: expected"):
        save_pts(path, points)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("face.pts", "kept")]


def test_all_real_files_parse(shared_300w):
    paths = sorted(shared_300w.rglob("*.pts"))
    assert len(paths) > 1000
    shapes = np.stack([load_pts(path) for path in paths])
    assert shapes.shape == (len(paths), 68, 2)
    assert (np.ptp(shapes, axis=1) > 10).all()
