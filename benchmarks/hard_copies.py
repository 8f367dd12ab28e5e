"""Landmarks in hard copies of HELEN test's pictures: covered, small, dark, blurred, compressed.

    python benchmarks/hard_copies.py dan68 dan68-fast PATH/TO/300w [--draw sheet.png]

Searches start from the box of the true landmarks, so that only the landmarks are on trial. Each
cell says the mean error in percent of the distance of the outer eye corners, the share of the faces
above 8 %, and the mean error over that of the clean pictures. What is random depends on the copy
and the picture's name alone. What noise and JPEG cost depends on how large faces are; the figures
in the documents are of pictures in which the larger side of the landmarks' box has 200 pixels.

- covered: a rectangle or an ellipse, at random, of 30 % of the area of the landmarks' box lies
  anywhere in it. Its height and width, as shares of the box's, differ by a factor of up to 2.25.
  Its texture is smooth, between random colours in 8 x 8 places of the picture. Recipes with `patch`
  paint the like in training: rectangles and ellipses, turned, of any tone and texture, anywhere.
- 24 px: the picture is shrunk by area averaging until the box's larger side has 24 pixels. The box,
  the search and the error are those of the small picture.
- dark: an eighth of the light (three stops). White in full light frees 500 electrons in each
  channel of a pixel; their number is a Poisson variable, and reading it adds a normal one with a
  deviation of 2. Nothing is amplified; levels are light to the power of 1 / 2.2, in 8 bits.
- motion: the mean over a straight path of a tenth of the box's larger side, in any direction.
- JPEG 15: written and read at that quality.

The sheet shows six faces of each copy and model, four evenly by name and the two worst: found
points blue, true ones orange.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from dan.cli.common import load_model
from dan.cli.main import run
from dan.core.images import read_rgb, write_png
from dan.core.types import ColourImage, FloatArray, Points
from dan.datasets.annotated import AnnotatedImage, find_annotated
from dan.drawing.landmarks import around_face, contact_sheet, draw_face
from dan.evaluation.metrics import failure_rate, normalised_errors
from dan.geometry import Similarity, box_of_points, box_size_wh, resize_transform, warp_image
from dan.inference.aligner import FaceAligner

Copy = tuple[ColourImage, Points]
"""A picture and its true landmarks, pixels."""

Spoil = Callable[[ColourImage, Points, np.random.Generator], Copy]

COVERED = 0.3
SMALL_PX = 24
STOPS, WHITE_ELECTRONS, READ_ELECTRONS, GAMMA = 3, 500, 2, 2.2
PATH = 0.1
QUALITY = 15
THRESHOLD = 0.08
EVEN, WORST, TILE_PX = 4, 2, 220


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("models", nargs="+", help="bundles, names of some, or .safetensors files")
    parser.add_argument("data", type=Path, help="folder in the 300-W layout")
    parser.add_argument("--draw", type=Path, help="sheet of some faces")
    flags = parser.parse_args()
    images = find_annotated(flags.data / "helen" / "testset")
    aligners = [FaceAligner(load_model(model, "auto")) for model in flags.models]
    print(f"{len(images)} faces: error % / above {100 * THRESHOLD:g} % / times clean\n")
    print(f"| | {' | '.join(flags.models)} |\n| --- |{' ---: |' * len(aligners)}")
    unspoilt, tiles, labels = [], [], []
    for name, spoil in COPIES.items():
        copies = [copy_of(image, name, spoil) for image in images]
        found = [points_in(copies, aligner) for aligner in aligners]
        errors = [
            errors_of(points, copies, aligner)
            for points, aligner in zip(found, aligners, strict=True)
        ]
        unspoilt = unspoilt or errors  # the first copies
        print(f"| {name} | {' | '.join(map(figures, errors, unspoilt))} |", flush=True)
        for model, points, of_model in zip(flags.models, found, errors, strict=True):
            for place in shown(of_model) if flags.draw else ():
                tiles.append(tile(copies[place], points[place], aligners[0]))
                labels.append(f"{name}, {Path(model).stem}: {100 * of_model[place]:.1f} %")
    if flags.draw:
        write_png(flags.draw, contact_sheet(tiles, EVEN + WORST, TILE_PX, labels))
        print(flags.draw)


# -------------------------------------------------------------------------------------- the copies


def copy_of(image: AnnotatedImage, name: str, spoil: Spoil) -> Copy:
    """A copy of a picture; random numbers are those of the copy's and the picture's names."""
    rng = np.random.default_rng(list(f"{name}, {image.name}".encode()))
    return spoil(read_rgb(image.image_path), image.load_points(), rng)


def clean(picture: ColourImage, points: Points, _: np.random.Generator) -> Copy:
    return picture, points


def covered(picture: ColourImage, points: Points, rng: np.random.Generator) -> Copy:
    box = box_of_points(points)
    is_ellipse = rng.random() < 0.5
    side = math.sqrt(COVERED * (4 / math.pi if is_ellipse else 1))
    stretch = math.exp(rng.uniform(-1, 1) * math.log(1.5))
    half = box_size_wh(box) * side * [stretch, 1 / stretch] / 2
    centre = rng.uniform(box[:2] + half, box[2:] - half)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    across, down = abs(columns - centre[0]) / half[0], abs(rows - centre[1]) / half[1]
    is_inside = (np.hypot if is_ellipse else np.maximum)(across, down) <= 1
    colours = rng.uniform(0, 255, (8, 8, 3))
    texture = to_levels(cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.where(is_inside[..., None], texture, picture), points


def small(picture: ColourImage, points: Points, _: np.random.Generator) -> Copy:
    scale = SMALL_PX / float(box_size_wh(box_of_points(points)).max())
    shrunk = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return shrunk, resize_transform(scale).apply(points)


def dark(picture: ColourImage, points: Points, rng: np.random.Generator) -> Copy:
    electrons = (picture / 255) ** GAMMA / 2**STOPS * WHITE_ELECTRONS
    counted = rng.poisson(electrons) + rng.normal(0, READ_ELECTRONS, picture.shape)
    light = counted.clip(0) / WHITE_ELECTRONS
    return to_levels(255 * light ** (1 / GAMMA)), points


def motion(picture: ColourImage, points: Points, rng: np.random.Generator) -> Copy:
    length, angle = PATH * box_size_wh(box_of_points(points)).max(), rng.uniform(0, math.pi)
    shifts = np.outer(np.linspace(-0.5, 0.5, 21), [math.cos(angle), math.sin(angle)]) * length
    size_wh = picture.shape[1::-1]
    moved = [warp_image(picture, Similarity(1.0, 0.0, x, y), size_wh) for x, y in shifts]
    return to_levels(np.mean(moved, axis=0)), points


def compressed(picture: ColourImage, points: Points, _: np.random.Generator) -> Copy:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy(), points


def to_levels(values: FloatArray) -> ColourImage:
    return values.round().clip(0, 255).astype(np.uint8)


COPIES: dict[str, Spoil] = {
    "clean": clean,
    f"covered {100 * COVERED:.0f} %": covered,
    f"{SMALL_PX} px": small,
    "dark": dark,
    "motion": motion,
    f"JPEG {QUALITY}": compressed,
}


# ------------------------------------------------------------------------------------- the measures


def points_in(copies: list[Copy], aligner: FaceAligner) -> FloatArray:
    """(F, N, 2) points found, pixels of the copies."""
    pictures = (picture for picture, _ in copies)
    boxes = (box_of_points(points)[None] for _, points in copies)
    return np.concatenate([faces.points_xy for faces in aligner.align_many(pictures, boxes=boxes)])


def errors_of(found: FloatArray, copies: list[Copy], aligner: FaceAligner) -> FloatArray:
    """(F,) fractions of the distance of the outer eye corners."""
    truth = np.stack([points for _, points in copies])
    return normalised_errors(found, truth, aligner.model.scheme, "inter_ocular")


def figures(errors: FloatArray, unspoilt: FloatArray) -> str:
    """``4.50 / 1.2 / 1.50``: error, above the threshold, times that of the clean pictures."""
    failed = 100 * failure_rate(errors, THRESHOLD)
    return f"{100 * errors.mean():.2f} / {failed:.1f} / {errors.mean() / unspoilt.mean():.2f}"


def shown(errors: FloatArray) -> list[int]:
    """Places of some faces: evenly, and the worst."""
    even = np.linspace(0, len(errors) - 1, EVEN).astype(int)
    return [*even.tolist(), *np.argsort(-errors)[:WORST].tolist()]


def tile(copy: Copy, found: Points, aligner: FaceAligner) -> ColourImage:
    picture, truth = copy
    drawn = draw_face(picture, found, aligner.model.scheme, truth_xy=truth, min_side=400)
    enlarged = resize_transform(len(drawn) / len(picture))
    return around_face(drawn, enlarged.apply(truth))


if __name__ == "__main__":
    sys.exit(run(main))
