"""A made-up video whose truth is known, and an aligner that knows it.

Run as a script it is ``dan`` with that aligner in place of a model:
``python scene.py track VIDEO ...``.
"""

import functools
import math
import sys
from types import SimpleNamespace

import numpy as np

from dan.datasets.synthetic import draw_synthetic_face, template_shape
from dan.geometry import box_centre, box_of_points, box_overlap
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.detections import BoxFit, Detections
from dan.inference.faces import Faces
from dan.schemes import FACE68

WH = (320, 240)
BLOCK = 16  # pixels; the frame's number is written in black and white blocks, which codecs keep
BITS = 8
REACH = 0.5  # of a face's size: from how far the aligner finds it


@functools.cache
def face(seed=0, size=80):
    """A drawn face: (size, size, 3) picture and its (68, 2) landmarks."""
    return draw_synthetic_face(np.random.default_rng(seed), size)


def frame_with(number, corners, wh=WH):
    """(H, W, 3) frame: its number, and a drawn face at each (seed, x0, y0)."""
    frame = np.full((wh[1], wh[0], 3), 120, dtype=np.uint8)
    for bit in range(BITS):
        frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    for seed, x0, y0 in corners:
        picture = face(seed)[0]
        frame[y0 : y0 + len(picture), x0 : x0 + len(picture)] = picture
    return frame


def number_of(frame):
    """The number written in a frame, of whatever size it is now."""
    block = BLOCK * frame.shape[1] / WH[0]
    middle = [frame[int(block / 2), int((bit + 0.5) * block)].mean() for bit in range(BITS)]
    return sum((level > 128) << bit for bit, level in enumerate(middle))


class SceneAligner:
    """Finds the true points of a face that is near the start, as a perfect network would.

    Args:
        truth: from a frame's number to its faces, {name: (68, 2) points}.
        knows_confidence: else it is NaN.
        unseen: (number, name) pairs that the detector misses.
    """

    min_confidence = 0.0

    def __init__(self, truth, knows_confidence=True, unseen=()):
        self.truth, self.knows_confidence, self.unseen = truth, knows_confidence, set(unseen)
        mean_shape = shape_in_frame(template_shape(), 112, 80)
        self.model = SimpleNamespace(
            name="scene",
            mean_shape=mean_shape,
            scheme=FACE68,
            has_confidence=knows_confidence,
        )
        self.detector = SimpleNamespace(detect=self.detect, box_fit=BoxFit())
        self.starts = []  # of every call from points

    def detect(self, frame, *, within=None):
        number = number_of(frame)
        seen = [p for name, p in self.truth(number).items() if (number, name) not in self.unseen]
        if within is not None:
            seen = [p for p in seen if box_overlap(box_of_points(p), within) > 0]
        return Detections.of([box_of_points(points) for points in seen], [0.9] * len(seen))

    def __call__(self, frame, *, boxes=None, points=None):
        if points is not None:
            self.starts.append(np.array(points))
            boxes = np.array([box_of_points(shape) for shape in points]).reshape(-1, 4)
        scores = None
        if isinstance(boxes, Detections):
            boxes, scores = boxes.boxes_xyxy, boxes.scores
        found = [self.find(number_of(frame), box) for box in np.asarray(boxes)]
        if not found:
            return Faces.empty(FACE68)
        sure = [sure if self.knows_confidence else math.nan for _, sure in found]
        scores = np.ones(len(found)) if scores is None else scores
        return Faces(np.stack([p for p, _ in found]), boxes, scores, np.array(sure), FACE68)

    def find(self, number, box):
        """Points and confidence; where no face is near, the mean shape stays where it is."""
        size = (box[2:] - box[:2]).max()
        for points in self.truth(number).values():
            offset = box_centre(box_of_points(points)) - box_centre(box)
            if np.hypot(*offset) < REACH * size:
                return points, 0.95
        shape = template_shape()
        away = (shape - box_centre(box_of_points(shape))) * size / np.ptp(shape, axis=0).max()
        return (away + box_centre(box)).astype(np.float32), 0.02


def walk(number):
    """Where the face of the command's test video is."""
    return 60 + 2 * (number % 80), 100


def walking_truth(number):
    return {"one": face()[1] + np.array(walk(number), dtype=np.float32)}


def walking_frame(number, wh=WH):
    return frame_with(number, [(0, *walk(number))], wh)


def main():
    from dan.cli.main import main
    from dan.inference import aligner

    aligner.FaceAligner = lambda *_, **__: SceneAligner(walking_truth)
    main()


if __name__ == "__main__":
    sys.exit(main())
