"""A video followed from Python, its faces handed to sinks."""

import threading

import pytest

from dan.video.following import follow
from dan.video.reader import VideoReader
from dan.video.tracker import FaceTracker


class Kept:
    """A sink that keeps numbers of frames, and asks to stop after some."""

    def __init__(self, most=1000):
        self.most, self.numbers, self.log = most, [], []

    def take(self, frame, faces):
        self.numbers.append((frame.number, len(faces)))
        return len(self.numbers) < self.most

    def __enter__(self):
        self.log.append("begun")

    def __exit__(self, kind, error, trace):
        self.log.append(kind)


def test_every_sink_has_every_frame_until_one_asks_to_stop(scene, clip):
    short, long = Kept(3), Kept()
    ticks = []
    with VideoReader(clip) as reader:
        tracker = FaceTracker(scene.SceneAligner(scene.walking_truth))
        done = follow(reader, tracker, [short, long], lambda: ticks.append(1))
    assert short.numbers == long.numbers == [(0, 1), (1, 1), (2, 1)]
    assert short.log == long.log == ["begun", None]
    assert len(ticks) == 3
    assert done.seconds > 0
    assert not done.is_interrupted


def test_a_thread_may_follow_a_video(scene, clip):
    kept, done = Kept(), []

    def work():
        with VideoReader(clip) as reader:
            tracker = FaceTracker(scene.SceneAligner(scene.walking_truth))
            done.append(follow(reader, tracker, [kept]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(done) == 1
    assert len(kept.numbers) == 40


def test_sinks_learn_of_an_error(scene, clip):
    class Full(Kept):
        def take(self, frame, faces):
            raise OSError("full")

    kept = Kept()
    with VideoReader(clip) as reader:
        tracker = FaceTracker(scene.SceneAligner(scene.walking_truth))
        with pytest.raises(OSError, match="full"):
            follow(reader, tracker, [kept, Full()])
    assert kept.log == ["begun", OSError]
