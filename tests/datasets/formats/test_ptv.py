import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dan.core.errors import FormatError, ShapeError
from dan.datasets.formats import load_ptv, parse_ptv, render_ptv, save_ptv

TWO = "0.000000,0.000000\n10.500000,20.250000\n"


def test_numbers_are_zero_based_as_they_stand():
    values = parse_ptv(TWO)
    assert values.tolist() == [[0, 0], [10.5, 20.25]]
    assert values.dtype == np.float32
    assert render_ptv(values) == TWO


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 12)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(-5000, 5000, width=32))
    )
)
def test_round_trip_to_half_of_the_last_decimal(values):
    before = values.copy()
    again = parse_ptv(render_ptv(values), n_columns=None)
    np.testing.assert_allclose(again, values, rtol=1e-7, atol=0.6e-6)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TWO.replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(TWO.replace(",", " "), id="spaces"),
        pytest.param(TWO.replace(",", ", "), id="comma and space"),
        pytest.param(TWO.strip(), id="no line end"),
        pytest.param("\n" + TWO + "\n", id="empty lines"),
        pytest.param("0,0\n1.05e1,2.025e+01\n", id="as numpy.savetxt writes"),
    ],
)
def test_variants_in_the_wild(text):
    np.testing.assert_allclose(parse_ptv(text), [[0, 0], [10.5, 20.25]])


@pytest.mark.parametrize(
    ("text", "n_columns", "message"),
    [
        pytest.param("", 2, "got nothing", id="empty"),
        pytest.param("\n \n", 2, "got nothing", id="white space"),
        pytest.param("1,2\n3\n", 2, "line 2: expected 2 numbers, got 1", id="short line"),
        pytest.param("1,2\n3,4,5\n", 2, "line 2: expected 2 numbers, got 3", id="long line"),
        pytest.param("1,2,3\n1,2\n", None, "line 2: expected 3 numbers", id="lines differ"),
        pytest.param("1,2\n3,nan\n", 2, "line 2: expected finite", id="NaN"),
        pytest.param("inf,2\n3,4\n", 2, "line 1: expected finite", id="infinite"),
        pytest.param("1,2\n3,1e300\n", 2, "line 2: expected finite", id="beyond float32"),
        pytest.param("x,y\n1,2\n", 2, "expected numbers", id="a heading"),
        pytest.param("version: 1\nn_points: 2\n", 2, "expected numbers", id="a .pts file"),
    ],
)
def test_damaged_texts_are_refused(text, n_columns, message):
    with pytest.raises(FormatError, match=message):
        parse_ptv(text, n_columns)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=100), st.integers(0, len(TWO)))
def test_junk_is_refused_or_read_but_never_crashes(tmp_path_factory, junk, place):
    path = tmp_path_factory.getbasetemp() / "junk.ptv"
    path.write_bytes(TWO[:place].encode() + junk)
    message = None
    try:
        values = load_ptv(path)
    except FormatError as error:
        message = str(error)
    if message is None:
        assert values.shape[1] == 2
        assert np.isfinite(values).all()
    else:
        assert message.startswith(f"{path}: ")


def test_files_round_trip_and_count_their_lines(tmp_path):
    path = tmp_path / "face@0.ptv"
    save_ptv(path, np.array([[0, 0], [10.5, 20.25]]))
    assert path.read_bytes() == TWO.encode()
    assert load_ptv(path, n_rows=2).shape == (2, 2)
    with pytest.raises(FormatError, match="expected 68 lines, got 2") as caught:
        load_ptv(path, n_rows=68)
    assert str(path) in str(caught.value)


def test_byte_order_mark(tmp_path):
    path = tmp_path / "face.ptv"
    path.write_bytes(b"\xef\xbb\xbf" + TWO.encode())
    assert load_ptv(path).tolist() == [[0, 0], [10.5, 20.25]]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param(np.zeros(4), ShapeError, id="one row, not a table"),
        pytest.param(np.empty((0, 2)), FormatError, id="no rows"),
        pytest.param(np.array([[1.0, np.nan]]), FormatError, id="NaN"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, values, error):
    path = tmp_path / "face.ptv"
    path.write_text("kept")
    with pytest.raises(error, match="values: expected"):
        save_ptv(path, values)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("face.ptv", "kept")]
