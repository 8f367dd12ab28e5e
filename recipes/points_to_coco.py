"""Points with visibility from NumPy arrays (points.npz of aflw/ and mtfl/) as COCO keypoints.

    python recipes/points_to_coco.py DATA/aflw/points.npz -o aflw.json
    dan prepare DATA/300w aflw.json --allow-outside --weight 1 --weight 0.3 -o faces.npz

The arrays: name (F,), images beside the file or in images/; points_xy (F, N, 2), pixels from 0;
visibility (F, N), 0 seen, 1 covered, 2 hidden by the head and without a position; figures (F,) by
any name, which become attributes. All commands that take annotations read what is written.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.errors import FormatError
from dan.core.files import check_outputs
from dan.datasets.formats import AnnotationSet, save_coco
from dan.datasets.formats.annotations import VISIBLE
from dan.schemes import scheme_of

NEEDED = ("name", "points_xy", "visibility")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("points", type=Path, help="points.npz")
    parser.add_argument("-o", "--out", type=Path, required=True, help="COCO keypoints to write")
    flags = parser.parse_args()
    check_outputs([flags.out], [flags.points])
    faces = read_faces(flags.points, flags.out.parent)
    save_coco(flags.out, faces)
    print(f"{flags.out}: {len(faces)} faces, {1 - faces.known.mean():.1%} of their points unknown")


def read_faces(path: Path, start: Path) -> AnnotationSet:
    """The faces of a file, their images named by the way from ``start``."""
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: expected NumPy arrays: {error}") from error
    if missing := [name for name in NEEDED if name not in arrays]:
        raise FormatError(f"{path}: expected {', '.join(NEEDED)}, got no {', '.join(missing)}")
    images = path.parent / "images"
    home = os.path.relpath(images if images.is_dir() else path.parent, start)
    points = arrays["points_xy"]
    return AnnotationSet.build(
        [Path(home, str(name)).as_posix() for name in arrays["name"]],
        range(len(points)),
        points,
        visibility=VISIBLE - arrays["visibility"].astype(int),
        attributes={name: array for name, array in arrays.items() if name not in NEEDED},
        scheme=scheme_of(points.shape[1]),
    )


if __name__ == "__main__":
    sys.exit(run(main))
