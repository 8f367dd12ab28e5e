"""How far the measures of a model's points are from those of the annotators' points.

    python benchmarks/measures.py dan68-fast PATH/TO/300w

Every tenth training face of 300-W by name, from the boxes of the true points: mean and standard
deviation of each measure and of the angles of the head (degrees), then the standard deviation of
the errors, for ``NOISE`` of ``dan.points.measures``. If the model tells the covariance of its
points: the root mean square of the errors over the deviation that follows from it, 1 at best.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.images import read_rgb
from dan.datasets.annotated import find_annotated, training_part
from dan.geometry import box_of_points
from dan.inference.aligner import FaceAligner
from dan.inference.faces import Faces
from dan.points.measures import measure_table
from dan.schemes import FACE68


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path, help="folder in the 300-W layout")
    flags = parser.parse_args()
    aligner = FaceAligner(flags.model)
    held_out = sorted(training_part(find_annotated(flags.data)), key=lambda face: face.name)[9::10]
    points = np.stack([face.load_points() for face in held_out])
    found = Faces.stacked(
        [
            aligner(read_rgb(face.image_path), boxes=box_of_points(truth)[None])[0]
            for face, truth in zip(held_out, points, strict=True)
        ],
        aligner.model.scheme,
    )
    true = measure_table(points, FACE68)
    seen = measure_table(found.points_xy, found.scheme, found.covariance)
    print(f"{len(held_out)} faces: mean, deviation, deviation of the errors")
    for name in (name for name in true if not name.endswith("_sd")):
        off = seen[name] - true[name]
        line = f"{name:16} {true[name].mean():6.3f} {true[name].std():6.3f} {off.std():6.3f}"
        if found.covariance is not None:
            line += f"  {np.sqrt(np.mean(np.square(off / seen[f'{name}_sd']))):.2f}"
        print(line)


if __name__ == "__main__":
    sys.exit(run(main))
