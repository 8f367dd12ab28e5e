"""The one way from the faces of a picture to canonical crops, and from crops back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dan.core.types import ColourImage, GreyImage
from dan.geometry import Similarity
from dan.geometry.cropping import crop_from_box, crop_from_points, extract_crop
from dan.inference.landmark_model import CropLandmarks, LandmarkModel


@dataclass(frozen=True)
class CropBatch:
    """Canonical crops of F faces, and where they were cut.

    Attributes:
        crops: (F, S, S) uint8 grey levels, as a :class:`LandmarkModel` takes them.
        crop_from_image: F transforms from pixels of the picture to those of the crop.
    """

    crops: npt.NDArray[np.uint8]
    crop_from_image: tuple[Similarity, ...]

    @classmethod
    def cut(
        cls,
        picture: ColourImage | GreyImage,
        model: LandmarkModel,
        *,
        boxes_xyxy: npt.ArrayLike = (),
        rolls_deg: npt.ArrayLike | None = None,
        points_xy: npt.ArrayLike = (),
    ) -> CropBatch:
        """Cut the faces in boxes, the mean shape fitted into each, or those at points, upright.

        Args:
            picture: (H, W, 3) RGB or (H, W) grey, uint8. Only what the crops see becomes grey.
            model: what the crops are for: it says their size and where the face belongs.
            boxes_xyxy: (F, 4) boxes that the landmarks should fill, pixels of the picture.
            rolls_deg: (F,) how far each is turned, see :class:`~dan.Detections`; None: none is.
            points_xy: (F, N, 2) landmarks to start from, likewise, in place of boxes.

        Raises:
            ShapeError: if an array has another shape, or a box spans no area.
            DegenerateShapeError: if the points of a face coincide.
        """
        mean_shape, size = model.mean_shape, model.crop_size
        boxes = np.asarray(boxes_xyxy)
        rolls = np.zeros(len(boxes)) if rolls_deg is None else np.asarray(rolls_deg)
        moves = [
            crop_from_box(box, mean_shape, float(roll))
            for box, roll in zip(boxes, rolls, strict=True)
        ]
        moves += [crop_from_points(points, mean_shape) for points in np.asarray(points_xy)]
        crops = [extract_crop(picture, move, size, to_grey=picture.ndim == 3) for move in moves]
        return cls(np.array(crops, dtype=np.uint8).reshape(-1, size, size), tuple(moves))

    @classmethod
    def joined(cls, batches: Sequence[CropBatch]) -> CropBatch:
        """Crops of several pictures as one batch; at least one."""
        moves = tuple(move for batch in batches for move in batch.crop_from_image)
        return cls(np.concatenate([batch.crops for batch in batches]), moves)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.crop_from_image)

    def part(self, places: slice) -> CropBatch:
        """Some of the crops."""
        return CropBatch(self.crops[places], self.crop_from_image[places])

    def seen_anew(
        self, places: Sequence[int], *, scale: float = 1.0, angle_deg: float = 0.0
    ) -> CropBatch:
        """Some of the crops, scaled and turned about their centres; edges are repeated."""
        size = self.crops.shape[-1]
        move = Similarity.about([(size - 1) / 2] * 2, scale=scale, angle_deg=angle_deg)
        crops = [extract_crop(self.crops[place], move, size) for place in places]
        moves = tuple(move @ self.crop_from_image[place] for place in places)
        return CropBatch(np.array(crops, dtype=np.uint8).reshape(-1, size, size), moves)

    def to_picture(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Bring (..., F, N, 2) points of the crops to pixels of the picture of each."""
        moved = np.empty(points.shape, dtype=np.float32)
        for face, crop_from_image in enumerate(self.crop_from_image):
            own = points[..., face, :, :]
            flat = crop_from_image.inverse().apply(own.reshape(-1, 2))
            moved[..., face, :, :] = flat.reshape(own.shape)
        return moved

    def found_by(self, model: LandmarkModel) -> CropLandmarks:
        """What a model finds in the crops, in pixels of the picture of each."""
        found = model(self.crops)
        estimates = self.to_picture(found.estimates())
        stages = None if found.stages is None else estimates
        moved = replace(found, points=estimates[-1], stages=stages)
        if found.covariance is not None:
            spread = found.covariance.copy()
            for face, crop_from_image in enumerate(self.crop_from_image):
                spread[face] = crop_from_image.inverse().apply_to_covariance(spread[face])
            moved = replace(moved, covariance=spread)
        return moved
