"""The schemes that are known by name."""

from types import MappingProxyType

from dan.schemes.cofw29 import COFW29
from dan.schemes.face5 import FACE5
from dan.schemes.face51 import FACE51
from dan.schemes.face68 import FACE68
from dan.schemes.mediapipe468 import MEDIAPIPE468
from dan.schemes.scheme import LandmarkScheme
from dan.schemes.wflw98 import WFLW98

SCHEMES = MappingProxyType(
    {scheme.name: scheme for scheme in (FACE68, FACE51, WFLW98, COFW29, FACE5, MEDIAPIPE468)}
)
"""Name -> scheme."""

SUMMARIES = MappingProxyType(
    {
        "face68": "Multi-PIE and 300-W: jaw, brows, nose, eyes, lips",
        "face51": "face68 without the jaw",
        "wflw98": "WFLW: outlines, brows of nine points, pupils",
        "cofw29": "COFW and LFPW: corners and middles, pupils, chin",
        "face5": "eye centres, nose tip, mouth corners, as MTCNN and ArcFace order them",
        "mediapipe468": "MediaPipe's face mesh",
    }
)
"""Name -> what it is, one line."""

# All published sets of so many points mean the same points. Five do not (see face5): a mirror taken
# from the wrong one would spoil a training without a word.
_BY_COUNT = {s.n_landmarks: s for s in SCHEMES.values() if s is not FACE5}


def scheme_of(n_landmarks: int) -> LandmarkScheme:
    """The scheme of so many points when nobody says more, or plain points.

    68, 51, 98, 29 and 468 points are taken for the one published scheme of that number; 5 stay
    plain, because several orders of five points are about.
    """
    return _BY_COUNT.get(n_landmarks) or LandmarkScheme.plain(n_landmarks)
