"""How a model does on video frames that it never saw, and the frames where it does worst.

    python benchmarks/robustness.py dan68 PATH/TO/youtube_faces [-o worst.png] [--frames 300]

The folder holds keypoints.csv and frames/ of the YouTube Faces key points. These were made by
another network, in whole pixels, and it places many points elsewhere than 300-W's annotators do:
its mean offset of each point, in a frame of the face's own size and direction, is taken off
before the two are compared. What is left is its noise and ours. The sheet shows ours in one
colour and theirs beneath in the other: a person must say who is wrong.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.images import read_rgb, write_png
from dan.datasets.formats import load_youtube_csv
from dan.drawing.landmarks import contact_sheet, draw_face
from dan.evaluation.prediction_files import around_face
from dan.geometry import box_of_points, box_overlap, estimate_similarity
from dan.inference.aligner import FaceAligner
from dan.schemes import FACE68

SHOWN = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, help="sheet of the worst faces")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    labels = load_youtube_csv(flags.folder / "keypoints.csv")
    rng = np.random.default_rng(flags.seed)
    chosen = np.sort(rng.choice(len(labels.points), flags.frames, replace=False))
    paths = [flags.folder / "frames" / labels.image_names[labels.image_index[i]] for i in chosen]
    theirs = labels.points[chosen]
    aligner = FaceAligner(flags.model)
    ours, confidence = np.full_like(theirs, np.nan), np.zeros(len(chosen))
    for place, faces in enumerate(aligner.align_many([read_rgb(path) for path in paths])):
        overlaps = [
            box_overlap(box_of_points(points), box_of_points(theirs[place]))
            for points in faces.points_xy
        ]
        if overlaps and max(overlaps) > 0.3:
            best = int(np.argmax(overlaps))
            ours[place], confidence[place] = faces.points_xy[best], faces.confidence[best]
    report(ours, theirs, confidence)
    if flags.out is not None:
        draw_worst(flags.out, paths, ours, theirs, confidence)


def disagreement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(F,) percent of the distance of the outer eye corners; infinite where there is no face."""
    missed = ~np.isfinite(ours).all(axis=(1, 2))
    offsets, lengths = np.zeros_like(theirs), np.linalg.norm(theirs[:, 36] - theirs[:, 45], axis=1)
    upright = np.empty_like(theirs)
    mean_shape = theirs[~missed].mean(axis=0)
    for place in np.flatnonzero(~missed):
        to_mean = estimate_similarity(theirs[place], mean_shape)
        upright[place] = to_mean.apply(ours[place]) - to_mean.apply(theirs[place])
    mean_offset = upright[~missed].mean(axis=0)
    for place in np.flatnonzero(~missed):
        back = estimate_similarity(mean_shape, theirs[place])
        offsets[place] = back.apply(mean_shape + mean_offset) - back.apply(mean_shape)
    errors = np.linalg.norm(ours - theirs - offsets, axis=2).mean(axis=1) / lengths
    return np.where(missed, np.inf, 100 * errors)


def report(ours: np.ndarray, theirs: np.ndarray, confidence: np.ndarray) -> None:
    errors = disagreement(ours, theirs)
    found = np.isfinite(errors)
    median, most = np.percentile(errors[found], [50, 95])
    print(f"{len(errors)} frames, {(~found).sum()} missed; disagreement without the mean offsets:")
    print(
        f"  median {median:.2f} %, 95th percentile {most:.2f} %, worst {errors[found].max():.2f} %"
    )
    print(f"  above 8 %: {100 * (errors > 8).mean():.2f} % of the frames")
    confidence = confidence[found]
    print(f"  confidence: median {np.median(confidence):.2f}, lowest {confidence.min():.2f}")


def draw_worst(
    out: Path, paths: list[Path], ours: np.ndarray, theirs: np.ndarray, confidence: np.ndarray
) -> None:
    errors = disagreement(ours, theirs)
    tiles, labels = [], []
    for place in np.argsort(-errors)[:SHOWN]:
        points = ours[place] if np.isfinite(ours[place]).all() else None
        drawn = draw_face(read_rgb(paths[place]), points, FACE68, truth_xy=theirs[place])
        tiles.append(around_face(drawn, theirs[place]))
        labels.append(f"{errors[place]:.1f} %, confidence {confidence[place]:.2f}")
    write_png(out, contact_sheet(tiles, 6, 220, labels))
    print(out)


if __name__ == "__main__":
    sys.exit(run(main))
