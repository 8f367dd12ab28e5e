import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.video.reader import VideoReader
from dan.video.writer import CODECS, VideoWriter, fit_into


@pytest.mark.parametrize("suffix", CODECS)
def test_what_is_written_can_be_read(tmp_path, scene, suffix):
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, 12.5) as writer:
        for number in range(6):
            writer.write(scene.walking_frame(number))
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with VideoReader(path) as video:
        assert video.fps == pytest.approx(12.5)
        frames = [frame.rgb for frame in video]
    assert [scene.number_of(frame) for frame in frames] == list(range(6))
    assert np.abs(frames[5].astype(int) - scene.walking_frame(5)).mean() < 4


def write_and_raise(path, frames, error):
    with VideoWriter(path, 25) as writer:
        for frame in frames:
            writer.write(frame)
        raise error


def test_after_ctrl_c_what_was_written_is_kept(tmp_path, scene):
    path = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(
            path, [scene.walking_frame(number) for number in range(3)], KeyboardInterrupt
        )
    assert [scene.number_of(frame.rgb) for frame in VideoReader(path)] == [0, 1, 2]


def test_after_an_error_the_old_file_is_there_as_it_was(tmp_path, scene):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write_and_raise(path, [scene.walking_frame(0)], ZeroDivisionError)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"old"


def test_no_frame_no_file(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 25):
        pass
    assert not list(tmp_path.iterdir())


def test_odd_sizes_and_frames_of_another_size(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", np.nan) as writer:
        writer.write(np.full((61, 101, 3), 200, np.uint8))
        writer.write(np.full((200, 50, 3), 200, np.uint8))
    first, second = (frame.rgb for frame in VideoReader(tmp_path / "out.mp4"))
    assert first.shape == second.shape == (60, 100, 3)  # the codec knows even sizes only
    assert (first > 180).all()
    assert (second[30, 50] > 180).all()
    assert (second[30, 10] < 40).all()


def test_fitting_keeps_proportions():
    fitted = fit_into(np.full((100, 50, 3), 9, np.uint8), (80, 40))
    assert fitted.shape == (40, 80, 3)
    assert (fitted[:, 30:50] == 9).all()
    assert fitted.sum() == 9 * 3 * 20 * 40
    whole = np.full((40, 80, 3), 9, np.uint8)
    assert fit_into(whole, (80, 40)) is whole


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("out.webm", ConfigError, "ends in one of .mp4, .m4v, .mov, .mkv, .avi"),
        ("none/out.mp4", DataError, "expected a file in a folder that exists"),
        ("folder.mp4", DataError, "expected a file"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, name, error, message):
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(error, match=message):
        VideoWriter(tmp_path / name, 25)


def test_a_size_that_no_codec_takes(tmp_path):
    with (
        pytest.raises(DataError, match="cannot be written as 1 x 1 video"),
        VideoWriter(tmp_path / "out.mp4", 25) as writer,
    ):
        writer.write(np.zeros((1, 1, 3), np.uint8))
    assert not list(tmp_path.iterdir())
