import math
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from dan.core.errors import DataError
from dan.video import reader as reader_module
from dan.video.reader import DEFAULT_FPS, VideoReader, sane_fps, to_rgb


class FakeCapture:
    """Gives frames of the listed sizes and time stamps; None: one that cannot be decoded."""

    def __init__(self, stamps_ms, fps=25.0, count=0.0, sizes=((20, 10),)):
        self.stamps, self.fps, self.count, self.sizes = list(stamps_ms), fps, count, sizes
        self.n_read, self.released = 0, False

    def read(self):
        if self.n_read == len(self.stamps):
            return False, None
        self.n_read += 1
        if self.stamps[self.n_read - 1] is None:
            return False, None
        width, height = self.sizes[min(self.n_read, len(self.sizes)) - 1]
        return True, np.full((height, width, 3), self.n_read, dtype=np.uint8)

    def get(self, name):
        if name == cv2.CAP_PROP_POS_MSEC:
            return self.stamps[self.n_read - 1]
        return {cv2.CAP_PROP_FPS: self.fps, cv2.CAP_PROP_FRAME_COUNT: self.count}[name]

    def release(self):
        self.released = True


@pytest.fixture
def fake(monkeypatch):
    """Puts a capture in the place of OpenCV's, for camera 0."""

    def put(capture):
        monkeypatch.setattr(reader_module.cv2, "VideoCapture", lambda _: capture)
        return capture

    return put


def test_frames_come_in_order_with_their_times(clip, scene):
    with VideoReader(clip) as video:
        assert (video.fps, video.n_promised, video.is_camera) == (20.0, 40, False)
        frames = list(video)
    assert [frame.number for frame in frames] == list(range(40)) == [
        scene.number_of(frame.rgb) for frame in frames
    ]  # fmt: skip
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40) / 20, atol=2e-3)
    assert frames[3].rgb.shape == (240, 320, 3)
    assert np.abs(frames[3].rgb.astype(int) - scene.walking_frame(3)).mean() < 4  # RGB, not BGR


def test_gif(tmp_path):
    from PIL import Image

    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    pages = [Image.new("RGB", (64, 48), colour) for colour in colours]
    pages[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=[80, 120, 80]
    )
    frames = list(VideoReader(tmp_path / "a.gif"))
    assert [frame.rgb.mean(axis=(0, 1)).argmax() for frame in frames] == [0, 1, 2]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.08, 0.2], atol=1e-3)


@pytest.mark.parametrize("head", [b"GIF89a", b"GIF87a"])
def test_a_gif_without_delays_has_all_its_frames(tmp_path, head):
    from PIL import Image

    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    pages = [Image.new("RGB", (64, 48), colour) for colour in colours]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=40)
    whole = (tmp_path / "a.gif").read_bytes()
    bare = re.sub(rb"\x21\xf9\x04.{4}\0", b"", whole, flags=re.DOTALL)  # their control blocks
    assert len(bare) == len(whole) - 3 * 8
    (tmp_path / "a.gif").write_bytes(head + bare[6:])
    with VideoReader(tmp_path / "a.gif") as video:
        assert (video.fps, video.n_promised) == (10, 3)
        frames = list(video)
    assert [frame.rgb.mean(axis=(0, 1)).argmax() for frame in frames] == [0, 1, 2]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.1, 0.2])


def test_a_damaged_gif_gives_what_is_whole(tmp_path):
    from PIL import Image

    pages = [Image.effect_noise((64, 48), 50 + place) for place in range(4)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=40)
    whole = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(whole[: len(whole) * 5 // 8])
    frames = list(VideoReader(tmp_path / "a.gif"))
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert 2 <= len(frames) <= 3
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + bytes(3))
    with pytest.raises(DataError, match="expected a video with frames, found none"):
        VideoReader(tmp_path / "a.gif")


EVEN = [40.0 * place for place in range(12)]


@pytest.mark.parametrize(
    ("suffix", "stamps_ms", "numbers"),
    [
        # Each failure is a frame, whatever the times say.
        (".mp4", [0, 40, None, 120], [0, 1, 3]),
        (".mp4", [None, None, 80, 120], [2, 3]),
        (".mp4", [0, 50, 70, None, None, 300], [0, 1, 2, 5]),
        (".mp4", [*EVEN, None, None, 560], [*range(12), 14]),
        # Frames of an even pace that come late, as decoders give them: the times say where.
        (".mp4", [*EVEN, None, None, 480, 600, 640], [*range(12), 12, 15, 16]),
        # Times alone prove nothing where the file lists its frames: some cameras drop frames.
        (".mp4", [*EVEN, 600, 640], [*range(12), 12, 13]),
        (".mkv", [*EVEN, 600, 640], [*range(12), 15, 16]),
        (".ts", [*EVEN, 600, 640], [*range(12), 15, 16]),
        (".mkv", [*EVEN, 606, 646], [*range(12), 15, 16]),
        (".mkv", [*EVEN, 620, 660], [*range(12), 12, 13]),  # between two frames
        (".mkv", [*EVEN, 440 + 90_000, 480 + 90_000], [*range(12), 12, 13]),  # a clock set anew
        (".mkv", [0, 80, 120], [0, 1, 2]),  # who knows the pace?
        (".webm", [0, 40, 170, 190, 330, 350, 480, 620, 640, 700, 860, 900], [*range(12)]),
    ],
)
def test_numbers_count_the_frames_that_cannot_be_read(fake, tmp_path, suffix, stamps_ms, numbers):
    (tmp_path / f"a{suffix}").write_bytes(b"\0")
    fake(FakeCapture(stamps_ms, 25))
    video = VideoReader(tmp_path / f"a{suffix}")
    frames = list(video)
    assert [frame.number for frame in frames] == numbers
    assert video.n_read == len(frames)
    assert video.n_lost == numbers[-1] + 1 - len(frames)
    missing = sorted(set(range(numbers[-1])) - set(numbers))
    assert video.first_lost == (missing[0] if missing else None)
    times = [stamp / 1000 for stamp in stamps_ms if stamp is not None]
    np.testing.assert_allclose([frame.time_s for frame in frames], times)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_numbers_and_times_are_right_after_a_damaged_middle(tmp_path, scene, suffix):
    from dan.video.writer import VideoWriter

    path = tmp_path / f"a.{suffix}"
    with VideoWriter(path, 20) as writer:
        for number in range(100):
            writer.write(scene.walking_frame(number))
    data = bytearray(path.read_bytes())
    begin = len(data) * 2 // 5
    data[begin : begin + len(data) // 50] = b"\xff" * (len(data) // 50)
    path.write_bytes(data)
    video = VideoReader(path)
    frames = list(video)
    assert len(frames) + video.n_lost == 100
    assert 0 < video.n_lost < 60
    np.testing.assert_allclose(
        [frame.time_s for frame in frames], [frame.number / 20 for frame in frames], atol=2e-3
    )
    shown = [(frame.number, scene.number_of(frame.rgb)) for frame in frames]
    assert all(number == seen for number, seen in [*shown[:30], *shown[-15:]])
    assert [frame.number for frame in frames[-15:]] == list(range(85, 100))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "found no such file"),
        ("folder.mp4", "folder", "got a folder"),
        ("empty.mp4", b"", "got an empty file"),
        ("notes.mp4", "# Notes\n\tüber Dinge\n".encode() * 300, "got text"),
        ("film.txt", b"hello\n", "got text"),
        ("noise.mp4", bytes(range(256)) * 40, "expected a video with frames, found none"),
        ("head.mp4", "cut", "expected a video with frames, found none"),
    ],
)
def test_what_is_no_video_is_refused_by_name(tmp_path, clip, name, content, message):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(clip.read_bytes()[:500] if content == "cut" else content)
    with pytest.raises(DataError, match=message) as caught:
        VideoReader(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_cut_short_gives_the_frames_that_are_there(tmp_path, scene):
    from dan.video.writer import VideoWriter

    with VideoWriter(tmp_path / "whole.avi", 20) as writer:
        for number in range(40):
            writer.write(scene.walking_frame(number))
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    numbers = [scene.number_of(frame.rgb) for frame in VideoReader(tmp_path / "cut.avi")]
    assert 10 < len(numbers) < 30
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("stamps_ms", "fps", "times"),
    [
        ([0, 40, 80], 25, [0, 0.04, 0.08]),
        ([500, 540, 700], 25, [0.5, 0.54, 0.7]),
        ([0, 0, 0], 10, [0, 0.1, 0.2]),  # no stamps at all
        ([math.nan, math.nan], 0, [0, 1 / DEFAULT_FPS]),
        ([0, 40, 20, 120], 50, [0, 0.04, 0.06, 0.12]),  # one runs back
        ([-33, 0, 33], 30, [0, 1 / 30, 0.0666]),
    ],
)
def test_times_advance_whatever_the_file_says(fake, tmp_path, stamps_ms, fps, times):
    (tmp_path / "a.bin").write_bytes(b"\0")
    fake(FakeCapture(stamps_ms, fps))
    video = VideoReader(tmp_path / "a.bin")
    found = [frame.time_s for frame in video]
    np.testing.assert_allclose(found, times, atol=1e-3)
    assert (np.diff(found) > 0).all()


def test_a_rate_or_count_that_cannot_be_true_is_not_believed(fake, tmp_path):
    assert sane_fps(29.97) == 29.97
    assert {sane_fps(fps) for fps in (0, math.nan, -1, 90000, math.inf)} == {DEFAULT_FPS}
    (tmp_path / "a.bin").write_bytes(b"\0")
    for count in (-9.2e18, 0.0, math.nan, 1e18):
        fake(FakeCapture([0], count=count))
        assert VideoReader(tmp_path / "a.bin").n_promised is None


def test_a_camera_is_read_by_the_clock(fake, monkeypatch):
    clock = iter([100.0, 100.5, 100.6, 100.9, 101.0])
    monkeypatch.setattr(reader_module.time, "monotonic", lambda: next(clock))
    capture = fake(FakeCapture([0, 0, 0], count=7))
    with VideoReader(0) as video:
        assert (video.name, video.is_camera, video.n_promised) == ("camera 0", True, None)
        times = [frame.time_s for frame in video]
    np.testing.assert_allclose(times, [0.5, 0.6, 0.9])
    assert capture.released


def test_no_camera_there(fake):
    fake(FakeCapture([]))
    with pytest.raises(DataError, match="camera 3: expected a camera that gives frames"):
        VideoReader(3)


def test_grey_cameras_and_channel_order():
    assert to_rgb(np.array([[7]], np.uint8)).tolist() == [[[7, 7, 7]]]
    assert to_rgb(np.array([[[1, 2, 3]]], np.uint8)).tolist() == [[[3, 2, 1]]]


def test_frames_may_change_their_size(fake, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\0")
    fake(FakeCapture([0, 40, 80], sizes=((20, 10), (20, 10), (40, 30))))
    shapes = [frame.rgb.shape[:2] for frame in VideoReader(tmp_path / "a.bin")]
    assert shapes == [(10, 20), (10, 20), (30, 40)]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_memory_does_not_grow_with_the_length(tmp_path):
    # 600 frames of 640 x 480 are 550 MiB; the process may take a tenth of that on the way.
    from dan.video.writer import VideoWriter

    with VideoWriter(tmp_path / "long.avi", 25) as writer:
        for number in range(600):
            writer.write(np.full((480, 640, 3), number % 256, dtype=np.uint8))
    code = (
        "import resource, sys\n"
        "from dan.video.reader import VideoReader\n"
        "for frame in VideoReader(sys.argv[1]):\n"
        "    if frame.number == 60: early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(frame.number, late - early)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "long.avi")],
        capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    last, growth_kib = map(int, done.stdout.split())
    assert last == 599
    assert growth_kib < 55 * 1024
