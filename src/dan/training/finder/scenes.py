"""Scenes for the face finder, composed on the fly: faces of any size, at any angle, in any light.

A scene is a background and a grid of patches on it. Each patch shows one picture, turned, mirrored
and scaled so that one of its faces has the size and the roll that were drawn for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.types import ColourImage, FloatArray
from dan.training.finder.effects import cover, develop, wash
from dan.training.finder.material import Material, Source
from dan.training.finder.recipe import SceneSettings

FACE, IGNORED, NOTHING = 1, 0, -1
"""What a row of :attr:`Scene.faces` stands for."""

SHOWN, HALF_SHOWN = 0.55, 0.15
"""Share of a face's square that must be visible: to be a face, and to be ignored."""

SHARPEST = 1.5
"""Times that a face may be enlarged, where there are larger ones."""


@dataclass(frozen=True)
class Scene:
    """A picture and the faces in it.

    Attributes:
        picture: (S, S, 3) RGB uint8.
        faces: (G, 5) float32: x, y, side, roll in radians, and what it is: :data:`FACE` or
            :data:`IGNORED`.
    """

    picture: ColourImage
    faces: npt.NDArray[np.float32]


class Composer:
    """Composes scenes; each is a function of its seed.

    Args:
        material: the pictures.
        settings: how scenes look.
        hardness: (n_backgrounds,) how often each background is taken, relative to the others.
    """

    def __init__(
        self, material: Material, settings: SceneSettings, hardness: FloatArray | None = None
    ) -> None:
        self.material, self.settings = material, settings
        count = len(material.backgrounds)
        weights = np.ones(count) if hardness is None else hardness
        self.shares = np.cumsum(weights / weights.sum())
        sides = np.array([source.frames[:, 2].max() for source in material.faces])
        order = np.argsort(sides, kind="stable")
        self.by_side, self.sides = order, sides[order]
        # Large pictures, which show what is around a face, are taken more often than small ones.
        lengths = np.array([max(source.levels[0].shape[:2]) for source in material.faces])
        self.taken = np.cumsum(lengths[order])

    def compose(self, *seed: int) -> Scene:
        """The scene of a seed."""
        rng, settings = np.random.default_rng(seed), self.settings
        size = settings.size
        canvas = self._background(rng, size, size)
        rows: list[tuple[float, ...]] = []
        is_empty = rng.random() < settings.empty
        per_side = int(rng.choice(len(settings.grid), p=_shares(settings.grid))) + 1
        edges = np.linspace(0, size, per_side + 1).round().astype(int).tolist()
        for top, bottom in pairwise(edges):
            for left, right in pairwise(edges):
                patch = canvas[top:bottom, left:right]
                if is_empty:
                    if per_side > 1:
                        patch[:] = self._background(rng, right - left, bottom - top)
                elif per_side == 1 or rng.random() < settings.filled:
                    found = self._show_face(rng, patch, alone=per_side == 1)
                    rows += [(x + left, y + top, *rest) for x, y, *rest in found]
        faces = np.array(rows, dtype=np.float32).reshape(-1, 5)
        for x, y, side, _, kind in faces:
            if kind == FACE and rng.random() < settings.cover:
                cover(rng, canvas, x, y, side)
        return Scene(develop(rng, canvas, settings), faces)

    def _background(self, rng: np.random.Generator, width: int, height: int) -> ColourImage:
        """A part of a picture without a face, turned and scaled at random; now and then a wash."""
        if rng.random() < self.settings.plain:
            return wash(rng, width, height)
        place = min(int(np.searchsorted(self.shares, rng.random())), len(self.shares) - 1)
        source = self.material.backgrounds[place]
        shape = source.levels[0].shape
        fitting = max(width / shape[1], height / shape[0])
        scale = fitting * math.exp(rng.uniform(math.log(0.5), math.log(2.0)))
        angle = rng.uniform(0, 2 * math.pi) if rng.random() < 0.5 else 0.0
        spare = 0.5 * np.maximum(
            np.array([shape[1], shape[0]]) - np.array([width, height]) / scale, 0
        )
        centre = np.array([shape[1], shape[0]]) / 2 + rng.uniform(-1, 1, 2) * spare
        middle, is_mirrored = np.array([width, height]) / 2, rng.random() < 0.5
        view = _View.about(centre, middle, scale, angle, is_mirrored)
        return view.picture(source, (width, height), border=cv2.BORDER_REFLECT_101)[0]

    def _show_face(
        self, rng: np.random.Generator, patch: ColourImage, *, alone: bool
    ) -> list[tuple[float, ...]]:
        """Draw a picture with faces into the patch; rows of its faces, pixels of the patch."""
        settings = self.settings
        height, width = patch.shape[:2]
        if alone:
            largest = settings.largest * settings.size
            # Large faces are taken more often: the small ones are in the grids.
            least, most = math.log(settings.smallest), math.log(largest)
            side = math.exp(rng.triangular(least, most, most)) if least < most else largest
        else:
            least = max(settings.smallest, 0.25 * width)
            side = math.exp(rng.uniform(math.log(least), math.log(max(0.95 * width, least))))
        source = self._with_face(rng, side / SHARPEST)
        x, y, own_side, roll_deg = source.frames[np.argmax(source.frames[:, 2])]
        is_upright = rng.random() < settings.upright
        roll = math.radians(rng.normal(0, 15)) if is_upright else rng.uniform(-math.pi, math.pi)
        is_mirrored = rng.random() < 0.5
        scale = side / own_side
        own_roll = math.radians(-roll_deg if is_mirrored else roll_deg)
        margin = min(0.3 * side, 0.5 * min(width, height))
        if alone and rng.random() < settings.cut:
            margin = 0.0
        to = rng.uniform([margin, margin], [width - margin, height - margin])
        view = _View.about(np.array([x, y]), to, scale, roll - own_roll, is_mirrored)
        is_bare = rng.random() < settings.bare
        shown, covered = view.picture(source, (width, height), is_bare=is_bare)
        np.copyto(patch, shown, where=covered[..., None])
        rows = []
        for frames, kind in ((source.frames, FACE), (source.ignored, IGNORED)):
            for frame in frames:
                rows += _seen(frame, kind, view, covered, settings.smallest)
        return rows

    def _with_face(self, rng: np.random.Generator, least: float) -> Source:
        """A picture whose largest face has at least this side; one of the largest otherwise."""
        first = min(int(np.searchsorted(self.sides, least)), len(self.sides) * 7 // 8)
        below = float(self.taken[first - 1]) if first else 0.0
        place = int(np.searchsorted(self.taken, rng.uniform(below, float(self.taken[-1]))))
        return self.material.faces[int(self.by_side[min(place, len(self.by_side) - 1)])]


def _shares(weights: tuple[float, ...]) -> FloatArray:
    return np.array(weights) / sum(weights)


@dataclass(frozen=True)
class _View:
    """How a patch shows a picture: perhaps mirrored left-right, then scaled, turned and shifted.

    Attributes:
        patch_from_picture: (2, 3) matrix.
        scale: pixels of the patch a pixel of the picture.
        is_mirrored: whether left and right are swapped.
    """

    patch_from_picture: FloatArray
    scale: float
    is_mirrored: bool

    @classmethod
    def about(
        cls, centre: FloatArray, to: FloatArray, scale: float, angle: float, is_mirrored: bool
    ) -> _View:
        """Turned about ``centre``, which goes to ``to``."""
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]])
        if is_mirrored:
            matrix[:, 0] *= -1
        return cls(np.column_stack([matrix, to - matrix @ centre]), scale, is_mirrored)

    def frame(self, frame: FloatArray) -> tuple[float, float, float, float]:
        """A frame of the picture, x, y, side and roll in degrees, in the patch; roll in radians."""
        move = self.patch_from_picture
        x, y = move[:, :2] @ frame[:2] + move[:, 2]
        turn = math.atan2(move[1, 1], move[0, 1]) - math.pi / 2  # of the y axis: never mirrored
        roll = turn + math.radians(-frame[3] if self.is_mirrored else frame[3])
        return x, y, frame[2] * self.scale, math.remainder(roll, 2 * math.pi)

    def picture(
        self,
        source: Source,
        size_wh: tuple[int, int],
        *,
        border: int = cv2.BORDER_CONSTANT,
        is_bare: bool = False,
    ) -> tuple[ColourImage, npt.NDArray[np.bool_]]:
        """The patch, and where the picture covers it (with ``is_bare``: everywhere)."""
        shrunk = max(int(math.log2(1 / self.scale)), 0) if self.scale < 1 else 0
        level = min(shrunk, len(source.levels) - 1)
        picture, factor = source.levels[level], 2.0**level
        # From pixels of the smaller copy, whose pixel i covers pixels f·i .. f·i + f - 1.
        linear = self.patch_from_picture[:, :2]
        shift = self.patch_from_picture[:, 2] + linear @ np.full(2, (factor - 1) / 2)
        own = np.column_stack([linear * factor, shift])
        shown = cv2.warpAffine(picture, own, size_wh, flags=cv2.INTER_LINEAR, borderMode=border)
        covered = np.ones(shown.shape[:2], dtype=bool)
        if border == cv2.BORDER_CONSTANT and not is_bare:
            height, width = picture.shape[:2]
            corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
            polygon = np.round(corners @ own[:, :2].T + own[:, 2]).astype(np.int32)
            mask = np.zeros(shown.shape[:2], dtype=np.uint8)
            cv2.fillConvexPoly(mask, polygon, 1)
            covered = mask.astype(bool)
        return np.asarray(shown, dtype=np.uint8), covered


def _seen(
    frame: FloatArray, kind: int, view: _View, covered: npt.NDArray[np.bool_], smallest: float
) -> list[tuple[float, ...]]:
    """The row of a face in the patch, or none where next to nothing of it is seen."""
    x, y, side, roll = view.frame(frame)
    half = side / 2
    y0, y1 = np.clip([y - half, y + half], 0, covered.shape[0]).round().astype(int)
    x0, x1 = np.clip([x - half, x + half], 0, covered.shape[1]).round().astype(int)
    share = covered[y0:y1, x0:x1].sum() / max(side * side, 1.0)
    if share < HALF_SHOWN:
        return []
    is_face = kind == FACE and share >= SHOWN and side >= 0.95 * smallest
    return [(x, y, side, roll, FACE if is_face else IGNORED)]
