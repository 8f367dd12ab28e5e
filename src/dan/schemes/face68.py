"""The 68 points of Multi-PIE / 300-W (Sagonas et al. 2013), 0-based; "left" is the image's left."""

from dan.schemes.grouped import grouped_scheme
from dan.schemes.scheme import Eyes

_LEFT_EYE = range(36, 42)
_RIGHT_EYE = range(42, 48)

FACE68 = grouped_scheme(
    "face68",
    {
        "jaw": range(17),
        "left_brow": range(17, 22),
        "right_brow": range(22, 27),
        "nose_bridge": range(27, 31),
        "nostrils": range(31, 36),
        "left_eye": _LEFT_EYE,
        "right_eye": _RIGHT_EYE,
        "outer_lips": range(48, 60),
        "inner_lips": range(60, 68),
    },
    closed=("left_eye", "right_eye", "outer_lips", "inner_lips"),
    partners=(
        (range(17), range(16, -1, -1)),
        (range(17, 27), range(26, 16, -1)),
        (range(31, 36), range(35, 30, -1)),
        ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46)),
        (range(48, 55), range(54, 47, -1)),
        (range(55, 60), range(59, 54, -1)),
        (range(60, 65), range(64, 59, -1)),
        (range(65, 68), range(67, 64, -1)),
    ),
    eyes=Eyes(left=tuple(_LEFT_EYE), right=tuple(_RIGHT_EYE), outer_corners=(36, 45)),
)
