import json

import numpy as np
import pytest

from dan.core.errors import ConfigError, FormatError
from dan.datasets.formats import AnnotationSet, load_ljson, parse_ljson, render_ljson, save_ljson
from dan.schemes import FACE68

V1 = {
    "version": 1,
    "groups": [
        {"label": "chin", "landmarks": [{"point": [2.5, 1]}], "connectivity": [[0, 0]]},
        {"label": "eye", "landmarks": [{"point": [None, None]}, {"point": [4, 3]}]},
    ],
}
POINTS = [[2.5, 1], [None, None], [4, 3]]
V2 = {"version": 2, "labels": [], "landmarks": {"points": POINTS, "connectivity": [[0, 1]]}}
V3 = {"version": 3, "groups": {"PTS": {"labels": [], "landmarks": {"points": POINTS}}}}


@pytest.mark.parametrize("content", [V1, V2, V3], ids=["1", "2", "3"])
def test_y_comes_before_x_and_null_is_unknown(content):
    faces = parse_ljson(json.dumps(content), "a.jpg")
    assert faces.image_names == ("a.jpg",)
    assert faces.known.tolist() == [[True, False, True]]
    assert faces.points[0, [0, 2]].tolist() == [[1, 2.5], [3, 4]]


def test_groups_are_faces_unless_their_sizes_differ():
    both = {**V3["groups"], "b": V3["groups"]["PTS"]}
    assert len(parse_ljson(json.dumps({"version": 3, "groups": both}))) == 2
    both["b"] = {"landmarks": {"points": POINTS[:2]}}
    content = json.dumps({"version": 3, "groups": both})
    with pytest.raises(FormatError, match="same number of points in each"):
        parse_ljson(content)
    assert parse_ljson(content, group="b").n_landmarks == 2
    with pytest.raises(FormatError, match="groups: expected 'c', got"):
        parse_ljson(content, group="c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "menpo's landmark JSON", id="empty"),
        pytest.param('{"version":3,"groups":' + "[" * 10**6, "menpo's landmark JSON", id="deep"),
        pytest.param('{"version":3,"x":' + "[" * 10**6, "nested too deep", id="deep inside"),
        pytest.param(json.dumps({**V3, "version": 4}), "expected 1, 2 or 3, got 4", id="version"),
        pytest.param(json.dumps({**V3, "groups": []}), "Expected `object`", id="a list of groups"),
        pytest.param(json.dumps(V2).replace("2.5", "NaN"), "landmark JSON", id="NaN"),
        pytest.param(json.dumps(V2).replace("2.5", "null"), "point 0: expected", id="half null"),
        pytest.param(json.dumps(V2).replace("2.5,", "2.5, 7,"), "point 0: .*y, x", id="in space"),
        pytest.param(json.dumps(V2).replace("2.5", "1e12"), "point 0: expected finite", id="far"),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(FormatError, match=message):
        parse_ljson(content)


def test_what_is_written_for_menpo_to_draw(tmp_path):
    faces = AnnotationSet.build(["a"], [0, 0], np.zeros((2, 68, 2)), scheme=FACE68)
    content = json.loads(render_ljson(faces))
    group = content["groups"]["face_1"]
    assert content["version"] == 3
    assert group["labels"][1] == {"label": "jaw", "mask": list(range(17))}
    assert [36, 37] in group["landmarks"]["connectivity"]
    save_ljson(tmp_path / "a.ljson", faces)
    assert len(load_ljson(tmp_path / "a.ljson", "a")) == 2
    with pytest.raises(ConfigError, match=r"faces of one image for a \.ljson file, got 2"):
        render_ljson(AnnotationSet.build(["a", "b"], [0], np.zeros((1, 2, 2))))
