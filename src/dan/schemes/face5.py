"""Five points: centre of the left eye, of the right eye, nose tip, left and right mouth corner.

"Left" is the image's left. This is the order of MTCNN and RetinaFace, and of the five positions to
which ArcFace aligns its faces. Other sets of five points differ: those of dlib are the four corners
of the eyes and the base of the nose, so a number of points alone does not tell this scheme.
The eyes' corners are not among the points: errors are normalised by the eye centres or the box.
"""

from dan.schemes.scheme import Eyes, LandmarkScheme

FACE5 = LandmarkScheme(
    name="face5",
    point_names=("left_eye", "right_eye", "nose_tip", "left_mouth_corner", "right_mouth_corner"),
    flip_partner={
        "left_eye": "right_eye",
        "right_eye": "left_eye",
        "left_mouth_corner": "right_mouth_corner",
        "right_mouth_corner": "left_mouth_corner",
    },
    groups={"eyes": (0, 1), "nose": (2,), "mouth": (3, 4)},
    edges=((0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)),
    eyes=Eyes(left=(0,), right=(1,)),
)
