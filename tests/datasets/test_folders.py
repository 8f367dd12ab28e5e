import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError, FormatError
from dan.datasets.folders import load_folder, save_folder
from dan.datasets.formats import AnnotationSet, load_pts, save_pts
from dan.schemes import LandmarkScheme

FACES = AnnotationSet.build(
    ["a.jpg", "x/b.png"], [0, 1], [[[1, 2], [3, 4.5]], [[5, 6], [7, 8]]], image_sizes_wh=None
)


@pytest.fixture
def folder(tmp_path):
    for name in FACES.image_names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "without.jpg").touch()
    return tmp_path


@pytest.mark.parametrize("suffix", [".pts", ".ptv", ".ljson"])
def test_files_beside_images(folder, suffix):
    save_folder(folder, FACES, suffix)
    faces = load_folder(folder, suffix, scheme=LandmarkScheme.plain(2))
    assert faces.image_names == FACES.image_names
    np.testing.assert_array_equal(faces.points, FACES.points)


def test_files_that_count_from_0(folder):
    save_folder(folder, FACES, first_pixel=0)
    assert load_pts(folder / "a.pts").tolist() == [[0, 1], [2, 3.5]]
    np.testing.assert_array_equal(load_folder(folder, first_pixel=0).points, FACES.points)


def test_several_faces_go_into_ljson_only(folder):
    two = AnnotationSet.build(["a.jpg"], [0, 0], FACES.points)
    with pytest.raises(DataError, match=r"a\.jpg: expected one face for a \.pts file, got 2"):
        save_folder(folder, two)
    save_folder(folder, two, ".ljson")
    assert len(load_folder(folder, ".ljson")) == 2


def test_what_is_refused(folder):
    with pytest.raises(ConfigError, match=r"suffix: expected one of .pts, .ptv, .ljson, got"):
        load_folder(folder, ".txt")
    with pytest.raises(DataError, match=r"with a \.pts file beside each, found none"):
        load_folder(folder)
    with pytest.raises(DataError, match="path out of it"):
        save_folder(folder, AnnotationSet.build(["../a.jpg"], [0], FACES.points[:1]))
    with pytest.raises(DataError, match="differ without their suffix"):
        save_folder(folder, AnnotationSet.build(["a.jpg", "a.png"], [0, 1], FACES.points))
    unknown = AnnotationSet.build(["a.jpg"], [0], [[[1, 2], [np.nan, np.nan]]])
    with pytest.raises(FormatError, match="finite ones only"):
        save_folder(folder, unknown, ".ptv")
    save_folder(folder, FACES)
    (folder / "x/b.pts").write_text("version: 1\nn_points: 1\n{\n1 1\n}\n")
    with pytest.raises(FormatError, match=r"b\.pts: expected 2 points.*got 1"):
        load_folder(folder)


def test_points_that_are_not_annotated_come_back_from_pts(folder):
    points = [[[1, 2], [np.nan, np.nan]], [[5, 6], [7, 8]]]
    save_folder(folder, AnnotationSet.build(FACES.image_names, [0, 1], points))
    faces = load_folder(folder)
    assert faces.known.tolist() == [[True, False], [True, True]]
    np.testing.assert_array_equal(faces.points, points)


def test_files_of_another_count_than_most_are_bad_even_if_the_first_is_one(folder):
    for name in ("x/c.png", "x/d.png"):
        (folder / name).touch()
    for name in ("x/b.pts", "x/c.pts", "x/d.pts"):
        save_pts(folder / name, [[1.0, 2.0], [3.0, 4.0], [5.0, 5.0]])
    save_pts(folder / "a.pts", [[1.0, 2.0]])
    bad = []
    faces = load_folder(folder, on_bad=lambda path, reason: bad.append((path.name, reason)))
    assert faces.points.shape == (3, 3, 2)
    assert faces.face_names == ("x/b.png", "x/c.png", "x/d.png")
    assert bad == [("a.jpg", "expected 3 points as in other files, got 1")]


def test_real_faces(shared_300w):
    faces = load_folder(shared_300w / "afw")
    assert faces.points.shape == (337, 68, 2)
