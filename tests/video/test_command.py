"""``dan track`` from end to end, with an aligner that knows the truth."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dan.video.reader import VideoReader
from dan.video.writer import VideoWriter

SCRIPT = Path(__file__).with_name("scene.py")


def test_video_and_rows(dan, scene, clip, tmp_path):
    movie, rows = tmp_path / "out.mp4", tmp_path / "out.csv"
    done = dan("track", clip, "-o", movie, "--points", rows, "--no-smoothing")
    assert done.code == 0
    lines = list(csv.DictReader(rows.read_text().splitlines()))
    assert [int(line["frame"]) for line in lines] == list(range(40))
    assert {line["id"] for line in lines} == {"1"}
    times = [float(line["time_s"]) for line in lines]
    np.testing.assert_allclose(times, np.arange(40) / 20, atol=2e-3)
    nose = [[float(line["x30"]), float(line["y30"])] for line in lines]
    truth = [scene.walking_truth(number)["one"][30] for number in range(40)]
    np.testing.assert_allclose(nose, truth, atol=2e-3)
    frames = [frame.rgb for frame in VideoReader(movie)]
    assert [scene.number_of(frame) for frame in frames] == list(range(40))
    changed = np.abs(frames[20].astype(int) - scene.walking_frame(20)).max(axis=2) > 60
    assert changed[100:180, 100:180].mean() > 0.03  # the points
    assert changed[200:].mean() < 0.001
    assert re.search(
        r"40 frames, 1 face, [\d.]+ frames/s, 7\.5 detector calls per 100 frames", done.err
    )
    assert f"written: {movie}" in done.err


def test_align_hands_a_video_over(dan, clip, tmp_path):
    words = ["--points", tmp_path / "rows.csv", "-o", tmp_path / "out.mp4"]
    assert dan("track", clip, *words).code == 0
    out = tmp_path / "new/out"
    done = dan("align", clip, "-o", out, "-f", "csv", "--draw")
    assert done.code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"walk.csv", "walk.jsonl", "walk.mp4", "names.json"}
    assert (out / "walk.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()
    assert (out / "walk.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()
    done = dan("align", clip, "--json")
    assert done.code == 0
    assert done.out == (out / "walk.jsonl").read_text()
    done = dan("align", clip)
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == 40
    assert lines[39].startswith(f"{clip}: frame 39, face 1, box ")
    assert lines[39].endswith("score 0.90, confidence 0.95")
    assert "nothing written" not in done.err


def test_tables_of_other_programs(dan, clip, tmp_path):
    words = ["-f", "openface", "-f", "pyfeat", "-f", "csv", "--max-faces", "1"]
    assert dan("align", clip, "-o", tmp_path / "out", *words).code == 0
    tables = {path.name: path.read_text().splitlines() for path in (tmp_path / "out").glob("*.csv")}
    assert set(tables) == {"walk.openface.csv", "walk.pyfeat.csv", "walk.csv"}
    assert {len(lines) for lines in tables.values()} == {1 + 40}
    assert tables["walk.openface.csv"][0].startswith("frame,face_id,timestamp,confidence,success,")
    assert tables["walk.openface.csv"][1].startswith("1,0,0.000,0.9")
    assert dan("track", clip, "--points", tmp_path / "a.openface.csv", "--max-faces", "1").code == 0
    assert (tmp_path / "a.openface.csv").read_text().splitlines() == tables["walk.openface.csv"]


def test_videos_of_one_name_are_kept_apart_in_one_folder(dan, clip, tmp_path):
    other, out = tmp_path / "other" / clip.name, tmp_path / "out"
    other.parent.mkdir()
    other.write_bytes(clip.read_bytes())
    out.mkdir()
    (out / "walk.mp4").write_text("somebody's")
    for video in (clip, other, clip):  # once more: in its own place
        assert dan("align", video, "-o", out).code == 0
    suffix = clip.suffix
    names = {path.name for path in out.iterdir()}
    first, second = f"walk{suffix}", f"walk{suffix}-2"
    assert names == {"names.json", "walk.mp4", f"{first}.jsonl", f"{second}.jsonl"}
    assert (out / "walk.mp4").read_text() == "somebody's"


def test_options_reach_the_tracker(dan, clip, tmp_path):
    done = dan("track", clip, "--points", tmp_path / "a.jsonl", "--detect-every", "4")
    assert done.code == 0
    assert "25.0 detector calls" in done.err
    smooth = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert dan("track", clip, "--points", tmp_path / "b.jsonl", "--no-smoothing").code == 0
    raw = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    lag = [b["points_xy"][0][0] - a["points_xy"][0][0] for a, b in zip(smooth, raw, strict=True)]
    assert lag[0] == 0
    assert min(lag[5:]) > 0.2
    words = ["--points", tmp_path / "c.jsonl", "--min-confidence", "0.96"]
    assert dan("track", clip, *words).code == 0
    assert (tmp_path / "c.jsonl").read_text() == ""


def test_without_an_output_it_says_how_to_get_one(dan, clip):
    done = dan("track", clip)
    assert done.code == 0
    assert "nothing written: -o OUT.mp4" in done.err


def test_a_file_cut_short_is_told(dan, scene, tmp_path):
    with VideoWriter(tmp_path / "whole.avi", 20) as writer:
        for number in range(40):
            writer.write(scene.walking_frame(number))
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    done = dan("track", tmp_path / "cut.avi", "-o", tmp_path / "out.mp4")
    assert done.code == 0
    n_read = sum(1 for _ in VideoReader(tmp_path / "out.mp4"))
    assert 10 < n_read < 30
    assert f"{n_read} frames, 1 face" in done.err
    with VideoReader(tmp_path / "cut.avi") as video:
        if video.n_promised is not None and video.n_promised > n_read / 0.9:
            assert "seems cut short or damaged" in done.err


def test_a_damaged_middle_is_told(dan, scene, tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 20) as writer:
        for number in range(80):
            writer.write(scene.walking_frame(number))
    data = bytearray(path.read_bytes())
    begin = len(data) * 2 // 5
    data[begin : begin + len(data) // 50] = b"\xff" * (len(data) // 50)
    path.write_bytes(data)
    done = dan("track", path, "--points", tmp_path / "a.csv")
    assert done.code == 0
    with VideoReader(path) as video:
        numbers = [frame.number for frame in video]
    rows = (tmp_path / "a.csv").read_text().splitlines()[1:]
    assert int(rows[-1].split(",")[0]) == numbers[-1] == 79
    assert f"a.mp4: seems damaged: {video.n_lost} frames could not be read, from frame " in done.err
    assert "numbers and times of the frames that follow are right" in done.err


def test_the_input_is_never_overwritten(dan, clip, tmp_path):
    video = tmp_path / "in.mp4"
    video.write_bytes(clip.read_bytes())
    (tmp_path / "link.mp4").symlink_to(video)
    (tmp_path / "in.csv").symlink_to(video)
    roundabout = tmp_path / ".." / tmp_path.name / "in.mp4"
    outputs = [("-o", path) for path in (video, tmp_path / "link.mp4", roundabout)]
    for words in (*outputs, ("--points", tmp_path / "in.csv")):
        done = dan("track", video, *words)
        assert done.code == 2
        assert "expected another file than the input" in done.err
    assert video.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.mp4"], "none.mp4: expected a video, found no such file"),
        (["."], "expected a video, got a folder"),
        (["text.mp4", "-o", "out.mp4"], "text.mp4: expected a video, got text"),
        (["noise.mp4", "--points", "out.csv"], "noise.mp4: expected a video with frames"),
        (["{clip}", "-o", "out.webm"], "out.webm: expected a name that ends in"),
        (["{clip}", "--points", "out.txt"], "out.txt: expected a name that ends in"),
        (["{clip}", "-o", "no/out.mp4"], "expected a file in a folder that exists"),
        (["99"], "camera 99: expected a camera that gives frames, found none"),
    ],
)
def test_errors_are_one_line_exit_code_2_and_no_output(
    dan, clip, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    before = set(tmp_path.iterdir())
    done = dan("track", *[word.format(clip=clip) for word in words])
    assert done.code == 2
    assert message in done.err
    assert done.err.startswith("dan: ")
    assert done.err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("video", ["noise.mp4", "99"])
def test_opencv_and_ffmpeg_add_no_lines_of_their_own(tmp_path, video):
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "track", video],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"dan: .* expected .* frames, found none\n", done.stderr)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["{clip}", "--passes", "2"],
            "-f openface, pyfeat, csv, parquet only, and without --boxes",
        ),
        (
            ["{clip}", "-o", "out", "-f", "csv", "-f", "pts"],
            "a video goes with -f openface, pyfeat, csv, parquet only",
        ),
        (
            ["{clip}", "--boxes", "b.json"],
            "a video goes with -f openface, pyfeat, csv, parquet only",
        ),
        (["{clip}", "--box-kind", "haar"], "without --boxes, --box-kind, --passes and --shard"),
        (["{clip}", "{clip}"], "expected pictures, got a video; give it alone"),
        (["noise.mp4", "-o", "out"], "noise.mp4: expected a video with frames, found none"),
    ],
)
def test_what_align_refuses_of_a_video(dan, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = dan("align", *[word.format(clip=clip) for word in words])
    assert done.code == 2
    assert message in done.err
    assert done.err.startswith("dan: ")
    assert done.err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_camera_needs_a_window_or_an_output(dan, scene, tmp_path, monkeypatch):
    class Camera:
        number = -1

        def read(self):
            self.number += 1
            return self.number < 8, scene.walking_frame(self.number)[:, :, ::-1]

        def get(self, _):
            return 0.0

        def release(self):
            pass

    monkeypatch.setattr("dan.video.reader.cv2.VideoCapture", lambda _: Camera())
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("dan.video.window.sys.platform", "linux")
    done = dan("track", "0")
    assert done.code == 2
    told = "dan: live window: expected a display, found none (DISPLAY is not set)\n"
    assert done.err == told
    done = dan("track", "0", "--points", tmp_path / "rows.csv")
    assert done.code == 0
    assert "going on without" in done.err
    assert (tmp_path / "rows.csv").read_text().count("\n") == 1 + 8


def test_closing_the_window_ends_it_well(dan, scene, clip, tmp_path, monkeypatch):
    class Window:
        shown = 0

        def __init__(self, title):
            assert title.startswith("dan: ")

        def show(self, picture):
            Window.shown += 1
            return Window.shown < 5

        def close(self):
            Window.closed = True

    class Camera(VideoReader):
        def __init__(self, source):
            super().__init__(clip)
            self.is_camera = True

    monkeypatch.setattr("dan.video.window.LiveWindow", Window)
    monkeypatch.setattr("dan.video.reader.VideoReader", Camera)
    assert dan("track", "0", "-o", tmp_path / "out.mp4").code == 0
    assert Window.closed
    assert sum(1 for _ in VideoReader(tmp_path / "out.mp4")) == 5


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_leaves_what_was_written_playable(scene, tmp_path):
    # Long enough that the signal always comes before the end.
    long = tmp_path / "long.avi"
    with VideoWriter(long, 20) as writer:
        for number in range(3000):
            writer.write(scene.walking_frame(number % 256))
    movie, rows = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "track", str(long), "-o", str(movie), "--points", str(rows)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (rows.exists() and rows.read_text().count("\n") >= 10):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    numbers = [scene.number_of(frame.rgb) for frame in VideoReader(movie)]
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    assert 10 <= len(numbers) < 3000
    assert numbers == [n % 256 for n in range(len(numbers))]
    assert [line["frame"] for line in lines] == list(range(len(numbers)))
    assert f"{len(numbers)} frames, 1 face" in told
    assert {p.name for p in tmp_path.iterdir()} == {"long.avi", "out.mp4", "out.jsonl"}
