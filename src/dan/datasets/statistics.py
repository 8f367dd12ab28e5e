"""Figures of annotated faces: how many, how large, how turned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.core.errors import DataError
from dan.core.files import replacing
from dan.core.types import FloatArray, Points
from dan.datasets.formats import AnnotationSet
from dan.geometry import align_shape, mean_shape_of
from dan.schemes import Eyes, LandmarkScheme

PERCENTILES = (0, 5, 50, 95, 100)


@dataclass(frozen=True)
class Statistics:
    """Figures of a set; below ``n_usable`` they are of the faces that have the points for each.

    Attributes:
        n_images: images listed.
        n_faces: faces.
        n_ignored: of them, marked to be ignored.
        n_whole: not ignored, and every point known.
        n_landmarks: points a face.
        n_usable: not ignored, and enough points known.
        face_size: (n_usable,) larger side of the box of the points that are known, pixels.
        inter_ocular: (at most n_usable,) distance of the outer eye corners, pixels; empty where the
            scheme has no such corners.
        roll_deg: (at most n_usable,) slope of the line through the eye centres, degrees, positive
            where the eye on the image's right is lower; empty where the scheme does not know
            the eyes.
        yaw: (at most n_usable,) how far the middle of the face lies off the middle between the
            eyes, along their line, as a share of their distance: 0 from the front, positive where
            the face looks to the image's right; a rough measure of yaw. Empty where the scheme
            does not know eyes and middle line.
        mean_shape: (N, 2) Procrustes mean, pixels of the mean face; None where no usable face has
            some point.
        aligned: (n_usable, N, 2) shapes aligned to it; NaN where a point is not known.
    """

    n_images: int
    n_faces: int
    n_ignored: int
    n_whole: int
    n_landmarks: int
    n_usable: int
    scheme: str
    face_size: FloatArray
    inter_ocular: FloatArray
    roll_deg: FloatArray
    yaw: FloatArray
    mean_shape: Points | None
    aligned: FloatArray

    @classmethod
    def of(cls, faces: AnnotationSet) -> Statistics:
        """The figures of a set.

        Raises:
            DataError: if there is no face.
        """
        if not len(faces):
            raise DataError("expected at least one annotated face, found none")
        scheme = faces.or_plain_scheme()
        shapes = faces.points[faces.usable]
        none: FloatArray = np.empty(0)
        roll, yaw, inter_ocular = none, none, none
        if scheme.eyes is not None:
            if scheme.eyes.outer_corners is not None:
                left, right = scheme.eyes.outer_corners
                inter_ocular = np.linalg.norm(shapes[:, right] - shapes[:, left], axis=1)
            roll, yaw = _pose(shapes, scheme, scheme.eyes)
        mean_shape, aligned = None, shapes
        if not np.isnan(shapes).all(axis=0).any():
            mean_shape = mean_shape_of(shapes)
            aligned = np.stack([align_shape(shape, mean_shape) for shape in shapes])
        sizes = np.fmax.reduce(shapes, axis=1) - np.fmin.reduce(shapes, axis=1)
        return cls(
            n_images=len(faces.image_names),
            n_faces=len(faces),
            n_ignored=int(faces.ignore.sum()),
            n_whole=int(faces.whole.sum()),
            n_landmarks=faces.n_landmarks,
            n_usable=len(shapes),
            scheme=scheme.name,
            face_size=sizes.max(axis=1),
            inter_ocular=inter_ocular[~np.isnan(inter_ocular)],
            roll_deg=roll[~np.isnan(roll)],
            yaw=yaw[~np.isnan(yaw)],
            mean_shape=mean_shape,
            aligned=aligned,
        )

    def distributions(self) -> dict[str, FloatArray]:
        """What there is a distribution of, by title."""
        named = {
            "face size, px": self.face_size,
            "outer eye corners apart, px": self.inter_ocular,
            "roll, degrees": self.roll_deg,
            "yaw, share of the eyes' distance": self.yaw,
        }
        return {title: values for title, values in named.items() if len(values)}

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON: counts, and percentiles of each distribution."""
        counts = (
            "n_images",
            "n_faces",
            "n_ignored",
            "n_whole",
            "n_usable",
            "n_landmarks",
            "scheme",
        )
        values: dict[str, object] = {name: getattr(self, name) for name in counts}
        values["percentiles"] = list(PERCENTILES)
        values |= {
            title: np.percentile(figures, PERCENTILES).round(3).tolist()
            for title, figures in self.distributions().items()
        }
        return values


def _pose(shapes: FloatArray, scheme: LandmarkScheme, eyes: Eyes) -> tuple[FloatArray, FloatArray]:
    centres = [shapes[:, list(side)].mean(axis=1) for side in (eyes.left, eyes.right)]
    line = centres[1] - centres[0]
    roll = np.degrees(np.arctan2(line[:, 1], line[:, 0]))
    mirror = scheme.mirror
    if mirror is None or not (mirror == np.arange(len(mirror))).any():
        return roll, np.empty(0)
    middle = np.flatnonzero(mirror == np.arange(len(mirror)))
    off = shapes[:, middle].mean(axis=1) - (centres[0] + centres[1]) / 2
    return roll, (off * line).sum(axis=1) / np.square(line).sum(axis=1)


def plot_statistics(path: Path, statistics: Statistics) -> Path | None:
    """Draw the mean shape over all shapes, and a histogram of each distribution.

    Returns:
        ``path``, or None where matplotlib (extra ``plot``) is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    distributions = statistics.distributions()
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    panels = figure.subplot_mosaic(
        [["shape", "a", "b"], ["shape", "c", "d"]], width_ratios=[2, 1, 1]
    )
    shape = panels["shape"]
    if statistics.mean_shape is not None:
        points = statistics.aligned.reshape(-1, 2)
        shape.scatter(
            points[:, 0], points[:, 1], s=1, alpha=min(1.0, 2e4 / len(points)), color="tab:blue"
        )
        x, y = statistics.mean_shape.T
        shape.scatter(x, y, s=12, color="tab:orange", label="mean shape")
        shape.legend()
    shape.set(aspect="equal", title=f"{statistics.n_usable} faces, aligned")
    shape.invert_yaxis()
    shape.set_axis_off()
    for panel, (title, values) in zip("abcd", distributions.items(), strict=False):
        panels[panel].hist(values, bins=min(40, max(5, len(values) // 5)))
        panels[panel].set_title(title, fontsize=10)
        panels[panel].set_ylabel("faces")
    for panel in "abcd"[len(distributions) :]:
        panels[panel].set_axis_off()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path
