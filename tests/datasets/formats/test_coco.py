import json

import numpy as np
import pytest

from dan.core.errors import FormatError
from dan.datasets.formats import (
    HIDDEN,
    UNKNOWN,
    VISIBLE,
    AnnotationSet,
    load_coco,
    parse_coco,
    render_coco,
    same_annotations,
    save_coco,
)
from dan.datasets.formats.coco import INFO
from dan.schemes import FACE68, SCHEMES, LandmarkScheme


def file_of(**changes) -> dict:
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "keypoints": [1, 2.5, 2, 3, 4, 1, 9, 9, 0],
             "bbox": [1, 2, 3, 4], "iscrowd": 0}
        ],
        "categories": [
            {"id": 3, "name": "face", "keypoints": ["l", "r", "n"], "skeleton": [[1, 3], [3, 2]]}
        ],
    }  # fmt: skip
    return {**content, **changes}


def annotation(**changes) -> dict:
    return file_of(annotations=[{**file_of()["annotations"][0], **changes}])


def test_what_is_read():
    faces = parse_coco(json.dumps(file_of()))
    assert faces.image_names == ("a.jpg",)
    assert faces.image_sizes_wh.tolist() == [[640, 480]]
    assert faces.points[0, :2].tolist() == [[1, 2.5], [3, 4]]
    assert faces.visibility.tolist() == [[VISIBLE, HIDDEN, UNKNOWN]]
    assert faces.boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert faces.scheme == LandmarkScheme("face", ("l", "r", "n"), edges=((0, 2), (2, 1)))


@pytest.mark.parametrize(
    ("change", "n_known"),
    [
        pytest.param({"keypoints": [[1, 2, 2], [3, 4, 1], [5, 6, 1]]}, 3, id="rows"),
        pytest.param({"keypoints": []}, 0, id="no keypoints"),
        pytest.param({"keypoints": None}, 0, id="null"),
        pytest.param({"bbox": None, "ignore": True}, 2, id="no box"),
        pytest.param({"bbox": []}, 2, id="empty box"),
        pytest.param({"attributes": {"blur": 1, "name": "Ann", "deep": [[]]}}, 2, id="attributes"),
    ],
)
def test_variants_in_the_wild(change, n_known):
    faces = parse_coco(json.dumps(annotation(**change), indent=2))
    assert np.count_nonzero(faces.known) == n_known
    assert faces.ignore[0] == ("ignore" in change)
    assert np.isnan(faces.boxes_xyxy).all() == ("bbox" in change)
    assert list(faces.attributes) == (["blur"] if "attributes" in change else [])


def test_without_categories_the_first_annotation_says_how_many_points():
    assert parse_coco(json.dumps(file_of(categories=[]))).n_landmarks == 3
    assert parse_coco(json.dumps({"images": [], "annotations": []})).points.shape == (0, 0, 2)


def test_the_category_that_is_meant():
    person = {"id": 1, "name": "person", "keypoints": ["head"]}
    content = file_of(categories=[person, *file_of()["categories"]])
    with pytest.raises(FormatError, match=r"one with keypoints, or to be told which \(--category"):
        parse_coco(json.dumps(content))
    assert len(parse_coco(json.dumps(content), category="face")) == 1
    assert len(parse_coco(json.dumps(content), category="person")) == 0
    with pytest.raises(FormatError, match="expected 'cat' once, got"):
        parse_coco(json.dumps(content), category="cat")


def test_whole_numbers_may_be_written_as_floats():
    whole = file_of()
    text = json.dumps(whole)
    for old, new in (
        ('"id": 7', '"id": 7.0'),
        ('"image_id": 7', '"image_id": 7.0'),
        ('"category_id": 3', '"category_id": 3.0'),
        ("640", "640.0"),
        ("[[1, 3], [3, 2]]", "[[1.0, 3.0], [3.0, 2.0]]"),
        ('"iscrowd": 0', '"iscrowd": 0.0'),
    ):
        assert old in text
        text = text.replace(old, new)
    faces = parse_coco(text)
    assert same_annotations(faces, parse_coco(json.dumps(whole)))
    assert faces.image_sizes_wh.tolist() == [[640, 480]]


def person(image_id, **face) -> dict:
    return {"image_id": image_id, "category_id": 1, "bbox": [0, 0, 90, 190], **face}


BODY = {"id": 1, "name": "person", "keypoints": [f"joint_{place}" for place in range(17)]}


def test_faces_of_whole_bodies():
    """COCO-WholeBody: 17 joints as keypoints, the face in entries of its own."""
    points = [[float(place), 2.0 * place, 2 - place % 3 / 4] for place in range(68)]
    kpts = [value for point in points for value in point]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [
            person(1, keypoints=[1, 1, 2] * 17, face_kpts=kpts, face_box=[1, 2, 30, 40],
                   face_valid=True),
            person(1, keypoints=[1, 1, 2] * 17, face_kpts=[0.0] * 204, face_box=[0.0] * 4,
                   face_valid=False),
            person(2, keypoints=[1, 1, 2] * 17),
        ],
        "categories": [BODY],
    }  # fmt: skip
    faces = parse_coco(json.dumps(content))
    assert faces.scheme is FACE68
    assert faces.image_names == ("a.jpg", "b.jpg")
    assert faces.points.tolist() == [[point[:2] for point in points]]
    assert faces.known.all()
    assert faces.boxes_xyxy.tolist() == [[1, 2, 31, 42]]


def test_faces_of_halpe_are_a_part_of_its_points():
    flat = [value for place in range(136) for value in (place, 0, 2)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [person(1, keypoints=flat)],
        "categories": [{"id": 1, "name": "person"}],
    }
    faces = parse_coco(json.dumps(content))
    assert faces.scheme is FACE68
    assert faces.points[0, :, 0].tolist() == list(range(26, 94))
    assert np.isnan(faces.boxes_xyxy).all()


def test_our_files_say_what_they_are_as_pycocotools_wants_it():
    faces = AnnotationSet.build(["a"], [0], [[[1.0, 2.0]]])
    assert json.loads(render_coco(faces))["info"] == INFO


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_our_schemes_come_back(scheme):
    points = np.zeros((1, scheme.n_landmarks, 2))
    faces = AnnotationSet.build(["a"], [0], points, scheme=scheme)
    content = json.loads(render_coco(faces))
    assert content["categories"][0]["keypoints"] == list(scheme.point_names)
    assert parse_coco(render_coco(faces)).scheme is scheme


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "expected COCO keypoints: ", id="empty"),
        pytest.param("[]", "Expected `object`, got `array`", id="a list"),
        pytest.param(json.dumps(file_of())[:-9], "expected COCO keypoints: ", id="cut off"),
        pytest.param("[" * 100_000, "expected COCO keypoints", id="nested without end"),
        pytest.param('{"images":[],"annotations":[],"x":' + "[" * 10**6, "deep", id="deep inside"),
        pytest.param({"images": []}, "missing required field `annotations`", id="no annotations"),
        pytest.param(annotation(image_id=8), "id of a listed image as image_id, got 8", id="image"),
        pytest.param(annotation(image_id=None), r"image_id", id="null id"),
        pytest.param(annotation(keypoints=[1, 2]), "annotation 0: expected 9 numbers.*got 2",
                     id="too few"),
        pytest.param(annotation(keypoints=[1, 2, "x"] * 3), "annotation 0: expected 9 numbers",
                     id="a word"),
        pytest.param(annotation(keypoints=[1, 2, []] * 3), "annotation 0: expected 9 numbers",
                     id="a hole"),
        pytest.param(annotation(keypoints={"a": 1}), "annotation 0: expected", id="an object"),
        pytest.param(annotation(keypoints=[1, 2, 3] * 3), "0, 1 or 2 as visibility of point 0, got",
                     id="visibility"),
        pytest.param(annotation(keypoints=[1e12, 2, 2] * 3), "point 0: expected finite", id="far"),
        pytest.param(annotation(keypoints=[10**30, 2, 2] * 3), "point 0: expected", id="bigint"),
        pytest.param(annotation(keypoints=[10**400, 2, 2] * 3), "expected 9 numbers", id="endless"),
        pytest.param(annotation(bbox=[1, 2, 3]), "annotation 0: expected 4 numbers as", id="bbox"),
        pytest.param(annotation(bbox=[1, 2, -3, 1]), "face 0.*x0 <= x1", id="negative width"),
        pytest.param(annotation(attributes={str(i): i for i in range(99)}), "at most 64",
                     id="many"),
        pytest.param(file_of(images=[{"id": 7, "file_name": "a", "width": -1}]),
                     r"`float` >= 0.* - at `\$.images\[0\].width`", id="size"),
        pytest.param(file_of(images=[{"id": 7, "file_name": "a", "height": 10**320}]),
                     "out of range", id="endless size"),
        pytest.param(annotation(bbox=[10**320, 2, 3, 1]), "out of range", id="endless box"),
        pytest.param(file_of(images=[{"id": 7, "file_name": 5}]), "Expected `str`", id="name"),
        pytest.param(json.dumps(file_of()).replace("2.5", "NaN"), "expected COCO", id="NaN"),
        pytest.param(b'{"images": "\xff"}', "expected COCO", id="not UTF-8"),
        pytest.param(
            file_of(categories=[{"id": 3, "name": "f", "keypoints": ["l", "l", "n"]}]),
            "unique point names", id="double names",
        ),
        pytest.param(
            file_of(categories=[{"id": 3, "keypoints": ["l", "r", "n"], "skeleton": [[1, 9]]}]),
            r"indices 0\.\.2", id="skeleton",
        ),
        pytest.param(
            file_of(categories=[{"id": 3, "keypoints": ["l", "r", "n"], "skeleton": [[0, 2]]}]),
            "expected a skeleton that counts its keypoints from 1, .* got one that counts from 0",
            id="a skeleton from 0",
        ),
        pytest.param(
            file_of(categories=[{"id": 3, "keypoints": ["l", "r", "n"], "skeleton": [[1, 1.5]]}]),
            "expected whole numbers as skeleton", id="a skeleton of halves",
        ),
        pytest.param(
            json.dumps(file_of()).encode().replace(b"[1, 2.5,", b'["\xff", 2.5,'),
            "annotation 0: expected 9 numbers as keypoints", id="no UTF-8 among the keypoints",
        ),
        pytest.param(file_of(images=[{"id": 7, "file_name": "a", "width": 1.5}]),
                     r"images\[0\]: expected a size in whole pixels, got \[1.5", id="half a pixel"),
    ],
)  # fmt: skip
def test_what_is_refused(content, message):
    data = content if isinstance(content, str | bytes) else json.dumps(content)
    with pytest.raises(FormatError, match=message) as caught:
        parse_coco(data)
    assert "\n" not in str(caught.value)


def test_lengths_that_make_up_for_each_other_are_noticed():
    content = file_of()
    short, long = ({**content["annotations"][0], "keypoints": [1, 2, 2] * n} for n in (2, 4))
    with pytest.raises(FormatError, match=r"annotation 0: expected 9 numbers.*got 6"):
        parse_coco(json.dumps(file_of(annotations=[short, long])))


def test_writing_and_reading_a_file(tmp_path):
    path = tmp_path / "faces.json"
    faces = AnnotationSet.build(["a"], [0], [[[1.23456, 2.0], [3.0, 4.0]]])
    save_coco(path, faces)
    assert load_coco(path).points.tolist() == [[[1.235, 2], [3, 4]]]
    save_coco(path, faces, decimals=5)
    assert load_coco(path).points.tolist() == [[[1.23456, 2], [3, 4]]]
    path.write_text("{}")
    with pytest.raises(FormatError) as caught:
        load_coco(path)
    assert str(caught.value).startswith(f"{path}: expected COCO keypoints: ")
