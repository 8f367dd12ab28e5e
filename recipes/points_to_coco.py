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
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dan.cli.main import run
from dan.core.checks import check_shape
from dan.core.errors import FormatError
from dan.core.files import check_outputs, naming
from dan.datasets.formats import AnnotationSet, save_coco
from dan.datasets.formats.annotations import VISIBLE
from dan.datasets.formats.reading import refusing
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
        with zipfile.ZipFile(path):  # NumPy opens single arrays, too, and would unpickle others
            arrays = dict(np.load(path, allow_pickle=False))
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path}: expected arrays of NumPy in an .npz file: {error}") from error
    if missing := [name for name in NEEDED if name not in arrays]:
        raise FormatError(f"{path}: expected {', '.join(NEEDED)}, got no {', '.join(missing)}")
    with naming(path), refusing():
        return _faces_of(arrays, path, start)


def _faces_of(arrays: dict[str, npt.NDArray[np.generic]], path: Path, start: Path) -> AnnotationSet:
    points, visibility = arrays["points_xy"], arrays["visibility"]
    check_shape("points_xy", points, ("F", "N", 2))
    for name, array, kinds in (("points_xy", points, "fiu"), ("visibility", visibility, "iu")):
        if array.dtype.kind not in kinds:
            raise FormatError(f"{name}: expected numbers, got {array.dtype}")
    if not np.isin(visibility, (0, 1, 2)).all():
        raise FormatError("visibility: expected 0, 1 or 2")
    images = path.parent / "images"
    home = os.path.relpath(images if images.is_dir() else path.parent, start)
    return AnnotationSet.build(
        [Path(home, str(name)).as_posix() for name in arrays["name"]],
        range(len(points)),
        points,
        visibility=VISIBLE - visibility.astype(int),
        attributes={name: array for name, array in arrays.items() if name not in NEEDED},
        scheme=scheme_of(points.shape[1]),
    )


if __name__ == "__main__":
    sys.exit(run(main))
