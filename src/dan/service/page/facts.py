"""What the page's scripts must know, from where the rest of this package has it.

Each number has one place, here in Python; the page reads them all from one JSON file.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import dan
from dan.core.errors import ConfigError
from dan.drawing.landmarks import AXES_RGB, ELLIPSE_SHARE, LIKELY_SEEN, RIM_RGB
from dan.geometry import ellipse_radius
from dan.inference import aligner, finder
from dan.inference.bundle import Bundle
from dan.inference.face_rows import COLUMNS
from dan.inference.onnx_model import MAX_BATCH
from dan.points import pose
from dan.schemes import FACE51, LandmarkScheme
from dan.schemes.conversions import conversion_matrix
from dan.video import plausibility, roster, rows, tracker, tracks
from dan.video.drawing import ID_COLOURS
from dan.video.smoothing import Smoothing


def page_facts(bundle: Bundle, *, has_server: bool) -> dict[str, Any]:
    """Plain values for ``facts.json``.

    Args:
        bundle: the model that the page runs.
        has_server: whether what serves the page also answers ``v1/align``.
    """
    facts = {
        "version": dan.__version__,
        "has_server": has_server,
        "finder": _finder(),
        "aligner": _aligner(),
        "tracker": _tracker(),
        "smoothing": asdict(Smoothing()),
        "model": _model(bundle),
        "pose": _pose(bundle.scheme),
        "drawing": {
            "id_colours": ID_COLOURS,
            "axes_colours": AXES_RGB,
            "rim_colour": RIM_RGB,
            "likely_seen": LIKELY_SEEN,
            "ellipse_radius": float(ellipse_radius(ELLIPSE_SHARE)),
        },
        "columns": {"track": list(rows.KEYS), "face": COLUMNS},
    }
    named: dict[str, Any] = _in_javascript(facts)
    return named


def _finder() -> dict[str, Any]:
    return {
        "size": finder.SIZE,
        "min_score": finder.MIN_SCORE,
        "multiple": finder.MULTIPLE,
        "coarse": finder.COARSE,
        "largest": finder.LARGEST,
        "max_overlap": finder.MAX_OVERLAP,
        "clear": finder.CLEAR,
        "large": finder.LARGE,
        "least_beside_clear": finder.LEAST_BESIDE_CLEAR,
        "worth_a_look": aligner.WORTH_A_LOOK,
    }


def _aligner() -> dict[str, Any]:
    return {
        "sure": aligner.SURE,
        "likely": aligner.LIKELY,
        "retry": aligner.RETRY,
        "lost": aligner.LOST,
        "half_turn": aligner.HALF_TURN,
        "larger_frame": aligner.LARGER_FRAME,
        "quarter_turns": aligner.QUARTER_TURNS,
        "small": aligner.SMALL,
        "same_face": aligner.SAME_FACE,
    }


def _tracker() -> dict[str, Any]:
    return {
        "detect_every": tracker.DETECT_EVERY,
        "lost_below": tracker.LOST_BELOW,
        "sure": tracker.SURE,
        "max_misses": tracker.MAX_MISSES,
        "same_face": tracker.SAME_FACE,
        "slid_off": tracker.SLID_OFF,
        "search_s": tracker.SEARCH_S,
        "near": tracker.NEAR,
        "converged": roster.CONVERGED,
        "hopped": roster.HOPPED,
        "same_place": roster.SAME_PLACE,
        "memory_s": roster.MEMORY_S,
        "max_stretch": roster.MAX_STRETCH,
        "motion_s": tracks.MOTION_S,
        "max_growth": plausibility.MAX_GROWTH,
        "max_misfit": plausibility.MAX_MISFIT,
        "min_inside": plausibility.MIN_INSIDE,
    }


def _model(bundle: Bundle) -> dict[str, Any]:
    return {
        "name": bundle.name,
        "crop_size": bundle.crop_size,
        "mean_shape": bundle.mean_shape.astype(float).tolist(),
        "certainty": bundle.certainty,
        "max_batch": MAX_BATCH,
        "scheme": bundle.scheme.name,
        "edges": bundle.scheme.edges,
    }


def _pose(scheme: LandmarkScheme) -> dict[str, Any] | None:
    """None where the points have no pose."""
    try:
        matrix = conversion_matrix(scheme, FACE51)
    except ConfigError:
        return None
    return {
        "head": pose.HEAD.tolist(),
        "weights": pose.WEIGHTS.tolist(),
        "rounds": pose.ROUNDS,
        "axes_length": pose.AXES_LENGTH,
        "inner": [[[i, row[i]] for i in row.nonzero()[0].tolist()] for row in matrix],
    }


def _in_javascript(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Keys as JavaScript writes names: ``minScore``."""
    if isinstance(value, dict):
        return {_camel(key): _in_javascript(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_in_javascript(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
