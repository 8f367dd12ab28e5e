"""A data set cut in two, the same picture never on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError
from dan.datasets.formats import AnnotationSet


def split_images(
    names: Sequence[str],
    twins: Sequence[tuple[int, int]],
    *,
    every: int | None = None,
    share: float | None = None,
    seed: int = 1,
) -> npt.NDArray[np.bool_]:
    """(I,) which images are held out.

    Args:
        names: I image names.
        twins: pairs of places of images that show the same: both go where the first by name goes.
        every: hold out each ``every``-th by sorted name, as :meth:`FacePack.split` does.
        share: or this share of them, drawn at random.

    Raises:
        ConfigError: unless one of ``every`` and ``share`` is given and in range, and there are at
            least two images.
    """
    if len(names) < 2:
        raise ConfigError(f"split: expected at least 2 images, got {len(names)}")
    order = sorted(range(len(names)), key=names.__getitem__)
    if every is not None and share is None:
        if not 2 <= every <= len(names):
            raise ConfigError(f"every: expected 2..{len(names)}, the number of images, got {every}")
        chosen = order[every - 1 :: every]
    elif share is not None and every is None:
        if not 0 < share < 1:
            raise ConfigError(f"share: expected a number between 0 and 1, got {share:g}")
        count = max(1, round(share * len(names)))
        places = np.random.default_rng(seed).choice(len(names), count, replace=False)
        chosen = [order[place] for place in places]
    else:
        raise ConfigError("split: expected every N-th image or a share of them, one of the two")
    held_out = np.zeros(len(names), dtype=np.bool_)
    held_out[chosen] = True
    leader = _leaders(order, twins)
    return held_out[leader]


def _leaders(order: Sequence[int], twins: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """(I,) the first by name of each image's group of twins."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[list(order)] = np.arange(len(order))
    leader = np.arange(len(order))

    def root(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = int(leader[place])
        return place

    for pair in twins:
        first, second = sorted(map(root, pair), key=rank.__getitem__)
        leader[second] = first
    return np.array([root(place) for place in range(len(order))])


def select_images(annotations: AnnotationSet, wanted: npt.NDArray[np.bool_]) -> AnnotationSet:
    """The wanted images, (I,) bool, and their faces; the others are no longer listed."""
    faces = annotations.select(wanted[annotations.image_index])
    new_place = np.cumsum(wanted) - 1
    return AnnotationSet.build(
        [name for name, keep in zip(annotations.image_names, wanted, strict=True) if keep],
        new_place[faces.image_index],
        faces.points,
        visibility=faces.visibility,
        boxes_xyxy=faces.boxes_xyxy,
        ignore=faces.ignore,
        image_sizes_wh=annotations.image_sizes_wh[wanted],
        attributes=faces.attributes,
        scheme=faces.scheme,
    )
