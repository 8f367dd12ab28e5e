"""Plane geometry of landmarks, boxes and images: NumPy and OpenCV, no torch."""

from dan.geometry.boxes import (
    box_centre,
    box_of_points,
    box_overlap,
    box_size_wh,
    with_position,
)
from dan.geometry.point_errors import ellipse_radius, within_probability
from dan.geometry.procrustes import align_shape, mean_shape_of
from dan.geometry.similarity import Similarity, estimate_similarity
from dan.geometry.warp import flip_image, flip_points, resize_transform, warp_image

__all__ = [
    "Similarity",
    "align_shape",
    "box_centre",
    "box_of_points",
    "box_overlap",
    "box_size_wh",
    "ellipse_radius",
    "estimate_similarity",
    "flip_image",
    "flip_points",
    "mean_shape_of",
    "resize_transform",
    "warp_image",
    "with_position",
    "within_probability",
]
