"""What following faces costs, and how steady and how late the points are.

    python benchmarks/tracking.py MODEL CLIPS [--threads 1] [--sweep]

MODEL is a bundle or the name of one, CLIPS a folder of videos, or one. All figures of a clip come
from one run, so that the ratios hold on a machine that does other work too.

- ms: of a frame for each face, against the network alone on a crop of that face.
- detector: calls for 100 frames.
- jitter: mean length of the points' second difference, percent of the inter-ocular distance; a face
  that moves steadily has none.
- lag: by how much the smoothed points come later, ms: their offset along the motion, over the
  speed, least squares over all points and frames. The motion is that of the raw points, averaged
  over five frames.

With --sweep, jitter and lag of other parameters of the filter; the defaults were chosen from that
table as the steadiest whose lag is one frame at 30 frames a second.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.errors import DataError
from dan.core.types import FloatArray
from dan.geometry import box_of_points, box_size_wh
from dan.geometry.cropping import crop_from_points, extract_crop
from dan.inference.aligner import FaceAligner
from dan.schemes import LandmarkScheme
from dan.video.reader import Frame, VideoReader
from dan.video.smoothing import OneEuroFilter, Smoothing
from dan.video.tracker import FaceTracker

MOTION_FRAMES = 5
SWEEP = [Smoothing(cutoff, beta) for cutoff in (0.5, 1.0, 2.0) for beta in (0.0, 5.0, 10.0, 20.0)]


@dataclass(frozen=True)
class FacePath:
    """One face through one clip: T frames.

    Attributes:
        points: (T, N, 2) as the network found them, pixels.
        times: (T,) seconds.
        inter_ocular: mean distance of the outer eye corners, pixels.
    """

    points: FloatArray
    times: FloatArray
    inter_ocular: float


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a bundle, or the name of one")
    parser.add_argument("clips", type=Path, help="folder of videos, or a video")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sweep", action="store_true", help="other parameters of the filter")
    flags = parser.parse_args()
    aligner = FaceAligner(flags.model, threads=flags.threads)
    clips = sorted(flags.clips.iterdir()) if flags.clips.is_dir() else [flags.clips]
    if not clips or not clips[0].is_file():
        raise DataError(f"{flags.clips}: expected a video or a folder of videos, found none")
    print("clip: ms a face (network alone), detector calls a 100 frames, jitter raw -> smooth, lag")
    paths = []
    for clip in clips:
        try:
            with VideoReader(clip) as video:
                frames = list(video)
        except DataError:
            continue
        paths += measured(aligner, clip.name, frames)
    report("all", paths, Smoothing())
    for smoothing in SWEEP if flags.sweep else []:
        name = f"cut-off {smoothing.min_cutoff_hz:3.1f} Hz, beta {smoothing.beta:4.1f}"
        report(name, paths, smoothing)


def measured(aligner: FaceAligner, name: str, frames: Sequence[Frame]) -> list[FacePath]:
    """Follow the faces of a clip, print its figures, give the raw paths."""
    tracker = FaceTracker(aligner, smoothing=False)
    found: dict[int, list[tuple[float, FloatArray]]] = {}
    update_ms, network_ms, n_faces = 0.0, 0.0, 0
    for frame in frames:
        started = time.perf_counter()
        faces = tracker.update(frame.rgb, frame.time_s)
        update_ms += 1e3 * (time.perf_counter() - started)
        n_faces += len(faces)
        for number, points in zip(faces.ids.tolist(), faces.points_xy, strict=True):
            crop_from_image = crop_from_points(points, aligner.model.mean_shape)
            crop = extract_crop(frame.rgb[:, :, 1], crop_from_image, aligner.model.crop_size)
            started = time.perf_counter()
            aligner.model(crop[None])
            network_ms += 1e3 * (time.perf_counter() - started)
            found.setdefault(number, []).append((frame.time_s, points))
    paths = [path_of(track, aligner.model.scheme) for track in found.values() if len(track) > 9]
    cost, alone = update_ms / max(n_faces, 1), network_ms / max(n_faces, 1)
    calls = 100 * tracker.n_detections / tracker.n_frames
    head = f"{name[:20]}: {cost:.1f} ms ({alone:.1f}; {cost / alone:.2f} x), {calls:.1f} calls"
    report(f"{head}, {tracker.n_ids} id{'s' * (tracker.n_ids != 1)}", paths, Smoothing())
    return paths


def path_of(track: Sequence[tuple[float, FloatArray]], scheme: LandmarkScheme) -> FacePath:
    points = np.array([shape for _, shape in track], dtype=np.float64)
    assert scheme.eyes is not None
    assert scheme.eyes.outer_corners is not None
    left, right = scheme.eyes.outer_corners
    inter_ocular = float(np.linalg.norm(points[:, left] - points[:, right], axis=1).mean())
    return FacePath(points, np.array([time_s for time_s, _ in track]), inter_ocular)


def report(name: str, paths: Sequence[FacePath], smoothing: Smoothing) -> None:
    if not paths:
        print(f"{name}: no face for ten frames")
        return
    smooth = [smoothed(path, smoothing) for path in paths]
    raw = np.mean([jitter(path, path.points) for path in paths])
    steady = np.mean([jitter(path, points) for path, points in zip(paths, smooth, strict=True)])
    print(f"{name}: jitter {raw:.2f} -> {steady:.2f} %, lag {1e3 * lag_s(paths, smooth):.0f} ms")


def smoothed(path: FacePath, smoothing: Smoothing) -> FloatArray:
    run = OneEuroFilter(smoothing)
    sizes = [float(box_size_wh(box_of_points(shape)).max()) for shape in path.points]
    return np.array(
        [run(*entry) for entry in zip(path.points, sizes, path.times.tolist(), strict=True)]
    )


def jitter(path: FacePath, points: FloatArray) -> float:
    bends = np.linalg.norm(np.diff(points, n=2, axis=0), axis=2)
    return float(100 * bends.mean() / path.inter_ocular)


def lag_s(paths: Sequence[FacePath], smooth: Sequence[FloatArray]) -> float:
    behind, moved = 0.0, 0.0
    cut = MOTION_FRAMES // 2
    for path, points in zip(paths, smooth, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(path.points, MOTION_FRAMES, axis=0)
        velocity = np.gradient(windows.mean(axis=-1), path.times[cut:-cut], axis=0)
        velocity /= path.inter_ocular
        offset = (path.points - points)[cut:-cut] / path.inter_ocular
        behind += float((offset * velocity).sum())
        moved += float((velocity**2).sum())
    return behind / moved


if __name__ == "__main__":
    sys.exit(run(main))
