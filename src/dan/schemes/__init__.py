"""Landmark schemes: what each of the N points is, as data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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
from dan.schemes.registry import SCHEMES, SUMMARIES, scheme_of
from dan.schemes.scheme import Eyes, LandmarkScheme
from dan.schemes.wflw98 import WFLW98

if TYPE_CHECKING:
    from dan.schemes.mirror_fit import MirrorFit as MirrorFit
    from dan.schemes.mirror_fit import fit_mirror as fit_mirror
    from dan.schemes.scheme_file import SchemeFile as SchemeFile
    from dan.schemes.scheme_file import load_scheme as load_scheme
    from dan.schemes.scheme_file import load_scheme_file as load_scheme_file
    from dan.schemes.scheme_file import parse_scheme as parse_scheme
    from dan.schemes.scheme_file import render_scheme as render_scheme

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
    "scheme_of",
]

_LATER = {
    "MirrorFit": "mirror_fit",
    "fit_mirror": "mirror_fit",
    "SchemeFile": "scheme_file",
    "load_scheme": "scheme_file",
    "load_scheme_file": "scheme_file",
    "parse_scheme": "scheme_file",
    "render_scheme": "scheme_file",
}
"""What finding landmarks never needs, and its module: loaded when it is first used."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'dan.schemes' has no attribute {name!r}")
    value = getattr(import_module(f"dan.schemes.{_LATER[name]}"), name)
    globals()[name] = value
    return value
