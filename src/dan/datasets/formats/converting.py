"""Annotated faces of one scheme as those of another."""

from dataclasses import replace

import numpy as np

from dan.datasets.formats.annotations import HIDDEN, UNKNOWN, VISIBLE, AnnotationSet
from dan.schemes import LandmarkScheme, conversion_matrix, convert_points


def convert_annotations(faces: AnnotationSet, target: LandmarkScheme) -> AnnotationSet:
    """The faces with the points of another scheme; everything else stays.

    A point is unknown if one that it is computed from is unknown, else hidden if one of them is.

    Args:
        faces: of a scheme that has a conversion to ``target``; if they do not say which, that of
            their number of points is taken.
        target: what is wanted.

    Raises:
        ConfigError: if no conversion leads there.
        DataError: if the faces have no points at all.
    """
    source = faces.or_plain_scheme()
    points = convert_points(faces.points, source, target)
    needed = (conversion_matrix(source, target) != 0).T.astype(np.float64)  # (N, M)
    missing = (faces.visibility == UNKNOWN) @ needed > 0  # (F, M)
    hidden = (faces.visibility == HIDDEN) @ needed > 0
    visibility = np.where(missing, UNKNOWN, np.where(hidden, HIDDEN, VISIBLE))
    return replace(faces, points=points, visibility=visibility.astype(np.uint8), scheme=target)
