"""``dan chips`` from its words to its files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dan.core.images import read_rgb
from dan.inference.faces import Faces
from dan.video.writer import VideoWriter

FAST = ("--model", "dan68-fast", "--threads", "1", "--detector", "whole")


@pytest.fixture
def world(tmp_path, monkeypatch, portrait_path):
    monkeypatch.chdir(tmp_path)
    face = Image.open(portrait_path).crop((160, 68, 290, 198))
    for name in ("a", "sub/b"):
        path = tmp_path / f"in/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        face.save(path)
    return tmp_path


def test_a_folder_of_pictures(dan, world):
    (world / "in/bad.jpg").write_bytes(b"no picture")
    done = dan("chips", "in", "-o", "out", "--template", "arcface128", *FAST)
    assert done.code == 1
    assert "skipped in/bad.jpg: expected a picture" in done.err
    assert "written: out, 2 chips" in done.err
    said = json.loads((world / "out/chips.json").read_text())
    assert (said["template"], said["size"]) == ("arcface128", 128)
    assert [(one["file"], one["chip"], one["face"]) for one in said["chips"]] == [
        ("in/a.png", "a.png", 1),
        ("in/sub/b.png", "sub/b.png", 1),
    ]
    assert np.array(said["chips"][0]["chip_from_picture"]).shape == (2, 3)
    assert read_rgb(world / "out/sub/b.png").shape == (128, 128, 3)
    again = dan("chips", "in", "-o", "out", *FAST)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "out: expected a new or empty folder" in again.err


def test_a_second_face_is_numbered(dan, world, portrait_path):
    face = Image.open(portrait_path)
    both = Image.new("RGB", (2 * face.width, face.height))
    both.paste(face, (0, 0))
    both.paste(face, (face.width, 0))
    both.save(world / "both.png")
    assert dan("chips", "both.png", "-o", "out", "--threads", "1").code == 0
    assert {path.name for path in (world / "out").iterdir()} == {
        "both.png", "both_2.png", "chips.json",
    }  # fmt: skip
    assert dan("chips", "both.png", "-o", "one", "--max-faces", "1", "--threads", "1").code == 0
    assert len(json.loads((world / "one/chips.json").read_text())["chips"]) == 1


def test_no_face_is_no_chip(dan, world):
    Image.new("RGB", (64, 64)).save(world / "empty.png")
    done = dan("chips", "empty.png", "-o", "out", "--threads", "1")
    assert done.code == 0
    assert "written: out, 0 chips" in done.err
    assert json.loads((world / "out/chips.json").read_text())["chips"] == []


def test_results_stay_out_of_the_inputs(dan, world):
    for command in ("chips", "blur"):
        done = dan(command, "in/a.png", "in", "-o", "in/new")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "in/new: expected a folder outside of in, whose files" in done.err
        assert sorted(path.name for path in (world / "in").iterdir()) == ["a.png", "sub"]


def test_points_that_are_no_face_are_skipped(dan, world, monkeypatch):
    whole = Faces.from_landmarks

    def once(found, start, scheme):
        """The face of the second picture has all points in one place."""
        faces = whole(found, start, scheme)
        is_second = len(seen) == 1
        seen.append(faces)
        return replace(faces, points_xy=faces.points_xy * 0 + 9) if is_second else faces

    seen = []
    monkeypatch.setattr(Faces, "from_landmarks", once)
    done = dan("chips", "in", "-o", "out", *FAST)
    assert done.code == 1
    assert "skipped sub/b: src: expected points that differ, got 5 equal ones" in done.err
    assert [one["chip"] for one in json.loads((world / "out/chips.json").read_text())["chips"]] == [
        "a.png"
    ]
    assert sorted(path.name for path in (world / "out").iterdir()) == ["a.png", "chips.json"]


def test_a_bad_template_leaves_nothing(dan, world):
    for template in ("foo", "missing.toml"):
        done = dan("chips", "in", "-o", "out", "--template", template, *FAST)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert not (world / "out").exists()


def test_a_video_by_track_and_frame(dan, world, portrait_path):
    frame = read_rgb(portrait_path)
    with VideoWriter(world / "clip.mp4", 20) as video:
        for _ in range(3):
            video.write(frame)
    done = dan("chips", "clip.mp4", "-o", "out", "--template", "lips96", "--threads", "1")
    assert done.code == 0
    said = json.loads((world / "out/chips.json").read_text())["chips"]
    assert [one["chip"] for one in said] == [f"clip_1_{number}.png" for number in range(3)]
    assert [(one["id"], one["frame"]) for one in said] == [(1, 0), (1, 1), (1, 2)]
    with Image.open(world / "out/clip_1_2.png") as chip:
        assert (chip.mode, chip.size) == ("L", (96, 96))
