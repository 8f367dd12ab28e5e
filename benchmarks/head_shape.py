"""Fits the rigid head by which yaw is estimated, and says how far the estimate can be trusted.

    python benchmarks/head_shape.py PATH/TO/300w [--check PATH/TO/aflw/points.npz]

Prints ``HEAD`` of ``dan.points.pose``: the faces of 300-W's training folders seen as views of
one rigid shape (Tomasi and Kanade 1992, scaled orthography), made the same on both sides. The check
compares estimates with the file's ``yaw``; every tenth face by name is held out of it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.types import FloatArray
from dan.datasets.annotated import find_annotated, training_part
from dan.evaluation.yaw import YAWS_DEG, estimate_yaws
from dan.schemes import FACE51, FACE68
from dan.schemes.conversions import convert_points

NOSE_TIP, EYE_CORNERS, LIP_CORNERS = 13, [19, 28], [31, 37]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("data", type=Path, help="folder in the 300-W layout")
    parser.add_argument("--check", type=Path, help="points.npz with name, points_xy and yaw")
    flags = parser.parse_args()
    faces = training_part(find_annotated(flags.data))
    points = np.stack([face.load_points() for face in faces])
    head = fit_head(convert_points(points, FACE68, FACE51))
    rows = [" ".join(map(str, row)) for row in np.rint(1000 * head).astype(int).tolist()]
    print("\n".join("  ".join(rows[place : place + 6]) for place in range(0, 51, 6)))
    if flags.check is not None:
        check(flags.check)


def fit_head(shapes: FloatArray) -> FloatArray:
    """(51, 3) points of the head that (F, 51, 2) shapes are views of, as ``HEAD`` is given."""
    n_faces, n_points, _ = shapes.shape
    views = shapes - shapes.mean(axis=1, keepdims=True)
    views /= np.sqrt(np.square(views).sum(axis=(1, 2), keepdims=True))
    u, s, vt = np.linalg.svd(views.transpose(0, 2, 1).reshape(-1, n_points), full_matrices=False)
    across, along = (u[:, :3] * s[:3]).reshape(n_faces, 2, 3).transpose(1, 0, 2)
    # Q = B B^T makes each view's two rows of the same length and perpendicular.
    equal, right = _products(across, across) - _products(along, along), _products(across, along)
    size = (_products(across, across) + _products(along, along)).sum(axis=0)
    sums = np.concatenate([equal, right, size[None]])
    metric = np.linalg.lstsq(sums, np.append(np.zeros(2 * n_faces), n_faces), rcond=None)[0]
    upper = np.zeros((3, 3))
    upper[np.triu_indices(3)] = metric
    basis = np.linalg.cholesky(upper + upper.T - np.diag(upper.diagonal()))
    return _upright(np.linalg.solve(basis, vt[:3]).T, (across @ basis).mean(axis=0))


def _products(a: FloatArray, b: FloatArray) -> FloatArray:
    """(F, 6) what a^T Q b is of the six entries of a symmetric Q, row by row."""
    both = a[:, :, None] * b[:, None, :]
    both += both.transpose(0, 2, 1)
    rows, columns = np.triu_indices(3)
    return both[:, rows, columns] / np.where(rows == columns, 2, 1)


def _upright(head: FloatArray, right: FloatArray) -> FloatArray:
    """Turned, moved, scaled and made symmetric; ``right`` is where the views have the right."""
    x = np.linalg.svd(head[FACE51.mirror] - head)[2][0]
    x *= np.sign(x @ right)
    y = (head[LIP_CORNERS] - head[EYE_CORNERS]).mean(axis=0)
    y -= x * (x @ y)
    y /= np.linalg.norm(y)
    turned = (head - head[EYE_CORNERS].mean(axis=0)) @ np.stack([x, y, np.cross(x, y)]).T
    turned[:, 2] *= -np.sign(turned[NOSE_TIP, 2])  # views do not tell front from back
    whole = (turned + turned[FACE51.mirror] * [-1, 1, 1]) / 2
    return np.asarray(whole / np.ptp(whole[EYE_CORNERS, 0]))


def check(path: Path) -> None:
    """Print how far the estimates are from the yaws of a file."""
    with np.load(path) as file:
        order = np.argsort(file["name"])
        rest = np.delete(order, np.s_[9::10])
        given, found = file["yaw"][rest], estimate_yaws(file["points_xy"][rest], FACE68)
    found *= np.sign(np.nansum(found * given))  # the sign of the file's model is its own
    off = np.abs(found - given)
    bands = [np.digitize(np.abs(yaws), YAWS_DEG) for yaws in (found, given)]
    print(
        f"{len(rest)} faces: median {np.nanmedian(off):.1f}°, 90th percentile "
        f"{np.nanpercentile(off, 90):.1f}°, the same band {(bands[0] == bands[1]).mean():.1%}"
    )
    for band in range(len(YAWS_DEG) + 1):
        more = np.nanmedian(np.abs(found[bands[1] == band]) - np.abs(given[bands[1] == band]))
        counts = [int((each == band).sum()) for each in bands]
        print(f"band {band + 1}: {counts[0]} faces, given {counts[1]}; {more:+.1f}° at the median")


if __name__ == "__main__":
    sys.exit(run(main))
