"""The 29 points of COFW (Burgos-Artizzu et al. 2013), 0-based; "left" is the image's left.

They are the first 29 of LFPW's (Belhumeur et al. 2011), the last of those the chin. The order runs
from feature to feature and alternates between the sides; LFPW's names of the points say which is
which. The flip partners agree with those of mmpose's ``configs/_base_/datasets/cofw.py``.
"""

from dan.schemes.grouped import grouped_scheme
from dan.schemes.scheme import Eyes

COFW29 = grouped_scheme(
    "cofw29",
    {
        "left_brow": (0, 4, 2, 5),  # outer end, middle of the upper edge, inner end, lower edge
        "right_brow": (3, 6, 1, 7),
        "left_eye": (8, 12, 10, 13),  # outer corner, upper lid, inner corner, lower lid
        "right_eye": (11, 14, 9, 15),
        "left_pupil": (16,),
        "right_pupil": (17,),
        "nose": (18, 20, 19, 21),  # left wing, tip, right wing, base
        "outer_lips": (22, 24, 23, 27),  # left corner, upper edge, right corner, lower edge
        "inner_lips": (25, 26),  # lower edge of the upper lip, upper edge of the lower one
        "chin": (28,),
    },
    closed=("left_brow", "right_brow", "left_eye", "right_eye", "nose", "outer_lips"),
    partners=(
        ((0, 2, 4, 5), (1, 3, 6, 7)),
        ((8, 10, 12, 13), (9, 11, 14, 15)),
        ((16, 18, 22), (17, 19, 23)),
    ),
    eyes=Eyes(left=(8, 12, 10, 13), right=(11, 14, 9, 15), outer_corners=(8, 9)),
)
