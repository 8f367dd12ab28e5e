"""``dan scheme`` and ``dan prepare --scheme`` from end to end."""

import json

import numpy as np
import pytest

from dan.core.images import read_rgb
from dan.datasets.formats import AnnotationSet, save_coco, save_dlib_xml
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import draw_synthetic_face, write_synthetic_faces
from dan.schemes import FACE68, SCHEMES, LandmarkScheme, load_mirror, load_scheme_file


@pytest.fixture(scope="module")
def drawn_points():
    """(60, 68, 2) landmarks of drawn faces."""
    faces = [draw_synthetic_face(np.random.default_rng([3, index]), 64)[1] for index in range(60)]
    return np.array(faces, dtype=float)


def faces_of(points, scheme=None):
    names = [f"{index}.jpg" for index in range(len(points))]
    return AnnotationSet.build(names, np.arange(len(points)), points, scheme=scheme)


def test_list(dan):
    listed = dan("scheme", "list")
    assert all(name in listed.out for name in SCHEMES)
    rows = json.loads(dan("scheme", "list", "--json").out)
    assert [(row["name"], row["points"]) for row in rows][:2] == [("face68", 68), ("face51", 51)]


def test_show(dan, tmp_path):
    shown = dan("scheme", "show", "wflw98", "-o", tmp_path / "a.png", "-o", tmp_path / "a.toml")
    assert shown.code == 0
    assert "outer_lips" in shown.out
    assert "44 pairs; on the middle line: 16, 51-54, 57, 79, 85, 90, 94" in shown.out
    assert "converts to: face68, face51, cofw29, face5" in " ".join(shown.out.split())
    assert read_rgb(tmp_path / "a.png").min() < 100
    assert load_scheme_file(tmp_path / "a.toml").scheme == SCHEMES["wflw98"]
    again = dan("scheme", "show", tmp_path / "a.toml", "-o", tmp_path / "b.png", "--json")
    assert json.loads(again.out)["eyes"]["outer_corners"] == [60, 72]
    assert (tmp_path / "b.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "face69"], "expected one of face68, face51"),
        (["show", "absent.toml"], "absent.toml: No such file"),
        (["show", "mediapipe468", "-o", "a.png"], "expected positions to draw"),
        (["show", "mediapipe468", "-o", "a.txt"], "expected flip partners, got none"),
        (["show", "face68", "-o", "a.jpg"], "a.jpg: expected a name that ends in .png, .toml"),
        (["infer", "absent"], "absent: expected annotations, found nothing there"),
        (["infer", "absent.json"], "absent.json: expected annotations, found nothing there"),
        (["infer", "absent.npz"], "absent.npz: expected a face pack"),
        (["infer", "."], "expected images with a .pts file"),
        (["infer", "few.json"], "few.json: expected at least 5 faces"),
    ],
)  # fmt: skip
def test_bad_lines_write_nothing(dan, tmp_path, monkeypatch, drawn_points, words, message):
    monkeypatch.chdir(tmp_path)
    save_coco("few.json", faces_of(drawn_points[:4], LandmarkScheme.plain(68)))
    done = dan("scheme", *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["few.json"]


def test_infer_from_files_of_plain_points(dan, tmp_path, drawn_points):
    order = np.random.default_rng(1).permutation(68)
    save_coco(tmp_path / "a.json", faces_of(drawn_points[:, order], LandmarkScheme.plain(68)))
    outs = [word for end in ("toml", "txt", "png") for word in ("-o", tmp_path / f"a.{end}")]
    done = dan("scheme", "infer", tmp_path / "a.json", "--name", "mine", *outs)
    mirror = np.argsort(order)[FACE68.mirror[order]].tolist()
    assert done.code == 0
    found = load_scheme_file(tmp_path / "a.toml")
    assert found.scheme.name == "mine"
    assert found.scheme.mirror.tolist() == mirror
    assert np.ptp(found.positions, axis=0).max() == pytest.approx(1, abs=1e-3)
    assert load_mirror(tmp_path / "a.txt", 68).mirror.tolist() == mirror
    assert read_rgb(tmp_path / "a.png").min() < 100


def test_infer_prints_values(dan, tmp_path, drawn_points):
    save_dlib_xml(tmp_path / "a.xml", faces_of(drawn_points, LandmarkScheme.plain(68)))
    values = json.loads(dan("scheme", "infer", tmp_path / "a.xml", "--json").out)
    assert values["mirror"] == FACE68.mirror.tolist()
    assert values["n_faces"] == 60
    assert not values["is_weak"]


def test_infer_from_a_folder_and_a_pack(dan, tmp_path):
    write_synthetic_faces(tmp_path / "faces", 40, size=64)
    done = dan("scheme", "infer", tmp_path / "faces", "--json")
    assert json.loads(done.out)["mirror"] == FACE68.mirror.tolist()
    assert dan("prepare", tmp_path / "faces", "-o", tmp_path / "a.npz").code == 0
    done = dan("scheme", "infer", tmp_path / "a.npz", "-o", tmp_path / "a.toml")
    assert load_scheme_file(tmp_path / "a.toml").scheme == FACE68  # what the pack says is kept


def test_infer_says_where_a_file_is_wrong_about_its_scheme(dan, tmp_path, drawn_points):
    order = np.random.default_rng(1).permutation(68)
    save_coco(tmp_path / "a.json", faces_of(drawn_points[:, order], FACE68))
    done = dan("scheme", "infer", tmp_path / "a.json", "-o", tmp_path / "a.toml")
    assert "says face68, whose flip partners differ at" in done.err
    assert load_scheme_file(tmp_path / "a.toml").scheme.eyes is None


def test_weak_evidence_writes_the_picture_only(dan, tmp_path):
    noise = np.random.default_rng(0).uniform(0, 100, (30, 12, 2))
    save_coco(tmp_path / "a.json", faces_of(noise))
    outs = [word for end in ("toml", "txt", "png") for word in ("-o", tmp_path / f"b.{end}")]
    done = dan("scheme", "infer", tmp_path / "a.json", *outs)
    assert done.code == 2
    assert "the evidence is too weak, no scheme is written" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.png"]


def test_prepare_takes_a_scheme(dan, tmp_path):
    write_synthetic_faces(tmp_path / "faces", 5, size=64)
    (tmp_path / "own.toml").write_text('name = "own"\npoints = 68\nflip = [[0, 16]]\n')
    words = ["prepare", tmp_path / "faces", "-o", tmp_path / "a.npz"]
    assert dan(*words, "--scheme", tmp_path / "own.toml").code == 0
    assert load_pack(tmp_path / "a.npz").scheme.name == "own"
    assert dan(*words, "--scheme", "face68", "--landmarks", "68").code == 0
    assert load_pack(tmp_path / "a.npz").scheme == FACE68
    for more, message in [
        (["--scheme", "face5"], "expected 5 points, got 68"),
        (["--scheme", "face68", "--landmarks", "5"], "--landmarks: expected 68, as face68 has"),
        (["--scheme", "face68", "--mirror-file", "m.txt"], "or --mirror-file, got both"),
        (["--scheme", "face69"], "or a scheme file, got face69"),
    ]:
        done = dan(*words, *more)
        assert done.code == 2
        assert message in done.err
