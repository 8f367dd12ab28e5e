"""``dan blur`` from its words to its files."""

import numpy as np
import pytest
from PIL import Image

from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner
from dan.video.reader import VideoReader
from dan.video.writer import VideoWriter

FAST = ("--model", "dan68-fast", "--threads", "1")


@pytest.fixture
def world(tmp_path, monkeypatch, portrait_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in/sub").mkdir(parents=True)
    Image.open(portrait_path).save(tmp_path / "in/sub/a.jpg", exif=Image.Exif(), quality=95)
    Image.new("RGB", (64, 48), "white").save(tmp_path / "in/b.png")
    return tmp_path


@pytest.fixture(scope="module")
def aligner():
    return FaceAligner("dan68-fast", threads=1)


@pytest.mark.parametrize("how", ["blur", "pixelate", "fill"])
def test_a_folder_of_pictures(dan, world, aligner, how):
    done = dan("blur", "in", "-o", "out", "--how", how, *FAST)
    assert done.code == 0
    assert done.err.splitlines()[-1] == "written: out; 2 pictures, 1 place covered"
    before, after = read_rgb(world / "in/sub/a.jpg"), read_rgb(world / "out/sub/a.png")
    assert len(aligner(before)) == 1
    assert len(aligner(after)) == 0
    assert (before != after).any(axis=2).mean() < 0.1  # the face, and no more
    assert (read_rgb(world / "out/b.png") == 255).all()


def test_small_faces_of_a_large_picture(dan, world, portrait_path, aligner):
    face = Image.open(portrait_path).resize((200, 200))
    crowd = Image.new("RGB", (1600, 1000), "grey")
    for x, y in ((50, 50), (1300, 60), (700, 700)):
        crowd.paste(face, (x, y))
    crowd.save(world / "crowd.png")
    assert len(aligner(crowd)) < 3  # at its usual size
    assert dan("blur", "crowd.png", "-o", "out", *FAST).code == 0
    seen = FaceAligner("dan68-fast", detector_size=1280, threads=1)
    assert len(seen(crowd)) == 3
    assert len(seen(world / "out/crowd.png")) == 0


def test_bad_pictures_are_told(dan, world):
    (world / "in/bad.jpg").write_bytes(b"no picture")
    done = dan("blur", "in", "-o", "out", *FAST)
    assert done.code == 1
    assert "skipped in/bad.jpg: expected a picture" in done.err
    assert "3 pictures, 1 skipped, 1 place covered" in done.err
    assert {path.name for path in (world / "out").rglob("*.png")} == {"a.png", "b.png"}


def test_in_pictures_nothing_is_lost(dan, world):
    done = dan("blur", "in", "-o", "out", "--hold", "1", *FAST)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--hold: expected one video, got pictures" in done.err
    assert not (world / "out").exists()


def test_a_video(dan, world, aligner, portrait_path):
    frame = read_rgb(portrait_path)
    with VideoWriter(world / "clip.mp4", 20) as video:
        for _ in range(4):
            video.write(frame)
    assert dan("blur", "clip.mp4", "-o", "out.mp4", "--hold", "1", *FAST).code == 0
    with VideoReader(world / "out.mp4") as video:
        frames = [frame.rgb for frame in video]
    assert len(frames) == 4
    assert [len(aligner(one)) for one in frames] == [0] * 4
    assert np.abs(frames[3][400:].astype(int) - frame[400:]).mean() < 8
    done = dan("blur", "clip.mp4", "-o", "folder", *FAST)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "folder: expected a name that ends in one of .mp4" in done.err
