import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dan.core.errors import DataError
from dan.core.images import read_rgb
from dan.datasets.annotation_files import load_annotations
from dan.datasets.formats import AnnotationSet
from dan.datasets.statistics import Statistics, plot_statistics
from dan.datasets.synthetic import template_shape, write_synthetic_faces
from dan.geometry import Similarity
from dan.schemes import FACE68, LandmarkScheme


def face68(centre, width):
    return Similarity.about([0, 0], scale=width, move_to_xy=centre).apply(template_shape())


def of_shapes(*shapes, scheme=FACE68):
    names = [f"{place}.png" for place in range(len(shapes))]
    return AnnotationSet.build(names, range(len(shapes)), np.stack(shapes), scheme=scheme)


def test_figures_of_a_face_that_is_known():
    face = face68((100, 100), 80.0)
    turned = Similarity.about((100, 100), angle_deg=30.0).apply(face)
    figures = Statistics.of(of_shapes(face, turned))
    assert (figures.n_images, figures.n_faces, figures.n_whole) == (2, 2, 2)
    assert figures.face_size[0] == pytest.approx(np.ptp(face, axis=0).max(), rel=1e-6)
    np.testing.assert_allclose(figures.inter_ocular, np.linalg.norm(face[36] - face[45]), rtol=1e-6)
    np.testing.assert_allclose(figures.roll_deg, [0, 30], atol=0.01)
    np.testing.assert_allclose(figures.yaw, 0, atol=1e-6)


def test_a_face_that_looks_to_the_right_has_its_middle_there():
    face = face68((100, 100), 80.0)
    middle = FACE68.mirror == np.arange(68)
    face[middle, 0] += 5
    eyes = face[42:48].mean(axis=0)[0] - face[36:42].mean(axis=0)[0]
    assert Statistics.of(of_shapes(face)).yaw[0] == pytest.approx(5 / eyes)


def test_points_without_a_scheme_have_sizes_only():
    figures = Statistics.of(of_shapes(np.eye(5, 2) * 9, scheme=LandmarkScheme.plain(5)))
    assert list(figures.distributions()) == ["face size, px"]
    assert figures.to_dict()["face size, px"] == [9.0] * 5


def test_faces_count_by_the_points_that_they_have():
    shapes = np.stack([face68((100, 100), 80.0)] * 5)
    shapes[0, 36:40] = np.nan  # an eye
    shapes[3, :50] = np.nan  # too many
    shapes[4, :17] = np.nan  # the jaw
    ignore = np.arange(5) == 1
    figures = Statistics.of(AnnotationSet.build("abcde", range(5), shapes, ignore=ignore))
    counts = (figures.n_faces, figures.n_ignored, figures.n_usable, figures.n_whole)
    assert counts == (5, 1, 3, 1)
    assert (len(figures.inter_ocular), len(figures.roll_deg), len(figures.yaw)) == (2, 2, 1)
    boxes = [np.nanmax(shape, axis=0) - np.nanmin(shape, axis=0) for shape in shapes[[0, 2, 4]]]
    np.testing.assert_allclose(figures.face_size, np.max(boxes, axis=1))
    whole = Statistics.of(of_shapes(shapes[2], shapes[2]))
    np.testing.assert_allclose(figures.mean_shape, whole.mean_shape, atol=1e-3)
    with pytest.raises(DataError, match="at least one annotated face"):
        Statistics.of(AnnotationSet.empty(68))


def test_a_picture_that_is_cut_off_leaves_the_one_before(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    def fill_the_disk(figure, path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fill_the_disk)
    path = tmp_path / "stats.png"
    path.write_bytes(b"whole")
    figures = Statistics.of(of_shapes(face68((100, 100), 80.0)))
    with pytest.raises(DataError, match=r"stats\.png: cannot be written: No space left on device"):
        plot_statistics(path, figures)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [
        ("stats.png", b"whole")
    ]


def test_the_picture_shows_something(tmp_path):
    if not importlib.util.find_spec("matplotlib"):
        pytest.skip("needs matplotlib")
    write_synthetic_faces(tmp_path / "faces", 12, size=80)
    figures = Statistics.of(load_annotations(tmp_path / "faces"))
    path = plot_statistics(tmp_path / "stats.png", figures)
    assert path == tmp_path / "stats.png"
    assert read_rgb(path).std() > 5
