"""What scenes are made of: pictures with framed faces, and pictures without a face."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dan.core.errors import DataError
from dan.core.image_files import IMAGE_SUFFIXES
from dan.core.images import read_rgb
from dan.core.types import ColourImage, FilePath, FloatArray
from dan.datasets.face_frames import FramedPicture

LEAST_SIDE = 48
"""Shorter side below which no halved copy of a picture is kept, pixels."""


@dataclass(frozen=True)
class Source:
    """A picture in memory, at several sizes.

    Attributes:
        levels: (H, W, 3) RGB uint8 copies, each half as large as the one before; large to small.
        frames: (F, 4) of its faces, as in :class:`~dan.datasets.face_frames.FramedPicture`.
        ignored: (I, 4) likewise, of what may or may not be faces.
        place: of the picture among those of its folder, by name.
    """

    levels: tuple[ColourImage, ...]
    frames: FloatArray
    ignored: FloatArray
    place: int


@dataclass(frozen=True)
class Material:
    """Pictures to compose scenes of; at least one of each kind.

    Attributes:
        faces: pictures with faces.
        backgrounds: pictures without one.
    """

    faces: Sequence[Source]
    backgrounds: Sequence[Source]

    def __post_init__(self) -> None:
        if not self.faces or not self.backgrounds:
            raise DataError(
                "finder: expected pictures with faces and pictures without, got "
                f"{len(self.faces)} and {len(self.backgrounds)}"
            )

    def split(self, every: int) -> tuple[Material, Material]:
        """To train on, and held out: the first of ``every`` pictures of each folder, by name."""
        held_out, kept = (
            Material(
                *(
                    [source for source in of if (source.place % every == 0) is is_held]
                    for of in (self.faces, self.backgrounds)
                )
            )
            for is_held in (True, False)
        )
        return kept, held_out

    @property
    def identity(self) -> str:
        """Changes with the pictures' sizes and with the frames in them."""
        digest = hashlib.sha256()
        for source in (*self.faces, *self.backgrounds):
            digest.update(repr((source.levels[0].shape, source.frames.tolist())).encode())
        return digest.hexdigest()


def load_material(
    framed: Sequence[FramedPicture], backgrounds: FilePath, on_picture: Callable[[], None]
) -> Material:
    """Read all pictures; those with faces in the order of their paths, others by their names.

    Args:
        framed: pictures with faces.
        backgrounds: folder of pictures without a face.
        on_picture: called after each.

    Raises:
        ImageError: naming a picture that cannot be read.
        DataError: if there are none of a kind, or one of the first kind has no face.
    """
    for picture in framed:
        if not len(picture.frames):
            raise DataError(f"{picture.path}: expected a face's frame at least, got none")
    nothing = np.empty((0, 4))
    empty = [
        FramedPicture(path, nothing, nothing)
        for path in sorted(Path(backgrounds).iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]

    def load(pictures: Sequence[FramedPicture]) -> list[Source]:
        seen: Counter[Path] = Counter()
        sources = []
        ordered = sorted(pictures, key=lambda picture: picture.path.as_posix())
        read = pool.map(_levels, [picture.path for picture in ordered])
        for picture, levels in zip(ordered, read, strict=True):
            folder = picture.path.parent
            sources.append(Source(levels, picture.frames, picture.ignored, seen[folder]))
            seen[folder] += 1
            on_picture()
        return sources

    pool = ThreadPoolExecutor()
    try:
        return Material(load(framed), load(empty))
    finally:
        pool.shutdown(cancel_futures=True)


def _levels(path: Path) -> tuple[ColourImage, ...]:
    levels = [read_rgb(path)]
    while min(levels[-1].shape[:2]) >= 2 * LEAST_SIDE:
        height, width = (side // 2 * 2 for side in levels[-1].shape[:2])
        half_wh = width // 2, height // 2
        half = cv2.resize(levels[-1][:height, :width], half_wh, interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, dtype=np.uint8))
    return tuple(levels)
