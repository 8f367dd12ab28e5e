from pathlib import Path

import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.datasets.annotated import find_annotated, split_parts, test_part, training_part
from dan.datasets.formats import load_pts, save_pts
from dan.datasets.merging import merge_images
from dan.datasets.pack import PackOptions, load_pack, pack_faces, save_pack
from dan.datasets.synthetic import draw_synthetic_face, template_shape, write_synthetic_faces
from dan.geometry import box_centre, box_of_points, box_size_wh
from dan.schemes import FACE68

test_part.__test__ = False  # a function of ours, not a test


@pytest.fixture
def root(tmp_path) -> Path:
    """Ten drawn faces in the layout of 300-W: eight to train on, two to test on."""
    write_synthetic_faces(tmp_path / "faces", 10, size=80)
    return tmp_path / "faces"


def test_images_are_found_at_any_depth_by_name(root):
    images = find_annotated(root)
    assert [image.name for image in images][:3] == [
        "testset/drawn_0004",
        "testset/drawn_0009",
        "trainset/drawn_0000",
    ]
    assert all(image.points_path.with_suffix(".png") == image.image_path for image in images)


def test_an_image_without_points_is_left_out(root):
    (root / "testset/drawn_0004.pts").unlink()
    assert len(find_annotated(root)) == 9


def mark_unknown(path: Path, *places: int) -> None:
    """Marks points of a file as not annotated, all of them if none is named."""
    points = load_pts(path)
    points[list(places) or slice(None)] = np.nan
    save_pts(path, points)


def test_faces_of_too_few_points_are_left_out_and_told_apart_by_part(root):
    mark_unknown(root / "testset/drawn_0004.pts", *range(46))
    mark_unknown(root / "trainset/drawn_0000.pts", *range(20, 66))
    mark_unknown(root / "trainset/drawn_0002.pts", *range(45))  # 23 of 68 are enough
    mark_unknown(root / "trainset/drawn_0001.pts")
    faces = find_annotated(root)
    assert len(faces) == 7
    assert faces.left_out_in_words() == "2 faces with too few points, 1 face without points"
    assert [face.image for face in test_part(faces).left_out] == ["testset/drawn_0004.png"]
    assert [(face.image, face.reason) for face in training_part(faces).left_out] == [
        ("trainset/drawn_0000.png", "with too few points"),
        ("trainset/drawn_0001.png", "without points"),
    ]
    pack, skipped = pack_faces(training_part(faces), FACE68, PackOptions(50, 100))
    assert (len(pack.names), skipped) == (6, [])


def test_the_number_of_points_is_that_of_most_files(root):
    save_pts(root / "testset/drawn_0004.pts", np.zeros((5, 2)))
    (root / "testset/drawn_0009.pts").write_text("damaged")
    assert find_annotated(root).n_landmarks == 68


def test_missing_folder_and_empty_folder(tmp_path):
    with pytest.raises(DataError, match="expected a folder of images"):
        find_annotated(tmp_path / "none")
    with pytest.raises(DataError, match=r"expected images with a .pts file"):
        find_annotated(tmp_path)


def test_test_folders_are_told_from_training_folders(root):
    images = find_annotated(root)
    assert len(training_part(images)) == 8
    assert [image.name for image in test_part(images)] == [
        "testset/drawn_0004",
        "testset/drawn_0009",
    ]


@pytest.mark.parametrize("name", ["300W", "ibug", "testset"])
def test_the_name_of_the_root_makes_no_test_faces(root, name):
    root = root.rename(root.parent / name)
    assert len(training_part(find_annotated(root))) == 8


def test_merge_refuses_names_that_collide(root, tmp_path):
    for folder, name in (("a/b", "c"), ("a", "b_c")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for suffix in (".png", ".pts"):
            source = root / f"testset/drawn_0004{suffix}"
            (root / folder / f"{name}{suffix}").write_bytes(source.read_bytes())
    with pytest.raises(DataError, match="two images would be called a_b_c"):
        merge_images(find_annotated(root), tmp_path / "flat")
    assert not (tmp_path / "flat").exists()


def test_split_without_test_folders_holds_out_every_fifth(root):
    images = find_annotated(root / "trainset")
    training, test = split_parts(images, 100, 100)
    assert len(training) == 7
    assert [image.name for image in test] == [images[4].name]
    assert len(split_parts(find_annotated(root), 3, 1)[0]) == 3


def test_merge_makes_one_flat_folder(root, tmp_path):
    merge_images(training_part(find_annotated(root)), tmp_path / "flat")
    names = sorted(path.name for path in (tmp_path / "flat").iterdir())
    assert len(names) == 16
    assert names[0] == "trainset_drawn_0000.png"
    original = (root / "trainset/drawn_0000.pts").read_bytes()
    assert (tmp_path / "flat/trainset_drawn_0000.pts").read_bytes() == original
    with pytest.raises(DataError, match="expected a new or empty folder"):
        merge_images(find_annotated(root), tmp_path / "flat")


def test_a_pack_holds_upright_faces_of_one_size(root):
    images = find_annotated(root)
    pack, skipped = pack_faces(images, FACE68, PackOptions(face_size=50, size=100))
    assert skipped == []
    assert pack.images.shape == (10, 100, 100)
    for points in pack.points:
        box = box_of_points(points)
        assert box_size_wh(box).max() == pytest.approx(50, rel=1e-5)
        np.testing.assert_allclose(box_centre(box), [49.5, 49.5], atol=1e-3)


def test_bad_images_are_left_out_and_named(root):
    save_pts(root / "trainset/drawn_0000.pts", np.zeros((5, 2)))
    (root / "trainset/drawn_0001.png").write_bytes(b"no picture")
    pack, skipped = pack_faces(find_annotated(root), FACE68, PackOptions(50, 100))
    assert len(pack.names) == 8
    assert ["expected 68 points, got 5" in skipped[0][1], "no picture" in skipped[1][1]] == [
        True,
        False,
    ]
    assert [Path(path).name for path, _ in skipped] == ["drawn_0000.png", "drawn_0001.png"]


def test_only_bad_images_are_an_error(root):
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="expected at least one good face"):
        pack_faces(find_annotated(root), FACE68, PackOptions())


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "found none"),
        (b"", "expected a face pack"),
        (b"PK\x03\x04junk", "expected a face pack"),
        (b"\xff\xd8\xff\xe0", "made by 'dan prepare': this is another kind of file"),
    ],
)
def test_a_damaged_pack_is_named(tmp_path, contents, message):
    path = tmp_path / "faces.npz"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(DataError, match=message) as caught:
        load_pack(path)
    assert str(path) in str(caught.value)


def test_a_truncated_or_foreign_pack_is_named(root, tmp_path):
    pack, _ = pack_faces(find_annotated(root), FACE68, PackOptions(50, 100))
    path = tmp_path / "faces.npz"
    save_pack(path, pack)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="expected a face pack"):
        load_pack(path)
    np.savez(path, something=np.zeros(3))
    with pytest.raises(DataError, match="expected a face pack"):
        load_pack(path)
    np.savez(path, header=np.array([{"a": 1}], dtype=object))  # a pickle
    with pytest.raises(DataError, match="expected a face pack"):
        load_pack(path)


def test_bad_pack_options():
    with pytest.raises(ConfigError, match=r"face_size: expected 1..100, got 120"):
        PackOptions(face_size=120, size=100)
    with pytest.raises(ConfigError, match=r"jpeg_quality: expected 1..100, got 0"):
        PackOptions(jpeg_quality=0)


def test_drawn_faces_repeat_and_keep_their_landmarks_apart():
    first, again = (draw_synthetic_face(np.random.default_rng(3), 120) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    shape = template_shape()
    distances = np.linalg.norm(shape[:, None] - shape[None], axis=2) + np.eye(68)
    assert distances.min() > 0.01
    mirrored = shape[FACE68.mirror] * [-1, 1]
    np.testing.assert_allclose(mirrored, shape, atol=1e-6)


def test_drawn_faces_on_disk(root):
    points = load_pts(root / "trainset/drawn_0000.pts")
    assert points.shape == (68, 2)
    assert len(list(root.rglob("*.png"))) == 10
