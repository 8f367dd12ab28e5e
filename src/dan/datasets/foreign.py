"""Annotation files of other programs that are not read: recognised, to say what to export."""

from __future__ import annotations

import re
from pathlib import Path

from dan.core.files import is_file, read_bytes

_FIRST_BYTES = 4096

_AS_COCO = "write its points as COCO keypoints"
_FORMS = (
    ("CVAT's own XML", rb"<annotations>.*(<meta>|<image )", "export COCO Keypoints from CVAT"),
    (
        "Label Studio's own JSON",
        rb'^\s*\[.*"(annotations|completions)"',
        "export COCO from Label Studio",
    ),
    ("labelme's JSON", rb'"shapes"\s*:.*("shape_type"|"points")', _AS_COCO),
    (
        "OpenFace's table",
        rb"^\s*(frame|face|confidence)\b[^\n]*,\s*(x_0|gaze_0_x|eye_lmk_x_0|pose_Tx)\b",
        _AS_COCO,
    ),
    ("CelebA's list of landmarks", rb"^\d+\s*\n\s*lefteye_x\s+lefteye_y", _AS_COCO),
    ("a list of PFLD's samples", rb"^\S+( +[01]?\.\d+){196}( |\r?\n|$)", "take WFLW's own files"),
)
"""What it is, what the first bytes look like, what to do instead."""


def foreign_form(path: Path) -> str | None:
    """What to say of a file of another program, if it is one that is known."""
    if not is_file(path):
        return None
    start = read_bytes(path)[:_FIRST_BYTES]
    for title, pattern, advice in _FORMS:
        if re.search(pattern, start, re.DOTALL):
            return f"this is {title}, which is not read: {advice} (docs/formats.md#other-programs)"
    return None
