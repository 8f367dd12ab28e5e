"""Drawn faces with exact landmarks: for tests, and to try the pipeline where no data are at hand.

They are cartoons: a network trained on them finds nothing on photographs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError
from dan.core.files import building_folder
from dan.core.images import write_png
from dan.core.types import FilePath, FloatArray
from dan.datasets.formats import save_pts
from dan.geometry import Similarity
from dan.schemes import FACE68, LandmarkScheme, convert_points

_SHIFT = 4  # OpenCV draws at sixteenths of a pixel


def template_shape() -> npt.NDArray[np.float32]:
    """(68, 2) a plain frontal face in the order of face68, about 1 wide, centred on the nose."""
    angles = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 * np.cos(angles), -0.15 + 0.65 * np.sin(angles)], axis=1)
    arch = np.linspace(-1, 1, 5)
    brow = np.stack([0.13 * arch, -0.05 * (1 - arch**2)], axis=1)
    bridge = np.stack([np.zeros(4), np.linspace(-0.2, 0.08, 4)], axis=1)
    nostrils = np.stack([0.09 * arch, 0.13 + 0.02 * (1 - arch**2)], axis=1)
    eye = np.array(
        [[-0.1, 0], [-0.04, -0.04], [0.04, -0.04], [0.1, 0], [0.04, 0.04], [-0.04, 0.04]]
    )
    outer = _lips(np.linspace(np.pi, 3 * np.pi, 12, endpoint=False), 0.2, 0.09)
    inner = _lips(np.linspace(np.pi, 3 * np.pi, 8, endpoint=False), 0.14, 0.03)
    parts = [
        (jaw, 0, 0),
        (brow, -0.25, -0.27),
        (brow, 0.25, -0.27),
        (bridge, 0, 0),
        (nostrils, 0, 0),
        (eye, -0.24, -0.15),
        (eye, 0.24, -0.15),
        (outer, 0, 0.28),
        (inner, 0, 0.28),
    ]
    return np.concatenate([part + np.array([x, y]) for part, x, y in parts]).astype(np.float32)


def typical_face(scheme: LandmarkScheme) -> FloatArray | None:
    """(N, 2) :func:`template_shape` in a scheme that face68 converts to; None in another."""
    try:
        return convert_points(template_shape(), FACE68, scheme)
    except ConfigError:
        return None


def _lips(angles: FloatArray, half_width: float, half_height: float) -> FloatArray:
    lips: FloatArray = np.stack([half_width * np.cos(angles), half_height * np.sin(angles)], axis=1)
    return lips


def draw_synthetic_face(
    rng: np.random.Generator, size: int = 200
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """One random face: (size, size, 3) RGB picture and its (68, 2) landmarks, pixels."""
    shape = template_shape().astype(np.float64)
    shape[:, 0] *= rng.uniform(0.85, 1.1)
    mouth = list(FACE68.groups["outer_lips"] + FACE68.groups["inner_lips"])
    shape[mouth, 1] = 0.28 + (shape[mouth, 1] - 0.28) * rng.uniform(0.6, 1.8)
    shape[:, 0] += 0.25 * rng.normal(0, 0.25) * (0.25 - shape[:, 0] ** 2)  # turned a little
    image_from_shape = Similarity.about(
        [0.0, 0.0],
        scale=size * rng.uniform(0.42, 0.55),
        angle_deg=float(np.clip(rng.normal(0, 12), -30, 30)),
        move_to_xy=size / 2 + rng.normal(0, 0.03 * size, 2),
    )
    points = image_from_shape.apply(shape).astype(np.float32)
    return _paint(rng, points, size), points


def _paint(
    rng: np.random.Generator, points: npt.NDArray[np.float32], size: int
) -> npt.NDArray[np.uint8]:
    coarse = rng.integers(40, 220, (6, 6, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
    skin = rng.integers((90, 60, 45), (245, 205, 185))
    dark, lips = (0.25 * skin).astype(int), (0.7 * skin + [40, 0, 10]).clip(0, 255).astype(int)
    forehead = points[[0, 16]].mean(axis=0) - 0.45 * (points[8] - points[[0, 16]].mean(axis=0))
    outline = np.concatenate([points[:17], [points[26], forehead, points[17]]])
    hull = np.asarray(cv2.convexHull(outline), dtype=np.float64)[:, 0]
    _fill(image, hull, skin)
    for group in ("left_eye", "right_eye"):
        eye = points[list(FACE68.groups[group])]
        _fill(image, eye, np.array([235, 235, 235]))
        radius = 0.35 * float(np.linalg.norm(eye[1] - eye[5]))
        _fill(image, eye.mean(axis=0) + radius * _circle(), np.array([30, 25, 20]))
    _fill(image, points[list(FACE68.groups["outer_lips"])], lips)
    _fill(image, points[list(FACE68.groups["inner_lips"])], dark)
    thickness = max(1, size // 60)
    for group in ("left_brow", "right_brow", "nose_bridge", "nostrils"):
        line = _fixed(points[list(FACE68.groups[group])])
        cv2.polylines(image, [line], False, dark.tolist(), thickness, cv2.LINE_AA, _SHIFT)
    noise = rng.normal(0, 4, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def _circle() -> FloatArray:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle: FloatArray = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle


def _fixed(points: FloatArray) -> npt.NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _fill(image: npt.NDArray[np.uint8], points: FloatArray, colour: npt.NDArray[Any]) -> None:
    cv2.fillPoly(image, [_fixed(points)], colour.tolist(), cv2.LINE_AA, _SHIFT)


def write_synthetic_faces(out: FilePath, count: int, seed: int = 0, size: int = 200) -> None:
    """A new folder of faces, ``drawn_0000.png`` and ``.pts`` each; every fifth in ``testset``.

    The layout is that of 300-W: ``OUT/trainset`` and ``OUT/testset``.

    Raises:
        DataError: if ``out`` is there and not empty.
    """
    with building_folder(out) as folder:
        for name in ("trainset", "testset"):
            (folder / name).mkdir()
        for index in range(count):
            image, points = draw_synthetic_face(np.random.default_rng([seed, index]), size)
            path: Path = folder / ("testset" if index % 5 == 4 else "trainset")
            write_png(path / f"drawn_{index:04d}.png", image)
            save_pts(path / f"drawn_{index:04d}.pts", points)
