"""The 68 points of Multi-PIE / 300-W (Sagonas et al. 2013), 0-based; "left" is the image's left."""

from dan.schemes.scheme import Eyes, LandmarkScheme

_GROUPS = {
    "jaw": range(17),
    "left_brow": range(17, 22),
    "right_brow": range(22, 27),
    "nose_bridge": range(27, 31),
    "nostrils": range(31, 36),
    "left_eye": range(36, 42),
    "right_eye": range(42, 48),
    "outer_lips": range(48, 60),
    "inner_lips": range(60, 68),
}
_CLOSED = ("left_eye", "right_eye", "outer_lips", "inner_lips")

_NAMES = tuple(
    f"{group}_{place}" for group, indices in _GROUPS.items() for place in range(len(indices))
)

# Each row: the points of one side, and their partners on the other. A point facing itself lies on
# the middle line (chin, bridge, nose tip, middle of the lips).
_PARTNERS = (
    (range(17), range(16, -1, -1)),
    (range(17, 27), range(26, 16, -1)),
    (range(27, 31), range(27, 31)),
    (range(31, 36), range(35, 30, -1)),
    ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46)),
    ((42, 43, 44, 45, 46, 47), (39, 38, 37, 36, 41, 40)),
    (range(48, 55), range(54, 47, -1)),
    (range(55, 60), range(59, 54, -1)),
    (range(60, 65), range(64, 59, -1)),
    (range(65, 68), range(67, 64, -1)),
)

_EDGES = tuple(
    (index, indices[0] if index == indices[-1] else index + 1)
    for group, indices in _GROUPS.items()
    for index in indices
    if group in _CLOSED or index != indices[-1]
)

FACE68 = LandmarkScheme(
    name="face68",
    point_names=_NAMES,
    flip_partner={
        _NAMES[point]: _NAMES[partner]
        for points, partners in _PARTNERS
        for point, partner in zip(points, partners, strict=True)
    },
    groups={group: tuple(indices) for group, indices in _GROUPS.items()},
    edges=_EDGES,
    eyes=Eyes(
        left=tuple(_GROUPS["left_eye"]),
        right=tuple(_GROUPS["right_eye"]),
        outer_corners=(36, 45),
    ),
)
