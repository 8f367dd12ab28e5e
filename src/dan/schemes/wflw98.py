"""The 98 points of WFLW (Wu et al. 2018, "Look at Boundary"), 0-based; "left" is the image's left.

A brow is a closed outline: five points along its upper edge and four along the lower one. An eye is
an outline of eight, from corner to corner along the upper lid and back. 96 and 97 are the pupils.
The flip partners agree with those of mmpose's ``configs/_base_/datasets/wflw.py``.
"""

from dan.schemes.grouped import grouped_scheme
from dan.schemes.scheme import Eyes

_LEFT_EYE = range(60, 68)
_RIGHT_EYE = range(68, 76)

WFLW98 = grouped_scheme(
    "wflw98",
    {
        "jaw": range(33),
        "left_brow": range(33, 42),
        "right_brow": range(42, 51),
        "nose_bridge": range(51, 55),
        "nostrils": range(55, 60),
        "left_eye": _LEFT_EYE,
        "right_eye": _RIGHT_EYE,
        "outer_lips": range(76, 88),
        "inner_lips": range(88, 96),
        "left_pupil": (96,),
        "right_pupil": (97,),
    },
    closed=("left_brow", "right_brow", "left_eye", "right_eye", "outer_lips", "inner_lips"),
    partners=(
        (range(33), range(32, -1, -1)),
        (range(33, 38), range(46, 41, -1)),
        (range(38, 42), range(50, 46, -1)),
        (range(55, 60), range(59, 54, -1)),
        (range(60, 65), range(72, 67, -1)),
        (range(65, 68), range(75, 72, -1)),
        (range(76, 83), range(82, 75, -1)),
        (range(83, 88), range(87, 82, -1)),
        (range(88, 93), range(92, 87, -1)),
        (range(93, 96), range(95, 92, -1)),
        ((96,), (97,)),
    ),
    eyes=Eyes(left=tuple(_LEFT_EYE), right=tuple(_RIGHT_EYE), outer_corners=(60, 72)),
)
