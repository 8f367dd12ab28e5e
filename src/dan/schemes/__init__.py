"""Landmark schemes: what each of the N points is, as data."""

from dan.schemes.cofw29 import COFW29
from dan.schemes.conversions import (
    CONVERSIONS,
    Conversion,
    conversion_matrix,
    conversion_path,
    convert_points,
)
from dan.schemes.face5 import FACE5
from dan.schemes.face51 import FACE51
from dan.schemes.face68 import FACE68
from dan.schemes.mediapipe468 import MEDIAPIPE468
from dan.schemes.mirror import load_mirror, render_mirror
from dan.schemes.mirror_fit import MirrorFit, fit_mirror
from dan.schemes.registry import SCHEMES, SUMMARIES, scheme_by_name, scheme_of
from dan.schemes.scheme import Eyes, LandmarkScheme
from dan.schemes.scheme_file import (
    SchemeFile,
    load_scheme,
    load_scheme_file,
    parse_scheme,
    render_scheme,
)
from dan.schemes.wflw98 import WFLW98

__all__ = [
    "COFW29",
    "CONVERSIONS",
    "FACE5",
    "FACE51",
    "FACE68",
    "MEDIAPIPE468",
    "SCHEMES",
    "SUMMARIES",
    "WFLW98",
    "Conversion",
    "Eyes",
    "LandmarkScheme",
    "MirrorFit",
    "SchemeFile",
    "conversion_matrix",
    "conversion_path",
    "convert_points",
    "fit_mirror",
    "load_mirror",
    "load_scheme",
    "load_scheme_file",
    "parse_scheme",
    "render_mirror",
    "render_scheme",
    "scheme_by_name",
    "scheme_of",
]
