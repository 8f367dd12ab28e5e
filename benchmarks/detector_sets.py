"""The pictures that ``benchmarks/detectors.py`` measures on; none was trained on.

- ``turned``: the faces of HELEN test, the picture turned clockwise about its centre. The canvas
  grows so that nothing is cut off; what the picture does not cover is black. Shrunk to the same
  longer side, a face is then smaller, by 1.4 at most.
- ``spoilt``: the same pictures with a quarter of their light and noise of 8 levels, and blurred
  by 4 % of the face's size (standard deviations).
- ``scenes``: pictures of 640 x 480 pixels composed of faces of HELEN test, of sizes between two
  bounds: by turns with a soft edge on a held-out faceless picture, and side by side with what
  surrounds them. ``scenes-turned``: the same, each turned by any angle. Seeds are fixed.
- ``aflw``: every tenth picture that has points, by sorted name, by yaw. As profiles hide an eye
  corner, errors are divided by what the mean shape has between them at the face's size.
- ``faceless``: every tenth picture by sorted name, as it is (longer side at most 400 pixels), and
  enlarged to a longer side of 640.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from dan.core.errors import DataError
from dan.core.images import read_rgb
from dan.core.types import ColourImage, Points
from dan.datasets.annotated import find_annotated
from scenes import Scene, TrueFace, blurred, composed, darkened, turned

HELD_OUT = slice(None, None, 10)
"""Of sorted names."""

ANGLES_DEG = (0, 30, 45, 60, 90, 135, 180)
BANDS_PX = ((12, 24), (24, 48), (48, 96))
YAWS_DEG = ((0, 30), (30, 60), (60, 100))
"""The largest is 96."""

Scenes = Callable[[], Iterator[Scene]]
"""Reads or makes them anew each time."""


@dataclass(frozen=True)
class DetectorSets:
    """The sets of a data folder.

    Args:
        data: holds 300w/, aflw/ and faceless/.
        mean_shape: (68, 2) of the model; says what upright is.
        every: one in so many of the faces of HELEN test.
    """

    data: Path
    mean_shape: Points
    every: int = 1

    def of_faces(self) -> dict[str, dict[str, Scenes]]:
        """By name: the columns of each set's table."""
        return {
            "turned": {f"{angle}°": partial(self.turned, angle) for angle in ANGLES_DEG},
            "spoilt": {
                "dark, noisy": partial(self.spoilt, darkened),
                "blurred": partial(self.spoilt, blurred),
            },
            "scenes": self._bands(any_angle=False),
            "scenes-turned": self._bands(any_angle=True),
            "aflw": {f"yaw {low}–{high}°": partial(self.aflw, low, high) for low, high in YAWS_DEG},
        }

    def without_faces(self) -> dict[str, Scenes]:
        """The columns of the table of what is found where there is nothing."""
        return {"as they are": self.faceless, "640 px": partial(self.faceless, longer_side=640)}

    def turned(self, angle_deg: float = 0.0) -> Iterator[Scene]:
        """HELEN test."""
        for path, face in self._helen():
            picture, move = turned(read_rgb(path), angle_deg)
            yield Scene(picture, (TrueFace.of(move.apply(face.points_xy), self.mean_shape),))

    def spoilt(self, spoil: Callable[[ColourImage, float], ColourImage]) -> Iterator[Scene]:
        """HELEN test, by what takes a picture and the size of the face."""
        for path, face in self._helen():
            yield Scene(spoil(read_rgb(path), face.size), (face,))

    def scenes(self, sizes: tuple[int, int], *, any_angle: bool) -> Iterator[Scene]:
        """Every face of HELEN test once."""
        waiting = [(partial(read_rgb, path), face) for path, face in self._helen()]
        grounds = self._faceless_files()
        rng = np.random.default_rng([*sizes, any_angle])
        for turn in count():
            if not waiting:
                return
            scene = composed(
                read_rgb(grounds[turn % len(grounds)]), waiting, sizes, self.mean_shape, rng,
                any_angle=any_angle, side_by_side=turn % 2 == 1,
            )  # fmt: skip
            waiting = waiting[len(scene.faces) :]
            yield scene

    def aflw(self, low: float, high: float) -> Iterator[Scene]:
        """Those whose yaw is from ``low`` to below ``high`` degrees, to either side."""
        table = self.data / "aflw" / "points.npz"
        if not table.is_file():
            raise DataError(f"{table}: expected the points of aflw/, found none")
        labels = np.load(table)
        names, yaws, points = (labels[key] for key in ("name", "yaw", "points_xy"))
        for place in np.argsort(names)[HELD_OUT]:
            if low <= abs(yaws[place]) < high:
                picture = read_rgb(self.data / "aflw" / "images" / str(names[place]))
                face = TrueFace.of(points[place], self.mean_shape)
                yield Scene(picture, (face.with_length_by_size(self.mean_shape),))

    def faceless(self, longer_side: int | None = None) -> Iterator[Scene]:
        """Held-out pictures without a face."""
        for path in self._faceless_files():
            picture = read_rgb(path)
            if longer_side is not None:
                scale = longer_side / max(picture.shape[:2])
                picture = cv2.resize(picture, None, fx=scale, fy=scale)
            yield Scene(picture)

    def _helen(self) -> list[tuple[Path, TrueFace]]:
        images = find_annotated(self.data / "300w" / "helen" / "testset")[:: self.every]
        return [
            (image.image_path, TrueFace.of(image.load_points(), self.mean_shape))
            for image in images
        ]

    def _faceless_files(self) -> list[Path]:
        files = sorted((self.data / "faceless").glob("*.jpg"))[HELD_OUT]
        if not files:
            raise DataError(f"{self.data / 'faceless'}: expected .jpg pictures, found none")
        return files

    def _bands(self, *, any_angle: bool) -> dict[str, Scenes]:
        return {
            f"{low}–{high} px": partial(self.scenes, (low, high), any_angle=any_angle)
            for low, high in BANDS_PX
        }
