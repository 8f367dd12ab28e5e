"""How far head poses can be trusted.

    python benchmarks/head_pose.py dan68-fast --300w PATH/TO/300w --aflw PATH/TO/aflw

- Views of the mean head at known poses, every point off by 3 % of the distance of the outer eye
  corners on average, as a model's: mean absolute error of each angle.
- Every tenth face of AFLW by name: the yaw, from the points made by hand and from the model's (from
  the boxes of those made by hand), against that of the 3D model that comes with the labels; ours,
  and in the order of 300W-LP's angles, which is nearest to the labels on the other faces, too.
- Every tenth training face of 300-W by name: the pose of the mirrored picture against the mirrored
  pose of the picture, both from the model's points.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.images import read_rgb
from dan.core.types import FloatArray
from dan.datasets.annotated import find_annotated, training_part
from dan.geometry import box_of_points, flip_points, with_position
from dan.inference.aligner import FaceAligner
from dan.points.pose import HEAD, angles_of, estimate_poses, rotation_of
from dan.schemes import FACE51, FACE68

NOISE = 0.03  # mean distance, in distances of the outer eye corners
MEAN_DISTANCE = np.sqrt(np.pi / 2)  # of a two-dimensional normal distribution of deviation 1
LIMIT_DEG = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--300w", dest="w300", type=Path, help="folder in the 300-W layout")
    parser.add_argument("--aflw", type=Path, help="folder with images/ and points.npz")
    flags = parser.parse_args()
    views()
    aligner = FaceAligner(flags.model)
    if flags.aflw is not None:
        turned_faces(aligner, flags.aflw)
    if flags.w300 is not None:
        mirrored_faces(aligner, flags.w300)


def views(n_views: int = 5000) -> None:
    """Print the errors on noisy views of the mean head."""
    rng = np.random.default_rng(0)
    angles = rng.uniform([-60, -30, -45], [60, 30, 45], (n_views, 3))
    rotations = np.stack([rotation_of(*each) for each in angles])
    points = (HEAD @ np.swapaxes(rotations, 1, 2))[..., :2]
    points += rng.normal(0, NOISE / MEAN_DISTANCE, points.shape)
    found = np.array([pose.yaw_pitch_roll_deg for pose in estimate_poses(points, FACE51)])
    off = np.abs(found - angles)
    told("views of the mean head: yaw, pitch, roll", *off.T)
    told("  all three", off)


def turned_faces(aligner: FaceAligner, folder: Path) -> None:
    """Print the errors of yaw on AFLW."""
    with np.load(folder / "points.npz") as file:
        held_out = np.argsort(file["name"])[9::10]
        names, given = file["name"][held_out], file["yaw"][held_out]
        by_hand = file["points_xy"][held_out].astype(float)
    by_model = np.stack(
        [
            model_points(aligner, read_rgb(folder / "images" / str(name)), points)
            for name, points in zip(names, by_hand, strict=True)
        ]
    )
    near = np.abs(given) < LIMIT_DEG
    print(f"AFLW, {near.sum()} faces below {LIMIT_DEG}°, then {(~near).sum()} beyond")
    for whose, points in (("made by hand", by_hand), ("of the model", by_model)):
        poses = estimate_poses(points, FACE68)
        ours = np.array([pose.yaw_pitch_roll_deg[0] for pose in poses])
        theirs = np.degrees([pose.as_300wlp()[1] for pose in poses])
        for order, yaw in (("ours", ours), ("of 300W-LP", theirs)):
            sign = np.sign((yaw * given).sum())  # that of the labels' model is its own
            off = np.abs(sign * yaw - given)
            told(f"  points {whose}, order {order}: yaw", off[near], off[~near])


def mirrored_faces(aligner: FaceAligner, folder: Path) -> None:
    """Print how far poses of mirrored pictures are from mirrored poses."""
    flip, off, turns = np.diag([-1.0, 1.0, 1.0]), [], []
    faces = sorted(training_part(find_annotated(folder)), key=lambda face: face.name)[9::10]
    for face in faces:
        picture, points = read_rgb(face.image_path), face.load_points()
        width = picture.shape[1]
        assert FACE68.mirror is not None
        seen = model_points(aligner, picture, points)
        mirrored = flip_points(points, width, FACE68.mirror)
        seen_mirrored = model_points(aligner, np.ascontiguousarray(picture[:, ::-1]), mirrored)
        pose, other = estimate_poses(np.stack([seen, seen_mirrored]), FACE68)
        rotation = flip @ other.rotation @ flip
        off.append(np.abs(angles_of(rotation) - angles_of(pose.rotation)))
        cosine = (np.trace(rotation @ pose.rotation.T) - 1) / 2
        turns.append(np.degrees(np.arccos(min(1.0, cosine))))
    told(f"300-W, {len(faces)} faces and their mirror images: yaw, pitch, roll", *np.array(off).T)
    told("  the turn between the two", np.array(turns))


def model_points(aligner: FaceAligner, picture: FloatArray, points: FloatArray) -> FloatArray:
    """(68, 2) found from the box of the true points."""
    box = box_of_points(with_position(points))
    return np.asarray(aligner(picture, boxes=box[None])[0].points_xy, dtype=float)


def told(what: str, *off: FloatArray) -> None:
    means = ", ".join(f"{each.mean():.2f}°" for each in off)
    print(f"{what}: mean {means}; median {', '.join(f'{np.median(each):.2f}°' for each in off)}")


if __name__ == "__main__":
    sys.exit(run(main))
