"""``dan prepare`` of several sets."""

import numpy as np
import pytest

from dan.datasets.annotation_files import load_annotations, save_annotations
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import write_synthetic_faces


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two sets of four faces and one more that has the same folder name as the first."""
    monkeypatch.chdir(tmp_path)
    for name in ("fine", "coarse", "other/fine"):
        write_synthetic_faces(name, 4, size=60)
    save_annotations("coarse/list.json", load_annotations("coarse"))
    return tmp_path


def test_several_sets_are_one_pack_with_a_weight_each(dan, folder):
    words = ["fine", "coarse/list.json", "--weight", "1", "--weight", "0.3", "-o", "both.npz"]
    done = dan("prepare", *words)
    assert (done.code, done.out.startswith("8 faces of 8 annotated")) == (0, True)
    pack = load_pack("both.npz")
    assert [name.split("/")[0] for name in pack.names] == ["fine"] * 4 + ["list"] * 4
    np.testing.assert_allclose(pack.weights, [1] * 4 + [0.3] * 4)
    assert dan("prepare", "fine", "-o", "one.npz").code == 0
    alone = load_pack("one.npz")
    assert alone.is_plain
    assert [f"fine/{name}" for name in alone.names] == list(pack.names[:4])
    np.testing.assert_array_equal(pack.points[:4], alone.points)


def test_sets_of_one_name_are_told_apart_by_their_folders(dan, folder):
    assert dan("prepare", "fine", "other/fine", "-o", "both.npz").code == 0
    names = load_pack("both.npz").names
    assert names[0].startswith(f"{folder.name}/fine/trainset/")
    assert names[4].startswith("other/fine/trainset/")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fine", "coarse", "--weight", "1"], "--weight: expected one for each DATA, 2, got 1"),
        (["fine", "--weight", "0"], "--weight: expected numbers above 0, got 0"),
        (["fine", "fine"], "expected different DATA, got fine, fine"),
    ],
)
def test_what_is_refused(dan, folder, words, message):
    done = dan("prepare", *words, "-o", "x.npz")
    assert (done.code, done.err) == (2, f"dan: {message}\n")
    assert not (folder / "x.npz").exists()
