import io
import zipfile

import numpy as np
import pytest

from dan.core.errors import FormatError
from dan.datasets.formats import load_theano_npz, parse_theano_npz
from dan.datasets.formats.theano_npz import MAX_BYTES

ARRAYS = {
    "filenames": np.array(["../data/a.jpg", "../data/b.jpg", "../data/b.jpg"]),
    "origLandmarks": np.arange(18.0).reshape(3, 3, 2),
    "boundingBoxes": np.array([[0.0, 0, 5, 5], [1, 1, 6, 6], [1, 1, 6, 6]]),
    "mirrors": np.array([False, False, True]),
    "imgs": np.array([{"never": "read"}]),
}


def npz(**changes) -> bytes:
    out = io.BytesIO()
    arrays = {name: array for name, array in {**ARRAYS, **changes}.items() if array is not None}
    np.savez(out, **arrays)
    return out.getvalue()


def test_mirrored_rows_are_left_out(tmp_path):
    faces = parse_theano_npz(npz())
    assert faces.image_names == ("../data/a.jpg", "../data/b.jpg")
    assert faces.points.tolist() == ARRAYS["origLandmarks"][:2].tolist()
    assert faces.boxes_xyxy.tolist() == ARRAYS["boundingBoxes"][:2].tolist()
    path = tmp_path / "set.npz"
    path.write_bytes(npz(boundingBoxes=np.array([])))
    assert np.isnan(load_theano_npz(path).boxes_xyxy).all()
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"set\.npz: expected an .npz file"):
        load_theano_npz(path)


def absurd() -> bytes:
    """A heading that promises far more than follows."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 68, 2)}
    )
    return with_member("origLandmarks", header.getvalue())


def with_member(name: str, content: bytes) -> bytes:
    out = io.BytesIO(npz(**{name: None}))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\x80\x04\x95pickle", "expected an .npz file", id="a pickle"),
        pytest.param(npz(filenames=np.array([{}, {}, {}])), "got pickled objects", id="objects"),
        pytest.param(npz(filenames=np.arange(3)), "filenames: .*wrong kind", id="no words"),
        pytest.param(npz(mirrors=None), "expected an array mirrors, got none", id="missing"),
        pytest.param(npz(origLandmarks=np.zeros((2, 3, 2))), "origLandmarks: exp", id="count"),
        pytest.param(npz(boundingBoxes=np.zeros((3, 2))), "boundingBoxes: expected", id="boxes"),
        pytest.param(npz(origLandmarks=np.full((3, 3, 2), np.inf)), "expected finite", id="inf"),
        pytest.param(absurd(), "origLandmarks: expected .* bytes as its heading", id="absurd"),
        pytest.param(with_member("mirrors", bytes(MAX_BYTES + 1)), "at most", id="a bomb"),
        pytest.param(with_member("mirrors", b"\x93NUMPY\x07\x00"), "npz file", id="version"),
    ],
)
def test_what_is_refused(data, message):
    with pytest.raises(FormatError, match=message) as caught:
        parse_theano_npz(data)
    assert "\n" not in str(caught.value)
