import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import FormatError, ShapeError
from dan.datasets.formats import (
    AnnotationSet,
    boxes_of,
    load_boxes,
    parse_boxes,
    render_boxes,
    save_boxes,
    with_boxes,
)

boxes_strategy = st.dictionaries(
    st.text(alphabet='aé"_.1 ', min_size=1, max_size=8),
    st.tuples(
        st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.5, 1e4), st.floats(0.5, 1e4)
    ).map(lambda v: [v[0], v[1], v[0] + v[2], v[1] + v[3]]),
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(boxes_strategy)
def test_json_boxes_are_read_exactly(boxes):
    parsed = parse_boxes(json.dumps(boxes))
    assert {name: box.tolist() for name, box in parsed.items()} == boxes
    assert all(box.dtype == np.float64 for box in parsed.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "expected JSON", id="empty"),
        pytest.param('{"a.jpg": [0, 0, 1', "expected JSON", id="cut off"),
        pytest.param("[" * 100_000, "expected JSON", id="nested without end"),
        pytest.param(f'{{"a": [{"9" * 5000}, 0, 1, 1]}}', "expected JSON", id="5000 digits"),
        pytest.param("[[0, 0, 1, 1]]", "object of boxes by name, got list", id="a list"),
        pytest.param('{"a.jpg": [0, 0, 1]}', r"a\.jpg: .*\(4\), got \(3,\)", id="three numbers"),
        pytest.param('{"a.jpg": [0, 0, 1, [1]]}', r"a\.jpg: ", id="ragged"),
        pytest.param('{"a.jpg": null}', r"a\.jpg: ", id="null"),
        pytest.param('{"a.jpg": {"x": 1}}', r"a\.jpg: ", id="an object"),
        pytest.param('{"a.jpg": ["left", 0, 1, 1]}', r"a\.jpg: ", id="a word"),
        pytest.param('{"a.jpg": [NaN, 0, 1, 1]}', r"a\.jpg: .*x0 < x1", id="NaN"),
        pytest.param('{"a.jpg": [5, 0, 1, 1]}', r"a\.jpg: .*x0 < x1", id="sides exchanged"),
        pytest.param(f'{{"a.jpg": [{"9" * 400}, 0, 1, 1]}}', r"a\.jpg: ", id="beyond a double"),
    ],
)
def test_damaged_texts_are_refused(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        parse_boxes(text)
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        load_boxes(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_byte_order_mark(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_bytes(b'\xef\xbb\xbf{"a.jpg": [0, 1, 2, 3]}')
    assert load_boxes(path)["a.jpg"].tolist() == [0, 1, 2, 3]


def test_binary_and_missing_files_are_named(tmp_path):
    path = tmp_path / "boxes.json"
    with pytest.raises(FormatError, match=r"boxes\.json: No such file"):
        load_boxes(path)
    path.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(FormatError, match=r"boxes\.json: expected text"):
        load_boxes(path)


def test_boxes_join_faces_by_the_name_without_folders(tmp_path):
    faces = AnnotationSet.build(["x/a.jpg", "y\\b.jpg"], [0, 1], np.zeros((2, 1, 2)))
    boxed = with_boxes(faces, {"a.jpg": np.array([0, 1, 2, 3]), "other.jpg": np.zeros(4)})
    assert boxed.boxes_xyxy[0].tolist() == [0, 1, 2, 3]
    assert np.isnan(boxed.boxes_xyxy[1]).all()
    assert np.isnan(faces.boxes_xyxy).all()
    save_boxes(tmp_path / "boxes.json", boxes_of(boxed))
    assert load_boxes(tmp_path / "boxes.json")["x/a.jpg"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ShapeError, match=r"a: expected x0 < x1"):
        render_boxes({"a": np.zeros(4)})


def test_one_box_for_two_faces_is_refused():
    faces = AnnotationSet.build(
        ["a.jpg"], [0, 0], np.zeros((2, 1, 2)), boxes_xyxy=[[0, 0, 1, 1]] * 2
    )
    with pytest.raises(FormatError, match="expected one face of that name"):
        with_boxes(faces, {"a.jpg": np.array([0, 1, 2, 3])})
    with pytest.raises(FormatError, match="one face with a box, got several"):
        boxes_of(faces)
    assert len(with_boxes(faces, {})) == 2


def test_real_boxes_lie_on_their_faces(shared_300w):
    from dan.datasets.formats import load_pts
    from dan.geometry import box_centre, box_of_points, box_size_wh

    boxes = load_boxes(shared_300w / "afw_boxes.json")
    assert len(boxes) > 100
    for name, box in list(boxes.items())[:50]:
        path = (shared_300w / "afw" / name).with_suffix(".pts")
        face = box_of_points(load_pts(path))
        assert (np.abs(box_centre(box) - box_centre(face)) < box_size_wh(face)).all(), name
