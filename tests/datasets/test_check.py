"""Each kind of fault, planted and found; nothing is found where nothing is planted."""

import shutil

import cv2
import numpy as np
import pytest

from dan.core.images import read_rgb, write_png
from dan.datasets.folders import load_folder
from dan.datasets.formats import AnnotationSet, load_pts, save_pts
from dan.datasets.suspects import Source, check_sources, twins_of
from dan.datasets.suspects_page import draw_annotated, render_suspects
from dan.datasets.synthetic import write_synthetic_faces


@pytest.fixture
def folder(tmp_path):
    write_synthetic_faces(tmp_path / "faces", 24, size=120)
    return tmp_path / "faces"


def source(folder, name="faces"):
    damaged = {}

    def on_bad(path, reason):
        damaged[path.relative_to(folder).as_posix()] = reason

    return Source(name, load_folder(folder, on_bad=on_bad), folder, lists_all=True, damaged=damaged)


def found(folder):
    return {(suspect.image, suspect.fault) for suspect in check_sources([source(folder)])}


def first_points(folder):
    return min(folder.rglob("*.pts"))


def named(path, folder, suffix=".png"):
    return path.with_suffix(suffix).relative_to(folder).as_posix()


def test_good_faces_are_no_suspects(folder):
    assert found(folder) == set()


def test_real_faces_are_no_suspects_but_for_pictures_that_are_there_twice(shared_300w):
    for part in ("afw", "helen/testset"):
        faults = {suspect.fault for suspect in check_sources([source(shared_300w / part)])}
        assert faults <= {"same picture"}


def mirrored(points):
    return points * [-1, 1] + [points[:, 0].min() + points[:, 0].max(), 0]


def exchanged(points, one, other):
    changed = points.copy()
    changed[one], changed[other] = points[other], points[one]
    return changed


@pytest.mark.parametrize(
    ("fault", "spoil"),
    [
        ("collapsed", lambda points: points * 0 + 40),
        ("collapsed", lambda points: points * [1, 0.05] + [0, 50]),
        ("mirrored", mirrored),
        ("wrong order", lambda points: np.random.default_rng(0).permutation(points)),
        ("wrong order", lambda points: np.roll(points, 1, axis=0)),
        ("wrong order", lambda points: exchanged(points, slice(36, 42), slice(42, 48))),
        ("wrong order", lambda points: exchanged(points, slice(17, 22), slice(22, 27))),
        ("points outside", lambda points: points + np.array([90, 0])),
    ],
)
def test_spoilt_points_are_found(folder, fault, spoil):
    path = first_points(folder)
    save_pts(path, spoil(load_pts(path)))
    assert found(folder) == {(named(path, folder), fault)}


def test_the_eyes_tell_where_most_faces_are_mirrored(folder):
    paths = sorted(folder.rglob("*.pts"))
    for path in paths[:18]:
        save_pts(path, mirrored(load_pts(path)))
    assert found(folder) == {(named(path, folder), "mirrored") for path in paths[:18]}


def test_plain_pictures_are_not_the_same(tmp_path):
    for name, grey in (("black", 0), ("white", 255)):
        write_png(tmp_path / f"{name}.png", np.full((40, 40), grey, np.uint8))
    write_png(tmp_path / "again.png", np.zeros((40, 40), np.uint8))
    names = ("black", "white", "again")
    assert twins_of([tmp_path / f"{name}.png" for name in names]) == [(0, 2)]


def test_a_face_unlike_all_others_is_odd(folder):
    path = first_points(folder)
    points = load_pts(path)
    points[36:48] += [0, 0.5 * np.ptp(points[:, 1])]
    save_pts(path, points)
    assert (named(path, folder), "odd shape") in found(folder)


def test_faces_that_lack_points_are_suspects_unless_they_are_to_be_ignored(tmp_path):
    write_png(tmp_path / "a.png", np.full((40, 40), 9, np.uint8))
    points = np.random.default_rng(0).uniform(5, 35, (4, 7, 2))
    points[1:, 3] = np.nan
    points[2] = np.nan
    faces = AnnotationSet.build(["a.png"], [0] * 4, points, ignore=[False, False, False, True])
    here = Source("a", faces, tmp_path, lists_all=False)
    suspects = check_sources([here])
    assert [(suspect.face, suspect.fault, suspect.detail) for suspect in suspects] == [
        (1, "points missing", "1 of 7 points not annotated"),
        (2, "points missing", "no point annotated"),
    ]
    assert draw_annotated(here, 2).shape == (40, 40, 3)  # the whole picture
    assert render_suspects({"a": here}, suspects).count("data:image/png;base64,") == 2


def test_pictures_and_pairs(folder):
    points = sorted(folder.rglob("*.pts"))
    points[0].with_suffix(".png").write_bytes(b"no picture")
    points[1].with_suffix(".png").unlink()
    points[2].unlink()
    points[3].write_text("n_points: 3")
    save_pts(points[4], load_pts(points[5])[:60])
    assert found(folder) == {
        (named(points[3], folder), "damaged annotation"),
        (named(points[4], folder), "damaged annotation"),
        (named(points[0], folder), "unreadable image"),
        (named(points[1], folder, ".pts"), "missing image"),
        (named(points[2], folder), "no annotation"),
    }


def test_an_image_that_a_file_lists_must_be_there(tmp_path):
    faces = AnnotationSet.build(["a.png"], [0], np.zeros((1, 5, 2)))
    (suspect, *_) = check_sources([Source("a", faces, tmp_path, lists_all=False)])
    assert (suspect.image, suspect.fault) == ("a.png", "missing image")


def test_the_same_picture_is_found_across_sources_copied_or_saved_anew(folder, tmp_path):
    paths = sorted(folder.rglob("*.png"))
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(paths[0], other / "copy.png")
    small = cv2.resize(read_rgb(paths[1]), (90, 90), interpolation=cv2.INTER_AREA)
    write_png(other / "small.png", small)
    for name in ("copy", "small"):
        save_pts(other / f"{name}.pts", load_pts(paths[0].with_suffix(".pts")))
    suspects = check_sources([source(folder), source(other, "other")])
    told = {s.image: s.detail for s in suspects if s.fault == "same picture"}
    assert told == {
        "copy.png": f"the very file of {named(paths[0], folder)} of faces",
        "small.png": f"looks like {named(paths[1], folder)} of faces",
    }
    assert twins_of([paths[0], other / "copy.png", paths[2]]) == [(0, 1)]


def test_the_page_shows_each_suspect(folder):
    path = first_points(folder)
    save_pts(path, mirrored(load_pts(path)))
    path.with_name("drawn_<b>.png").write_bytes(b"no picture")
    here = source(folder)
    suspects = check_sources([here])
    calls = []
    page = render_suspects({"faces": here}, suspects, lambda: calls.append(1))
    assert len(calls) == len(suspects) == 2
    assert page.count("<li>") == 2
    assert page.count("data:image/png;base64,") == 1
    assert "drawn_&lt;b&gt;.png" in page


def test_annotated_faces_are_drawn_close_up(folder):
    here = source(folder)
    points = here.annotations.points[0]
    drawn = draw_annotated(here, 0)
    assert max(drawn.shape[:2]) < 2 * np.ptp(points, axis=0).max() + 20
