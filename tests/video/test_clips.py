"""The real clips with the model that comes with the package: nobody is lost, nobody swapped."""

import numpy as np
import pytest

from dan.inference.aligner import FaceAligner
from dan.inference.bundle import models_folder
from dan.video.reader import VideoReader
from dan.video.tracker import FaceTracker

MODEL = models_folder() / "dan68.danbundle"

# Where the nose is at the start and at the end, read off the frames by eye; pixels.
NOSES = {
    "book.mkv": [[(298, 134), (300, 133)]],
    "brother.mkv": [[(294, 121), (297, 121)]],
    "eat.mkv": [[(309, 143), (318, 139)]],
    "hungry.mkv": [[(322, 64), (310, 54)]],
    "head-pose-face-detection-female-and-male.gif": [
        [(366, 103), (341, 118)],
        [(88, 112), (57, 129)],
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOSES)
def test_every_face_is_followed_from_start_to_end(name, shared_videos):
    if not MODEL.is_file():
        pytest.skip(f"needs the model {MODEL}")
    tracker = FaceTracker(FaceAligner("dan68", threads=1))
    with VideoReader(shared_videos / name) as video:
        results = [tracker.update(frame.rgb, frame.time_s) for frame in video]
    noses = np.array(NOSES[name], dtype=float)  # (F, 2, 2)
    expected_ids = list(range(1, len(noses) + 1))
    assert [faces.ids.tolist() for faces in results] == [expected_ids] * len(results)
    # Which face is the first is the detector's choice; it is the same to the end.
    away = np.linalg.norm(results[0].points_xy[:, None, 30] - noses[:, 0], axis=2)
    order = away.argmin(axis=1)
    assert sorted(order) == list(range(len(noses)))
    for faces, places in ((results[0], noses[order, 0]), (results[-1], noses[order, 1])):
        offsets = np.linalg.norm(faces.points_xy[:, 30] - places, axis=1)
        assert offsets.max() < 8  # faces are 50 pixels wide
    assert tracker.n_detections <= 0.1 * tracker.n_frames
