"""Packs of faces with hidden and covered points, and of several sets."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dan.core.errors import DataError
from dan.datasets.annotated import find_annotated
from dan.datasets.annotation_files import load_annotations, save_annotations
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE, AnnotationSet, load_pts, save_pts
from dan.datasets.pack import (
    FacePack,
    PackOptions,
    canonical_crops,
    join_packs,
    load_pack,
    pack_faces,
    save_pack,
)
from dan.datasets.synthetic import write_synthetic_faces
from dan.geometry import box_centre, box_of_points, box_size_wh, with_position
from dan.schemes import FACE68, LandmarkScheme

OPTIONS = PackOptions(face_size=50, size=100)


@pytest.fixture
def folder(tmp_path):
    """Five drawn faces as .pts files, and as COCO keypoints with covered and unknown points."""
    write_synthetic_faces(tmp_path / "faces", 5, size=80)
    faces = load_annotations(tmp_path / "faces")
    visibility = faces.visibility.copy()
    visibility[0, :17] = UNKNOWN
    visibility[1, 30:40] = HIDDEN
    visibility[2, :46] = UNKNOWN  # 22 of 68 are left
    given = AnnotationSet.build(
        faces.image_names, faces.image_index, faces.points, visibility=visibility
    )
    save_annotations(tmp_path / "faces" / "faces.json", given)
    return tmp_path / "faces"


def small_pack(*names, scheme=FACE68, **changes):
    points = np.random.default_rng(0).uniform(2, 18, (len(names), scheme.n_landmarks, 2))
    images = np.zeros((len(names), 20, 20), np.uint8)
    return replace(FacePack.build(names, images, points.astype(np.float32), scheme), **changes)


def test_a_third_of_the_points_is_enough_and_what_is_covered_stays_so(folder):
    found = find_annotated(folder / "faces.json")
    assert [face.reason for face in found.left_out] == ["with too few points"]
    pack, skipped = pack_faces(found, FACE68, OPTIONS)
    assert (len(pack.names), skipped) == (4, [])
    assert pack.visibility[:2, [0, 16, 17, 30, 39, 40]].tolist() == [
        [UNKNOWN, UNKNOWN, VISIBLE, VISIBLE, VISIBLE, VISIBLE],
        [VISIBLE, VISIBLE, VISIBLE, HIDDEN, HIDDEN, VISIBLE],
    ]
    assert np.isnan(pack.points).any(axis=2).tolist() == (pack.visibility == UNKNOWN).tolist()
    for points in pack.points:
        box = box_of_points(with_position(points))
        assert box_size_wh(box).max() == pytest.approx(50, rel=1e-5)
        np.testing.assert_allclose(box_centre(box), [49.5, 49.5], atol=1e-3)
    crops = canonical_crops(pack, np.nanmean(pack.points, axis=0), 100, 4)
    assert crops.shape == (4, 100, 100)


def test_points_files_mark_unknown_points_and_no_others(folder):
    path = min(folder.rglob("*.pts"))
    points = load_pts(path)
    points[5] = np.nan
    save_pts(path, points)
    pack, _ = pack_faces(find_annotated(folder), FACE68, OPTIONS)
    assert len(pack.names) == 5
    assert np.argwhere(pack.visibility != VISIBLE).tolist() == [[0, 5]]
    assert pack.visibility[0, 5] == UNKNOWN


def same_packs(a, b):
    per_face = ("points", "visibility", "weights", "sets")
    return (a.names, a.scheme) == (b.names, b.scheme) and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "points")
        for name in per_face
    )


def test_a_pack_keeps_visibility_weights_and_sets(folder, tmp_path):
    found = find_annotated(folder / "faces.json")
    pack, _ = pack_faces(found, FACE68, OPTIONS)
    joined = join_packs({"a": pack, "b": pack}, [1, 0.3])
    save_pack(tmp_path / "faces.npz", joined)
    assert same_packs(load_pack(tmp_path / "faces.npz"), joined)
    assert not joined.is_plain
    assert not pack.is_plain


def test_plain_packs_are_of_the_first_version_still(tmp_path):
    pack = small_pack("a", "b")
    assert pack.is_plain
    save_pack(tmp_path / "faces.npz", pack)
    with np.load(tmp_path / "faces.npz") as file:
        assert json.loads(str(file["header"]))["format"] == 1
        assert set(file) == {"header", "names", "points", "jpeg_sizes", "jpegs"}
    assert same_packs(load_pack(tmp_path / "faces.npz"), pack)


@pytest.mark.parametrize(
    "changes",
    [
        {"visibility": np.full((2, 68), HIDDEN, np.uint8)},
        {"weights": np.array([1, 2], np.float32)},
        {"sets": np.array([0, 1])},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_plain(changes):
    assert not small_pack("a", "b", **changes).is_plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1, 0], np.float32)}, "weights above 0"),
        ({"weights": np.array([1, np.nan], np.float32)}, "weights above 0"),
        ({"visibility": np.zeros((2, 68), np.uint8)}, "a position where a point is known"),
        ({"points": np.full((2, 68, 2), np.nan, np.float32)}, "a position where a point is known"),
    ],
)
def test_packs_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        small_pack("a", "b", **changes)


def test_of_each_set_every_so_many_by_name_are_held_out_as_if_it_were_alone():
    a, b, c = (small_pack(*(f"{k:02d}" for k in range(count))) for count in (7, 5, 2))
    joined = join_packs({"a": a, "b": b, "c": c}, [1, 0.5, 2])
    kept, held_out = joined.split(3)
    assert held_out.names == ("a/02", "a/05", "b/02")
    assert held_out.weights.tolist() == [1, 1, 0.5]
    assert sorted((*kept.names, *held_out.names)) == sorted(joined.names)
    assert joined.sets.tolist() == [0] * 7 + [1] * 5 + [2] * 2
    assert b.split(3)[1].names == ("02",)


def test_one_set_keeps_its_names():
    assert join_packs({"a": small_pack("x", "y")}, [1]).names == ("x", "y")


def test_sets_of_different_schemes_are_not_joined():
    packs = {"a": small_pack("x"), "b": small_pack("x", scheme=LandmarkScheme.plain(5))}
    with pytest.raises(DataError, match="one scheme, got face68 and points5"):
        join_packs(packs, [1, 1])
