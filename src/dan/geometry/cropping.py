"""From an image and an initial box (or points) to the canonical crop and back.

Training, evaluation and prediction all crop here. Face packs and the old scripts' samples are cut
before a mean shape is known, so they are placed by their landmarks' box alone, where they are made.
"""

import numpy.typing as npt

from dan.core.types import ColourImage, GreyImage, Points
from dan.geometry.boxes import box_centre
from dan.geometry.mean_shape import box_from_shape
from dan.geometry.similarity import Similarity, estimate_similarity
from dan.geometry.warp import warp_image


def crop_from_box(
    box_xyxy: npt.ArrayLike, mean_shape_crop: Points, roll_deg: float = 0.0
) -> Similarity:
    """``crop_from_image`` for a face box: the mean shape fitted into the box goes to its place.

    Args:
        box_xyxy: (4,) box of the landmarks of the upright face, pixels of the image.
        mean_shape_crop: (N, 2) mean shape, pixels of the crop.
        roll_deg: how far the box is turned about its centre, as :class:`Similarity` turns.
    """
    upright = box_from_shape(mean_shape_crop, box_xyxy)
    if not roll_deg:
        return upright.inverse()
    return (Similarity.about(box_centre(box_xyxy), angle_deg=roll_deg) @ upright).inverse()


def crop_from_points(points: Points, mean_shape_crop: Points) -> Similarity:
    """``crop_from_image`` that brings (N, 2) image points nearest to the mean shape."""
    return estimate_similarity(points, mean_shape_crop)


def extract_crop(
    image: GreyImage | ColourImage,
    crop_from_image: Similarity,
    crop_size: int,
    *,
    to_grey: bool = False,
) -> GreyImage | ColourImage:
    """The (crop_size, crop_size) crop of an (H, W) grey or (H, W, 3) RGB image.

    With ``to_grey`` only the part of a colour image that the crop sees is turned into grey levels.
    """
    return warp_image(image, crop_from_image, (crop_size, crop_size), to_grey=to_grey)
