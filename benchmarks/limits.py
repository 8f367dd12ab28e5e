"""Where a model gives in: a free portrait made ever harder, and what the confidence says of it.

    python benchmarks/limits.py dan68-fast -o limits.png

Each row spoils the bundled portrait (NASA, public domain) in one way and more from left to right.
The box is that of the unspoilt face, moved along, so that only the landmarks are on trial. The
error is the distance to the points found in the unspoilt picture, in percent of the distance of
the outer eye corners.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import dan
from dan.cli.main import run
from dan.core.images import read_rgb, write_png
from dan.drawing.landmarks import around_face, contact_sheet, draw_face
from dan.geometry import Similarity, box_centre, box_of_points, box_size_wh, warp_image
from dan.inference.aligner import FaceAligner
from dan.schemes import FACE68

Picture = np.ndarray
Spoilt = tuple[str, Picture, Similarity]
"""What was done, the picture, and where its points went."""

LEVELS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("-o", "--out", type=Path, required=True)
    flags = parser.parse_args()
    portrait = read_rgb(Path(dan.__file__).parent / "cli" / "portrait.jpg")
    aligner = FaceAligner(flags.model)
    plain = aligner(portrait)[0].points_xy
    tiles, labels = [], []
    for name, picture, moved in spoilt(portrait, plain):
        truth = moved.apply(plain)
        found = aligner(picture, boxes=box_of_points(truth)[None])[0]
        off = np.linalg.norm(found.points_xy - truth, axis=1).mean()
        error = 100 * off / np.linalg.norm(truth[36] - truth[45])
        drawn = draw_face(picture, found.points_xy, FACE68)
        tiles.append(around_face(drawn, truth))
        labels.append(f"{name}: {error:.1f} %, confidence {found.confidence:.2f}")
        print(labels[-1])
    write_png(flags.out, contact_sheet(tiles, LEVELS, 200, labels))


def spoilt(picture: Picture, points: np.ndarray) -> Iterator[Spoilt]:
    """Rows of LEVELS pictures."""
    still, box = Similarity.identity(), box_of_points(points)
    side, centre = float(box_size_wh(box).max()), box_centre(box)
    rng = np.random.default_rng(0)
    for pixels in (64, 40, 28, 20, 14, 10):
        size = (round(picture.shape[1] * pixels / side), round(picture.shape[0] * pixels / side))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        yield f"{pixels} px", cv2.resize(small, picture.shape[1::-1]), still
    for degrees in (15, 30, 45, 60, 90, 180):
        turned = Similarity.about(centre, angle_deg=degrees, move_to_xy=centre)
        yield f"{degrees}°", warp_image(picture, turned, picture.shape[1::-1]), turned
    for share in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        yield f"cover {share:.0%}", covered(picture, box, share), still
    for noise in (10, 20, 40, 60, 80, 120):
        noisy = picture + rng.normal(0, noise, picture.shape)
        yield f"noise {noise}", noisy.clip(0, 255).astype(np.uint8), still


def covered(picture: Picture, box: np.ndarray, share: float) -> Picture:
    """A grey board over the lower part of the box."""
    x0, y0, x1, y1 = box
    board = picture.copy()
    top = round(y1 - share * (y1 - y0))
    board[top : round(y1) + 20, max(round(x0) - 20, 0) : round(x1) + 20] = 120
    return board


if __name__ == "__main__":
    sys.exit(run(main))
