"""``recipes/points_to_coco.py``: arrays of points with visibility -> COCO -> a face pack."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from dan.core.errors import FormatError
from dan.core.images import write_png
from dan.datasets.annotation_files import load_annotations
from dan.datasets.formats import HIDDEN, UNKNOWN, VISIBLE
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import draw_synthetic_face

RECIPE = Path(__file__).parents[2] / "recipes" / "points_to_coco.py"


@pytest.fixture
def main():
    """The recipe, given the words of a command line."""
    run = runpy.run_path(str(RECIPE))["main"]

    def with_words(monkeypatch, *words):
        monkeypatch.setattr(sys, "argv", ["points_to_coco.py", *map(str, words)])
        run()

    return with_words


def test_from_arrays_to_a_pack(dan, main, monkeypatch, tmp_path):
    names, points = ["b.png", "a.png", "c.png"], []
    (tmp_path / "set" / "images").mkdir(parents=True)
    for number, name in enumerate(names):
        picture, own = draw_synthetic_face(np.random.default_rng(number), 80)
        write_png(tmp_path / "set" / "images" / name, picture)
        points.append(own)
    seen = np.zeros((3, 68), np.int8)
    seen[0, :5], seen[1, 60:] = 2, 1
    points = np.where((seen == 2)[..., None], np.nan, np.stack(points)).astype(np.float32)
    yaw = np.array([50.0, 0.5, -3.0], np.float32)
    arrays = tmp_path / "set" / "points.npz"
    np.savez(arrays, name=np.array(names), points_xy=points, visibility=seen, yaw=yaw)
    out = tmp_path / "lists" / "coarse.json"
    out.parent.mkdir()
    main(monkeypatch, arrays, "-o", out)
    faces = load_annotations(out)
    assert faces.image_names == tuple(f"../set/images/{name}" for name in names)
    np.testing.assert_array_equal(
        faces.visibility, np.select([seen == 0, seen == 1], [VISIBLE, HIDDEN], UNKNOWN)
    )
    np.testing.assert_allclose(faces.points, points, atol=1e-3)
    np.testing.assert_allclose(faces.attributes["yaw"], yaw)
    assert dan("prepare", out, "--allow-outside", "-o", tmp_path / "x.npz").code == 0
    pack = load_pack(tmp_path / "x.npz")
    assert pack.names == ("a", "b", "c")
    np.testing.assert_array_equal(pack.visibility, faces.visibility[[1, 0, 2]])


ONE = {
    "name": np.array(["a"]),
    "points_xy": np.zeros((1, 5, 2)),
    "visibility": np.zeros((1, 5), int),
}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"visibility": None}, "expected .*, got no visibility"),
        ({"points_xy": np.zeros(3)}, r"points_xy: expected shape \(F, N, 2\), got \(3,\)"),
        ({"points_xy": np.full((1, 5, 2), "x")}, "points_xy: expected numbers, got <U1"),
        ({"visibility": np.zeros((1, 4), int)}, "visibility: expected shape"),
        ({"visibility": np.full((1, 5), 3)}, "visibility: expected 0, 1 or 2"),
    ],
)
def test_arrays_of_something_else_are_named(main, monkeypatch, tmp_path, arrays, message):
    kept = {name: array for name, array in (ONE | arrays).items() if array is not None}
    np.savez(tmp_path / "x.npz", **kept)
    with pytest.raises(FormatError, match=f"x.npz: {message}"):
        main(monkeypatch, tmp_path / "x.npz", "-o", tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_other_files_are_named(main, monkeypatch, tmp_path):
    (tmp_path / "damaged.npz").write_bytes(b"PK\3\4 and no more")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("damaged.npz", "one.npy", "none.npz"):
        with pytest.raises(FormatError, match=f"{name}: expected arrays of NumPy in an .npz file"):
            main(monkeypatch, tmp_path / name, "-o", tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
