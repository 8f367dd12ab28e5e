"""The 468 vertices of MediaPipe's face mesh; "left" is the image's left.

Only the eyes' lids are named here, from the mesh's published outlines (``FACEMESH_LEFT_EYE`` and
``FACEMESH_RIGHT_EYE``, whose sides are the person's); what else is known of the vertices stands in
the conversion to face68. Of the refined mesh of 478 points, these are the first 468. Flip partners
are not given: ``dan scheme infer`` finds them.
"""

from dan.schemes.scheme import Eyes, LandmarkScheme

_LEFT_EYE = (33, 160, 158, 133, 153, 144)
_RIGHT_EYE = (362, 385, 387, 263, 373, 380)

MEDIAPIPE468 = LandmarkScheme(
    name="mediapipe468",
    point_names=tuple(f"vertex_{index:03d}" for index in range(468)),
    groups={"left_eye": _LEFT_EYE, "right_eye": _RIGHT_EYE},
    eyes=Eyes(left=_LEFT_EYE, right=_RIGHT_EYE, outer_corners=(33, 263)),
)
