"""Measures of the eyes, the mouth and the brows, how symmetric a face is, and blinks.

All are ratios: neither the size of a face in its picture nor a turn of the picture changes them.
Turning the head does, as everything across shortens; :mod:`dan.points.pose` says how far it is
turned. "Left" is the image's left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_floats, check_shape
from dan.core.types import FloatArray
from dan.points.pose import angles_of, estimate_poses, smooth_rotations
from dan.schemes import FACE51, LandmarkScheme
from dan.schemes.conversions import conversion_matrix, convert_points

NOISE: Mapping[str, float] = {
    "left_eye": 0.046,
    "right_eye": 0.046,
    "mouth": 0.042,
    "left_brow": 0.022,
    "right_brow": 0.022,
    "eye_distance": 0.050,
    "asymmetry": 0.008,
    "asymmetry_brows": 0.017,
    "asymmetry_nose": 0.015,
    "asymmetry_eyes": 0.012,
    "asymmetry_mouth": 0.011,
}
"""The measures, and the standard deviation between those of ``dan68-fast``'s points and those of
the annotators' on the 292 faces of 300-W held out, ``benchmarks/measures.py``.

- ``left_eye``, ``right_eye``: eye aspect ratio, the mean of the two distances between the lids over
  that of the eye's corners (Soukupová and Čech 2016); about 0.3 when open.
- ``mouth``: likewise the mean of three distances between the inner lips over that of the inner
  corners; 0 when closed.
- ``left_brow``, ``right_brow``: how high the middle of the brow lies above that of the eye's
  corners, across the line between the outer eye corners, over their distance.
- ``eye_distance``: of the outer eye corners, over the distance of their middle from that of the
  corners of the mouth.
- ``asymmetry``: root mean square of the distances between the inner points and their mirror image
  when it is laid onto them (Procrustes), over the distance of the outer eye corners; then the same
  for the points of each region. A turned head is not symmetric in its picture.
"""

REGIONS = {
    "brows": FACE51.groups["left_brow"] + FACE51.groups["right_brow"],
    "nose": FACE51.groups["nose_bridge"] + FACE51.groups["nostrils"],
    "eyes": FACE51.groups["left_eye"] + FACE51.groups["right_eye"],
    "mouth": FACE51.groups["outer_lips"] + FACE51.groups["inner_lips"],
}

BASELINE_S = 10.0
"""Span of time, and"""
BASELINE_PERCENTILE = 75
"""percentile of the openness in it, that a person's open eyes are known by."""
CLOSED = 0.65
"""Share of the baseline below which eyes are closed,"""
OPEN = 0.8
"""and above which they are open again."""
MAX_BLINK_S = 0.5
"""Eyes that stay closed for longer do not blink."""


@dataclass(frozen=True)
class Blink:
    """Eyes that closed and opened.

    Attributes:
        start_s: when the openness fell below :data:`OPEN` of the baseline.
        duration_s: until it came back there, between frames by interpolation.
        closure: share of the baseline that was lost at most, 0..1.
    """

    start_s: float
    duration_s: float
    closure: float


def measure(points: FloatArray, scheme: LandmarkScheme) -> dict[str, npt.NDArray[np.float64]]:
    """The measures of :data:`NOISE` of each face.

    Args:
        points: (F, N, 2) landmarks, any frame whose two axes have the same unit.
        scheme: one that converts to face51.

    Returns:
        (F,) of each, by name; NaN where a point that it needs is unknown or a length is 0.

    Raises:
        ConfigError: if the scheme does not convert to face51.
    """
    inner = convert_points(as_floats("points", points), scheme, FACE51)
    return dict(zip(NOISE, np.moveaxis(_ratios(inner), -1, 0), strict=True))


def measure_noise(
    points: FloatArray, scheme: LandmarkScheme, covariance: FloatArray | None = None
) -> dict[str, npt.NDArray[np.float64]]:
    """(F,) standard deviation of the error of each measure, by name.

    Args:
        points: see :func:`measure`.
        covariance: (F, N, 2, 2) of the points' errors, which are taken as independent of each
            other and carried on by first order. None: :data:`NOISE`.
    """
    if covariance is None:
        return {name: np.full(len(points), noise) for name, noise in NOISE.items()}
    check_shape("covariance", covariance, (len(points), scheme.n_landmarks, 2, 2))
    inner = convert_points(as_floats("points", points), scheme, FACE51)
    spread = np.einsum("mn,fnij->fmij", np.square(conversion_matrix(scheme, FACE51)), covariance)
    noise = np.empty((len(inner), len(NOISE)))
    for place, (face, its) in enumerate(zip(inner, spread, strict=True)):
        step = 1e-4 * np.nanmax(np.ptp(face, axis=0))
        steps = step * np.eye(face.size).reshape(-1, *face.shape)  # (102, 51, 2)
        slopes = (_ratios(face + steps) - _ratios(face - steps)) / (2 * step)  # (102, measures)
        slopes = slopes.reshape(*face.shape, -1)
        noise[place] = np.sqrt(np.einsum("pim,pij,pjm->m", slopes, its, slopes))
    return dict(zip(NOISE, noise.T, strict=True))


def measure_table(
    points: FloatArray,
    scheme: LandmarkScheme,
    covariance: FloatArray | None = None,
    *,
    times_s: FloatArray | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Columns of a table with a row for each face: angles of the head's pose, measures, noise.

    Args:
        points: (F, N, 2) landmarks, pixels.
        covariance: (F, N, 2, 2) of the points' errors; None where it is not known.
        times_s: (F,) of the frames where the faces are one person's in a video: the rotations are
            smoothed, and a column ``blink`` is 1 where the person blinks.

    Returns:
        (F,) by name: ``yaw, pitch, roll`` in degrees, the measures, and the standard deviation of
        each as ``…_sd``; those of the angles only with ``covariance``.

    Raises:
        ConfigError: if the scheme does not convert to face51.
        DegenerateShapeError: if a face has no pose.
    """
    poses = estimate_poses(points, scheme, covariance)
    rotations = np.array([pose.rotation for pose in poses]).reshape(-1, 3, 3)
    if times_s is not None:
        rotations = smooth_rotations(rotations, times_s)
    angles = dict(zip(("yaw", "pitch", "roll"), angles_of(rotations).T, strict=True))
    values, noise = measure(points, scheme), measure_noise(points, scheme, covariance)
    table: dict[str, npt.NDArray[Any]] = {**angles, **values}
    if covariance is not None:
        spreads = [
            np.sqrt(np.diag(pose.covariance)) for pose in poses if pose.covariance is not None
        ]
        noise = dict(zip(angles, np.reshape(spreads, (-1, 3)).T, strict=True)) | noise
    if times_s is not None:
        blinks = np.zeros(len(poses), dtype=np.int64)
        for blink in find_blinks(times_s, (values["left_eye"] + values["right_eye"]) / 2):
            since = times_s - blink.start_s
            blinks[(since >= 0) & (since <= blink.duration_s)] = 1
        table["blink"] = blinks
    return table | {f"{name}_sd": deviations for name, deviations in noise.items()}


def find_blinks(times_s: FloatArray, openness: FloatArray) -> list[Blink]:
    """The blinks of a person, by how far the eyes are open.

    The baseline is the person's own: the :data:`BASELINE_PERCENTILE` of the openness within half of
    :data:`BASELINE_S` before and after. Eyes blink where the openness falls below :data:`CLOSED`
    of it and comes back above :data:`OPEN` within :data:`MAX_BLINK_S`.

    Args:
        times_s: (T,) of the frames, ascending; 12 a second or more, as a blink takes 0.1 to 0.4 s.
        openness: (T,) such as the mean of both eyes' aspect ratios; NaN where it is not known.
    """
    known = np.isfinite(openness)
    times_s, openness = times_s[known], openness[known]
    firsts = np.searchsorted(times_s, times_s - BASELINE_S / 2)
    lasts = np.searchsorted(times_s, times_s + BASELINE_S / 2, side="right")
    baseline = np.array(
        [
            np.percentile(openness[first:last], BASELINE_PERCENTILE)
            for first, last in zip(firsts, lasts, strict=True)
        ]
    )
    share = openness / baseline
    edges = np.flatnonzero(np.diff((share < OPEN).astype(int))) + 1  # first of each run
    blinks = []
    for first, last in pairwise(edges.tolist()):  # runs within, none that is cut off
        lowest = share[first:last].min()
        if share[first] >= OPEN or lowest >= CLOSED:
            continue
        start_s, end_s = (_crossing(times_s, share, place) for place in (first, last))
        if end_s - start_s <= MAX_BLINK_S:
            blinks.append(Blink(start_s, end_s - start_s, float(1 - lowest)))
    return blinks


def _crossing(times_s: FloatArray, share: FloatArray, place: int) -> float:
    """When the share passed OPEN, between the frame before a place and that place."""
    before, after = share[place - 1 : place + 1] - OPEN
    step_s = times_s[place] - times_s[place - 1]
    return float(times_s[place - 1] + step_s * before / (before - after))


def _ratios(inner: FloatArray) -> npt.NDArray[np.float64]:
    """(..., 11) measures, in the order of NOISE, of (..., 51, 2) points of face51."""
    z = inner[..., 0] + 1j * inner[..., 1]

    def gap(one: int, other: int) -> npt.NDArray[np.float64]:
        return np.asarray(np.abs(z[..., one] - z[..., other]))

    def middle(*places: int) -> npt.NDArray[np.complex128]:
        return np.asarray(z[..., places].mean(axis=-1))

    with np.errstate(divide="ignore", invalid="ignore"):
        eyes = [
            (gap(eye + 1, eye + 5) + gap(eye + 2, eye + 4)) / (2 * gap(eye, eye + 3))
            for eye in (19, 25)
        ]
        mouth = (gap(44, 50) + gap(45, 49) + gap(46, 48)) / (3 * gap(43, 47))
        across = z[..., 28] - z[..., 19]  # of the outer eye corners, from left to right
        brows = [
            -((middle(*range(brow, brow + 5)) - middle(eye, eye + 3)) / across).imag
            for brow, eye in ((0, 19), (5, 25))
        ]
        distance = np.abs(across / (middle(31, 37) - middle(19, 28)))
        # Laid onto the points by a similarity: a complex number, once both are centred.
        face = z - z.mean(axis=-1, keepdims=True)
        mirrored = -face[..., FACE51.mirror].conj()
        turn = (mirrored.conj() * face).sum(axis=-1) / np.square(np.abs(face)).sum(axis=-1)
        off = np.abs(face - turn[..., None] * mirrored) / np.abs(across)[..., None]
        every = [range(51), *REGIONS.values()]
        asymmetry = [np.sqrt(np.square(off[..., list(part)]).mean(axis=-1)) for part in every]
        ratios = np.stack([*eyes, mouth, *brows, distance, *asymmetry], axis=-1)
    return np.where(np.isfinite(ratios), ratios, np.nan)
