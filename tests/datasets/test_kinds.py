import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.datasets.annotated import find_annotated
from dan.datasets.annotation_files import (
    KINDS,
    Kind,
    Reading,
    kind_of,
    load_annotations,
    losses,
    save_annotations,
)
from dan.datasets.formats import AnnotationSet, load_pts
from dan.datasets.kind_names import KIND_NAMES
from dan.datasets.synthetic import write_synthetic_faces


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of five drawn faces with .pts files, test folder and all."""
    root = tmp_path_factory.mktemp("faces")
    write_synthetic_faces(root, 5, size=60)
    return root


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("faces.json", "coco"),
        ("faces.xml", "dlib"),
        ("faces.txt", "wflw"),
        ("faces.csv", "hrnet"),
        ("folder", "pts"),
    ],
)
def test_the_kind_of_what_is_to_be_written_follows_from_its_name(tmp_path, file, kind):
    assert kind_of(tmp_path / file, must_exist=False).name == kind


def test_a_new_kind_may_have_a_suffix_that_is_taken(tmp_path, monkeypatch):
    mine = Kind("mine", "my JSON", KINDS["coco"].load, None, suffix=".json",
                recognises=lambda start: b"mine" in start)  # fmt: skip
    monkeypatch.setitem(KINDS, "mine", mine)
    (tmp_path / "a.json").write_text('{"mine": []}')
    (tmp_path / "b.json").write_text('{"images": []}')
    assert kind_of(tmp_path / "a.json") is mine
    assert kind_of(tmp_path / "b.json").name == "coco"
    assert kind_of(tmp_path / "new.json", must_exist=False).name == "coco"


def test_the_help_names_every_kind():
    assert tuple(KINDS) == KIND_NAMES


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("theano", "wflw")])
def test_every_kind_reads_back_what_it_wrote(drawn, tmp_path, kind):
    faces = load_annotations(drawn)
    suffix = {"coco": ".json", "dlib": ".xml", "hrnet": ".csv", "youtube": ".csv"}.get(kind, "")
    out = tmp_path / f"faces{suffix}"
    if KINDS[kind].is_folder:
        for name in faces.image_names:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes((drawn / name).read_bytes())
    save_annotations(out, faces, kind)
    assert kind_of(out).name == kind
    back = load_annotations(out)
    assert sorted(back.image_names) == sorted(faces.image_names)
    order = [back.image_names.index(name) for name in faces.image_names]
    precision = 0.51 if kind == "dlib" else 1e-3
    np.testing.assert_allclose(back.points[order], faces.points, atol=precision)


def test_the_first_pixel_is_the_kinds_own_unless_told(drawn, tmp_path):
    by_one, by_zero = load_annotations(drawn), load_annotations(drawn, Reading(first_pixel=0))
    np.testing.assert_allclose(by_zero.points - by_one.points, 1, atol=1e-4)
    save_annotations(tmp_path / "faces.csv", by_one, first_pixel=1)
    np.testing.assert_allclose(
        load_annotations(tmp_path / "faces.csv", Reading(first_pixel=1)).points,
        by_one.points,
        atol=1e-3,
    )
    with pytest.raises(ConfigError, match=r"COCO keypoints .* counts from 0 by its own rules"):
        save_annotations(tmp_path / "faces.json", by_one, first_pixel=1)


def test_what_a_kind_cannot_hold_is_named():
    faces = AnnotationSet.build(
        ["a.jpg", "nobody.jpg"],
        [0, 0],
        [[[1, 2], [3, 4]], [[1, 2], [np.nan, np.nan]]],
        boxes_xyxy=[[0, 0, 5, 5]] * 2,
        ignore=[False, True],
    )
    assert losses(faces, KINDS["coco"]) == []
    assert losses(faces, KINDS["youtube"]) == ["boxes", "ignored faces", "images without faces"]
    assert "several faces an image" in losses(faces, KINDS["pts"])
    assert "unknown points" not in losses(faces, KINDS["pts"])
    assert "unknown points" in losses(faces, KINDS["ptv"])
    assert losses(faces, KINDS["dlib"]) == []
    halves = AnnotationSet.build(["a.jpg"], [0], [[[1.5, 2]]])
    assert losses(halves, KINDS["dlib"]) == ["fractions of a pixel"]
    gap = AnnotationSet.build(["a.jpg"], [0], [[[1, 2], [np.nan, np.nan], [3, 4]]])
    assert losses(gap, KINDS["dlib"]) == ["points that no face has"]


def test_the_kind_of_a_folder_is_that_of_a_file_beside_an_image(drawn, tmp_path):
    (tmp_path / "notes.pts").write_text("")
    (tmp_path / "face.png").write_bytes(b"")
    (tmp_path / "face.ptv").write_text("")
    assert kind_of(tmp_path).name == "ptv"


def test_refusals_are_plain(tmp_path):
    with pytest.raises(DataError, match=r"none.json: expected annotations, found nothing there"):
        load_annotations(tmp_path / "none.json")
    (tmp_path / "faces.doc").write_text("")
    with pytest.raises(ConfigError, match=r"faces.doc: expected a folder, or a file that ends in"):
        load_annotations(tmp_path / "faces.doc")
    with pytest.raises(ConfigError, match=r"kind: expected one of pts, .* got word"):
        load_annotations(tmp_path / "faces.doc", Reading("word"))
    with pytest.raises(DataError, match=r"faces.txt: WFLW: expected faces of 98 points, got 3"):
        save_annotations(tmp_path / "faces.txt", AnnotationSet.empty(3))
    with pytest.raises(ConfigError, match="is read, never written"):
        save_annotations(tmp_path / "faces.npz", AnnotationSet.empty(3))


def test_annotated_images_come_from_any_kind(drawn, tmp_path):
    by_folder = find_annotated(drawn)
    save_annotations(tmp_path / "faces.json", load_annotations(drawn))
    by_file = find_annotated(tmp_path / "faces.json", Reading(images=drawn))
    assert [image.name for image in by_file] == [image.name for image in by_folder]
    assert [image.image_path for image in by_file] == [image.image_path for image in by_folder]
    for ours, theirs in zip(by_file, by_folder, strict=True):
        np.testing.assert_allclose(ours.load_points(), load_pts(theirs.points_path), atol=1e-3)


def test_faces_that_are_ignored_or_have_too_few_points_are_listed_with_a_reason(tmp_path):
    points = np.arange(8.0).reshape(1, 4, 2).repeat(6, axis=0)
    points[1, 1] = np.nan
    points[3, 1:] = np.nan
    points[4] = np.nan
    faces = AnnotationSet.build(
        ["a.jpg", "b.jpg", "b.png", "c.jpg"],
        [0, 0, 1, 2, 3, 3],
        points,
        ignore=[False] * 5 + [True],
    )
    save_annotations(tmp_path / "faces.json", faces)
    found = find_annotated(tmp_path / "faces.json")
    assert [image.name for image in found] == ["a", "a#2", "b.jpg"]
    assert [(face.image, face.reason, face.face) for face in found.left_out] == [
        ("b.png", "with too few points", 3),
        ("c.jpg", "without points", 4),
        ("c.jpg", "marked to be ignored", 5),
    ]
    assert found.n_landmarks == 4
    assert found[1:].left_out == found.left_out


def test_only_faces_of_too_few_points_are_an_error_that_counts_them(tmp_path):
    points = np.arange(8.0).reshape(1, 4, 2).repeat(3, axis=0)
    points[:, 1:] = np.nan
    points[2] = np.nan
    save_annotations(tmp_path / "faces.json", AnnotationSet.build(["a.jpg"], [0, 0, 0], points))
    with pytest.raises(DataError) as caught:
        find_annotated(tmp_path / "faces.json")
    assert str(caught.value) == (
        f"{tmp_path / 'faces.json'}: expected faces with enough of their points annotated, "
        "found only 2 faces with too few points, 1 face without points"
    )
