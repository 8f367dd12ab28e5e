"""Faces that lack points: every command that passes over them says how many, and why."""

import json
from pathlib import Path

import numpy as np
import pytest

from dan.datasets.annotation_files import load_annotations, save_annotations
from dan.datasets.formats import AnnotationSet
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import write_synthetic_faces

PLACES = [0, 8, 16, 30, 36, 45, 57]
"""Of face68: a scheme of seven points that nobody knows."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twenty faces of seven points, four of them to test on, as .pts files and as COCO.

    Six lack a point, three of them to test on, and one all of them; in the COCO file one of the
    whole ones is to be ignored.
    """
    monkeypatch.chdir(tmp_path)
    write_synthetic_faces("faces", 20, size=80)
    whole = load_annotations("faces")
    points = whole.points[:, PLACES].copy()
    points[1:7, 2] = np.nan
    points[10] = np.nan
    ignore = np.arange(20) == 11
    faces = AnnotationSet.build(whole.image_names, whole.image_index, points, ignore=ignore)
    for name, own in zip(faces.face_names, np.nan_to_num(points + 1, nan=-1), strict=True):
        rows = "".join(f"{x:.3f} {y:.3f}\n" for x, y in own.tolist())
        text = f"version: 1\nn_points: 7\n{{\n{rows}}}\n"
        Path("faces", name).with_suffix(".pts").write_text(text)
    save_annotations("faces/faces.json", faces)
    return tmp_path


IN_FOLDER = "left out: 1 face without points\n"
IN_FILE = "left out: 1 face without points, 1 face marked to be ignored\n"


def test_figures_say_what_they_leave_out(dan, folder):
    assert IN_FOLDER in dan("data", "stats", "faces").err
    assert IN_FILE in dan("data", "stats", "faces/faces.json").err


def test_flip_partners_are_inferred_from_whole_faces(dan, folder):
    lacking = "left out: 6 faces with too few points, 1 face without points"
    assert f"{lacking}\n" in dan("scheme", "infer", "faces").err
    ignored = f"{lacking}, 1 face marked to be ignored\n"
    assert ignored in dan("scheme", "infer", "faces/faces.json").err


def test_check_counts_faces_that_lack_points_as_suspects(dan, folder):
    for data in ("faces", "faces/faces.json"):
        done = dan("data", "check", data, "--json")
        assert done.code == 1
        suspects = json.loads(done.out)
        assert {suspect["fault"] for suspect in suspects} == {"points missing"}
        details = [suspect["detail"] for suspect in suspects]
        assert details == ["1 of 7 points not annotated"] * 6 + ["no point annotated"]
    done = dan("data", "check", "faces/faces.json", "-o", "suspects.html")
    assert "20 faces (1 marked to be ignored), 7 suspects" in done.out
    page = (folder / "suspects.html").read_text()
    assert page.count("data:image/png;base64,") == 7


def test_show_draws_what_has_points(dan, folder):
    done = dan("data", "show", "faces")
    assert "19 of 20 faces" in done.out
    assert done.err.endswith("left out: 1 face without points\n")


def test_prepare_keeps_faces_that_lack_some_points_and_counts_what_it_leaves_out(dan, folder):
    done = dan("prepare", "faces/faces.json", "-o", "faces.npz", "--all-folders")
    assert done.code == 0
    assert done.out.startswith("18 faces of 20 annotated, 7 points each (points7), ")
    assert IN_FILE in done.err
    done = dan("prepare", "faces", "-o", "pts.npz", "--all-folders")
    assert "19 faces of 20 annotated, 7 points each (points7)" in done.out
    assert IN_FOLDER in done.err
    points = load_pack("pts.npz").points
    assert points.shape == (19, 7, 2)
    assert np.isnan(points).sum(axis=(0, 2)).tolist() == [0, 0, 12, 0, 0, 0, 0]
    part = dan("prepare", "faces", "-o", "part.npz")
    assert "15 faces of 16 annotated" in part.out


def test_prepare_and_merge_of_nothing_but_such_faces(dan, folder):
    faces = load_annotations("faces")
    points = faces.points.copy()
    points[[name.startswith("trainset") for name in faces.face_names], :5] = np.nan
    save_annotations("faces", AnnotationSet.build(faces.image_names, faces.image_index, points))
    for words in (["prepare", "faces", "-o", "x.npz"], ["merge", "faces", "-o", "x"]):
        done = dan(*words)
        assert done.code == 2
        assert done.err == (
            "dan: faces: expected training faces, found only 15 faces with too few points, "
            "1 face without points\n"
        )
        assert not list(folder.glob("x*"))


def test_merge_says_what_it_leaves_out(dan, folder):
    done = dan("merge", "faces", "-o", "flat")
    assert IN_FOLDER in done.err
    assert "15 images with their points" in done.out
    assert load_annotations("flat").known.sum() == 15 * 7 - 3


def test_converting_and_splitting_keep_the_marks(dan, folder):
    assert dan("data", "convert", "faces", "-o", "copy").code == 0
    for path in sorted((folder / "faces").rglob("*.pts")):
        copy = folder / "copy" / path.relative_to(folder / "faces")
        assert copy.read_bytes() == path.read_bytes()
    assert dan("data", "split", "faces", "-o", "kept", "held").code == 0
    both = sum(load_annotations(part).known.sum() for part in ("kept", "held"))
    assert both == load_annotations("faces").known.sum() == 20 * 7 - 6 - 7


def test_files_of_another_number_of_points_than_most_are_skipped(dan, folder):
    path = min((folder / "faces/trainset").glob("*.pts"))
    path.write_text("version: 1\nn_points: 1\n{\n1 1\n}\n")
    done = dan("prepare", "faces", "-o", "faces.npz")
    assert done.code == 1
    assert "expected 7 points, got 1" in done.err
    assert "7 points each (points7)" in done.out


@pytest.mark.torch
def test_scores_and_pictures_say_what_they_leave_out(dan, folder):
    (folder / "tiny.toml").write_text(
        "[model]\nimage_size = 32\nwidth = 2\nhidden = 8\nn_stages = 1\nheat_map = 'gaussians'\n"
        "[data]\nface_size = 22\n[training]\nepochs = [1]\nbatch_size = 8\nconfidence_draws = 0\n"
    )
    dan("prepare", "faces", "-o", "faces.npz", "--all-folders")
    words = ["--recipe", "tiny.toml", "-o", "run", "--device", "cpu"]
    trained = dan("train", "faces.npz", *words)  # no word of the loss: the scheme has no eyes
    assert (trained.code, "loss diagonal" in trained.out + trained.err) == (0, True)
    done = dan("evaluate", "run/model.safetensors", "faces", "-o", "report")
    assert "| faces, stage 1 | 19 | 0 | points7 | gt | diagonal |" in done.out
    assert IN_FOLDER in done.err
    assert f"- {IN_FOLDER}" in (folder / "report/report.md").read_text()
    done = dan("predict", "run/model.safetensors", "faces", "-o", "found")
    assert "19 faces: found" in done.out
    assert IN_FOLDER in done.err
