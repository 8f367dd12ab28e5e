"""Head pose from the points: a rigid mean head fitted to them.

Rotations go from the head's frame to the camera's: x to the picture's right, y down, z into the
scene; a head that looks straight into the camera has the identity. Lengths of the head are in
distances of its outer eye corners; its origin lies between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_floats, check_shape
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.types import FloatArray
from dan.schemes import FACE51, LandmarkScheme
from dan.schemes.conversions import conversion_matrix, convert_points

_THOUSANDTHS = """
    -666 -140 72  -564 -235 -36  -420 -265 -131  -270 -248 -205  -130 -193 -256  130 -193 -256
    270 -248 -205  420 -265 -131  564 -235 -36  666 -140 72  0 -28 -251  0 105 -326
    0 237 -409  0 373 -490  -168 476 -269  -87 503 -308  0 526 -332  87 503 -308
    168 476 -269  -500 0 0  -411 -52 -46  -305 -51 -64  -211 18 -66  -312 36 -62
    -417 35 -44  211 18 -66  305 -51 -64  411 -52 -46  500 0 0  417 35 -44
    312 36 -62  -320 740 0  -202 688 -160  -83 660 -251  0 680 -262  83 660 -251
    202 688 -160  320 740 0  206 847 -99  90 893 -170  0 901 -183  -90 893 -170
    -206 847 -99  -271 745 -22  -84 729 -222  0 737 -236  84 729 -222  271 745 -22
    85 790 -184  0 799 -197  -85 790 -184
"""
HEAD = np.array(_THOUSANDTHS.split(), dtype=np.float64).reshape(51, 3) / 1000
"""The mean head: points of face51, x to the image's right, y down, z away from the camera, origin
between the outer eye corners and their distance 1; the corners of the mouth are as deep as those of
the eyes. From 300-W's training faces by factorisation, ``benchmarks/head_shape.py``."""

WEIGHTS = np.ones(51)
"""(51,) of the squared distances: what moves with the expression counts less."""
for _weight, _moved in (
    (0.3, [*range(10), 31, 37, 43, 47]),  # brows, corners of the mouth
    (0.5, [20, 21, 23, 24, 26, 27, 29, 30]),  # lids
    (0.1, [*range(32, 37), *range(38, 43), *range(44, 47), *range(48, 51)]),  # lips
):
    WEIGHTS[_moved] = _weight

ROUNDS = 20

AXES_LENGTH = 0.5
"""Of axes to draw, unless a caller says another, in distances of the outer eye corners."""

EYE_CORNERS_MM = 88.7
"""The distance of the outer eye corners that lengths are made of: that of MediaPipe's canonical
face, when ``HEAD`` is fitted to it. A picture alone does not tell it; adults differ by 5 %."""

_MEDIAPIPE_ORIGIN_CM = np.array([0, 2.58, 3.27])  # of HEAD, in that face's frame, by the same fit
_Y_UP = np.diag([1.0, -1.0, -1.0])  # x right, y down, z away <-> x right, y up, z to the viewer


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Where a head looks, and where it is.

    Attributes:
        rotation: (3, 3) from the head's frame to the camera's: x right, y down, z into the scene.
        position_xy: (2,) of the middle between the outer eye corners, pixels.
        scale: pixels per distance of the outer eye corners, at the depth of their middle.
        residual: weighted root mean square of the distances between the points and those of the
            fitted head, over ``scale``. About 0.03 for most faces; 0.06 and more where points or
            head do not fit.
        covariance: (3, 3) of the errors of :attr:`yaw_pitch_roll_deg`, square degrees, by first
            order from those of the points, taken as independent; that a person's head differs from
            the mean head comes on top. None where the points' covariance is not known.
    """

    rotation: npt.NDArray[np.float64]
    position_xy: npt.NDArray[np.float64]
    scale: float
    residual: float
    covariance: npt.NDArray[np.float64] | None = None

    @property
    def yaw_pitch_roll_deg(self) -> tuple[float, float, float]:
        """Positive yaw looks to the picture's right, pitch up, and roll tilts clockwise, degrees.

        ``rotation`` is Rz(roll)·Rx(-pitch)·Ry(-yaw): turning the picture changes roll alone.

        >>> HeadPose(rotation_of(20, 10, -30), np.zeros(2), 1, 0).yaw_pitch_roll_deg
        (20.0, 10.0, -30.0)
        """
        yaw, pitch, roll = _rounded_angles(self.rotation).tolist()
        return yaw, pitch, roll

    def translation(
        self, size_wh: tuple[float, float], focal_px: float | None = None
    ) -> npt.NDArray[np.float64]:
        """(3,) from the camera to the middle between the outer eye corners, in their distances.

        Args:
            size_wh: of the picture, whose middle the camera looks at.
            focal_px: focal length in pixels; None: :func:`guess_focal`.
        """
        focal_px = focal_px or guess_focal(size_wh)
        x, y = (self.position_xy - _middle(size_wh)) / self.scale
        return np.array([x, y, focal_px / self.scale])

    def axes_xy(self, length: float = AXES_LENGTH) -> npt.NDArray[np.float64]:
        """(4, 2) pixels of three axes to draw: their origin, and their ends under weak perspective.

        The first leads to the eye at the image's right, the second to the chin, the third to where
        the head looks.

        Args:
            length: of the axes, distances of the outer eye corners.
        """
        ends = np.vstack([np.zeros(3), np.diag([length, length, -length])])
        return self.position_xy + self.scale * (ends @ self.rotation.T)[:, :2]

    def as_openface(
        self, size_wh: tuple[float, float], focal_px: float | None = None
    ) -> npt.NDArray[np.float64]:
        """(6,) ``pose_Tx, pose_Ty, pose_Tz`` (mm) and ``pose_Rx, pose_Ry, pose_Rz`` (radians).

        OpenFace 2 (``RotationHelpers.h``): R = Rx·Ry·Rz in our camera frame, so positive Rx looks
        down and positive Ry to the picture's left; the focal length is guessed as it does. Fit with
        ``size_wh``, as OpenFace does, for faces that are near or off the middle.

        >>> HeadPose(rotation_of(0, 10, 0), np.zeros(2), 1, 0).as_openface((1, 1))[3:].round(3)
        array([-0.175,  0.   ,  0.   ])
        """
        r = self.rotation
        angles = [np.arctan2(-r[1, 2], r[2, 2]), np.arcsin(r[0, 2]), np.arctan2(-r[0, 1], r[0, 0])]
        return np.array([*(EYE_CORNERS_MM * self.translation(size_wh, focal_px)), *angles])

    def as_300wlp(self) -> npt.NDArray[np.float64]:
        """(3,) pitch, yaw and roll, radians, as ``Pose_Para`` of 300W-LP and AFLW2000-3D.

        Their code (``angle2matrix_3ddfa`` of face3d, ``draw_axis`` of deep-head-pose): R =
        Rx(-pitch)·Ry(yaw)·Rz(roll) in our camera frame, so positive pitch looks up, positive yaw to
        the picture's left, and positive roll tilts clockwise.

        >>> HeadPose(rotation_of(20, 0, 0), np.zeros(2), 1, 0).as_300wlp().round(3)
        array([ 0.   , -0.349,  0.   ])
        """
        r = self.rotation
        pitch, yaw, roll = np.arctan2(r[1, 2], r[2, 2]), r[0, 2], np.arctan2(-r[0, 1], r[0, 0])
        return np.array([pitch, np.arcsin(yaw), roll])

    def as_mediapipe_matrix(self, size_wh: tuple[float, float]) -> npt.NDArray[np.float64]:
        """(4, 4) from MediaPipe's canonical face to its camera, cm: its transformation matrix.

        MediaPipe (docs of Face Mesh, "Metric 3D space"; ``face_geometry``): x right, y up, the
        camera looks along -z with a vertical angle of view of 63 degrees. The translation is the
        last column; MediaPipe stores its matrix column by column.

        >>> HeadPose(np.eye(3), np.zeros(2), 1, 0).as_mediapipe_matrix((1, 1))[:3, :3].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        """
        focal_px = size_wh[1] / 2 / np.tan(np.radians(63 / 2))
        matrix = np.eye(4)
        matrix[:3, :3] = _Y_UP @ self.rotation @ _Y_UP + 0.0  # no -0.0
        origin_cm = EYE_CORNERS_MM / 10 * (_Y_UP @ self.translation(size_wh, focal_px))
        matrix[:3, 3] = origin_cm - matrix[:3, :3] @ _MEDIAPIPE_ORIGIN_CM
        return matrix


def rotation_of(yaw_deg: float, pitch_deg: float, roll_deg: float) -> npt.NDArray[np.float64]:
    """(3, 3) rotation that has these angles; see :attr:`HeadPose.yaw_pitch_roll_deg`."""
    turned = np.eye(3)
    for axis, angle_deg in ((1, -yaw_deg), (0, -pitch_deg), (2, roll_deg)):
        c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        turned = np.roll(turn, (axis, axis), axis=(0, 1)) @ turned
    return turned


def angles_of(rotations: FloatArray) -> FloatArray:
    """(..., 3) yaw, pitch and roll in degrees of (..., 3, 3) rotations; see :class:`HeadPose`."""
    r = rotations
    yaw = np.arctan2(r[..., 2, 0], r[..., 2, 2])
    pitch = -np.arcsin(np.clip(r[..., 2, 1], -1, 1))
    roll = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=-1)))


def _rounded_angles(rotations: FloatArray) -> FloatArray:
    return angles_of(rotations).round(9) + 0.0  # no -0.0


def guess_focal(size_wh: tuple[float, float]) -> float:
    """Focal length in pixels of an unknown camera, as OpenFace 2 guesses it: 500 at 640 × 480."""
    return (500 * size_wh[0] / 640 + 500 * size_wh[1] / 480) / 2


def estimate_poses(
    points: FloatArray,
    scheme: LandmarkScheme,
    covariance: FloatArray | None = None,
    *,
    size_wh: tuple[float, float] | None = None,
    focal_px: float | None = None,
) -> list[HeadPose]:
    """The pose of each face: that at which ``HEAD`` fits its inner points best.

    Under weak perspective the rotation is that against the line of sight. With ``size_wh`` the fit
    is repeated with the points as they would be without perspective (DeMenthon and Davis 1995), and
    the rotation is that against the camera.

    Args:
        points: (F, N, 2) landmarks, pixels; NaN where one has no position: it does not count.
        scheme: one that converts to face51.
        covariance: (F, N, 2, 2) of the points' errors, square pixels.
        size_wh: of the picture, for a camera that looks at its middle. None: weak perspective.
        focal_px: focal length in pixels; None: :func:`guess_focal`. Only with ``size_wh``.

    Raises:
        ConfigError: if the scheme does not convert to face51, or ``focal_px`` is of no use.
        DegenerateShapeError: if a face has fewer than 17 inner points or they span no area.
    """
    if focal_px is not None and (size_wh is None or not focal_px > 0):
        raise ConfigError(f"focal_px: expected size_wh and a positive number, got {focal_px}")
    inner = convert_points(as_floats("points", points), scheme, FACE51)  # (F, 51, 2)
    rotation, scale, position = fit_heads(inner)
    if size_wh is not None:
        middle, focal_px = _middle(size_wh), focal_px or guess_focal(size_wh)
        for _ in range(ROUNDS):
            depths = HEAD @ rotation[:, 2, :, None] * scale[:, None, None] / focal_px
            flat = (inner - middle) * (1 + depths) + middle
            rotation, scale, position = fit_heads(flat)
        inner = flat
    for number in np.flatnonzero(np.isnan(scale)):
        raise DegenerateShapeError(
            f"face {number + 1}: expected at least 17 inner points that span an area, got "
            f"{int((~np.isnan(inner[number]).any(axis=1)).sum())}"
        )
    model = HEAD @ np.swapaxes(rotation[:, :2], 1, 2)  # (F, 51, 2)
    off = np.square((inner - position[:, None]) / scale[:, None, None] - model).sum(axis=2)
    weights = np.where(np.isnan(off), 0, WEIGHTS)
    residual = np.sqrt((weights * np.nan_to_num(off)).sum(axis=1) / weights.sum(axis=1))
    spread: list[npt.NDArray[np.float64] | None] = [None] * len(inner)
    if covariance is not None:
        check_shape("covariance", covariance, (len(inner), scheme.n_landmarks, 2, 2))
        matrix = np.square(conversion_matrix(scheme, FACE51))
        of_known = np.where(np.isnan(points)[..., None], 0, covariance)
        of_inner = np.einsum("mn,fnij->fmij", matrix, of_known)
        spread = [*map(_covariance_of_angles, rotation, scale, weights, of_inner)]
    return list(map(HeadPose, rotation, position, scale.tolist(), residual.tolist(), spread))


def estimate_head_angles(points: FloatArray, scheme: LandmarkScheme) -> FloatArray:
    """(F, 3) yaw, pitch and roll of each face, degrees: those of :func:`estimate_poses`, alone.

    Args:
        points: (F, N, 2) landmarks, pixels; NaN where one has no position.
        scheme: of the points.

    Returns:
        NaN where a face has no pose: its points are too few or span no area, or the scheme does not
        convert to face51.
    """
    try:
        inner = convert_points(as_floats("points", points), scheme, FACE51)
    except ConfigError:
        return np.full((len(points), 3), np.nan)
    return _rounded_angles(fit_heads(inner)[0])


def fit_heads(
    inner: FloatArray, weights: FloatArray = WEIGHTS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The weak perspective of ``HEAD`` that is nearest to each face, by weighted least squares.

    The least-squares affine camera, made a rotation by its polar factor, begins; each round then
    gives the points the depths of the turned head and fits the rotation anew, exactly (Procrustes),
    so that the squared distances never grow.

    Args:
        inner: (F, 51, 2) points of face51, pixels; NaN where one has no position.
        weights: (51,) of the points.

    Returns:
        (F, 3, 3) rotations, (F,) pixels per unit of ``HEAD``, and (F, 2) pixels where its origin
        is; NaN where fewer than a third of the points are known, or they lie on a line.
    """
    known = ~np.isnan(inner).any(axis=2)
    shares = np.where(known, weights, 0)[..., None]  # (F, 51, 1)
    face, face_middle = _centred(inner, shares)
    head, head_middle = _centred(np.broadcast_to(HEAD, (*known.shape, 3)), shares)
    spans = np.linalg.svd(face, compute_uv=False)  # (F, 2)
    fit = (known.sum(axis=1) >= len(HEAD) / 3) & (spans[:, 1] > 1e-6 * spans[:, 0])
    face, head = face[fit], head[fit]
    # (F, 2, 3) the least-squares affine camera, and its polar factor.
    camera = np.swapaxes(np.linalg.pinv(head) @ face, 1, 2)
    u, _, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt
    turn = np.concatenate([rows, np.cross(rows[:, :1], rows[:, 1:])], axis=1)
    for _ in range(ROUNDS):
        turned = head @ np.swapaxes(turn, 1, 2)  # (F, 51, 3)
        deep = np.concatenate([face / _scale(turned, face), turned[..., 2:]], axis=2)
        u, _, vt = np.linalg.svd(np.swapaxes(deep, 1, 2) @ head)
        u[..., 2] *= np.linalg.det(u @ vt)[:, None]  # no reflection
        turn = u @ vt
    rotation, scale = np.full((len(inner), 3, 3), np.nan), np.full((len(inner), 1), np.nan)
    rotation[fit], scale[fit] = turn, _scale(head @ np.swapaxes(turn, 1, 2), face)[:, 0]
    shift = scale * (rotation[:, :2] @ np.swapaxes(head_middle, 1, 2))[..., 0]
    return rotation, scale[:, 0], face_middle[:, 0] - shift


def smooth_rotations(
    rotations: FloatArray, times_s: FloatArray, sigma_s: float = 0.08
) -> npt.NDArray[np.float64]:
    """(T, 3, 3) rotations of a track, each the mean of those around it, without delay.

    The mean is the rotation nearest to the weighted sum of the matrices (Moakher 2002); weights
    fall with the time between, as a normal distribution of ``sigma_s`` seconds.

    Args:
        rotations: (T, 3, 3).
        times_s: (T,) ascending.

    >>> turns = np.stack([rotation_of(yaw, 0, 0) for yaw in (179, -179)])
    >>> abs(angles_of(smooth_rotations(turns, np.array([0, 0.04]), 9)).round(1)).tolist()
    [[180.0, 0.0, 0.0], [180.0, 0.0, 0.0]]
    """
    firsts = np.searchsorted(times_s, times_s - 3 * sigma_s)
    lasts = np.searchsorted(times_s, times_s + 3 * sigma_s, side="right")
    sums = np.empty((len(times_s), 3, 3))
    for place, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        steps = (times_s[first:last] - times_s[place]) / sigma_s
        sums[place] = np.einsum("t,tij->ij", np.exp(-(steps**2) / 2), rotations[first:last])
    u, _, vt = np.linalg.svd(sums)
    u[..., 2] *= np.linalg.det(u @ vt)[:, None]
    return np.asarray(u @ vt)


def _scale(turned: FloatArray, face: FloatArray) -> FloatArray:
    """(F, 1, 1) by which the turned heads (F, 51, 3) come nearest to the faces (F, 51, 2)."""
    flat = turned[..., :2]
    sums = (flat * face).sum(axis=(1, 2)) / np.square(flat).sum(axis=(1, 2))
    return np.asarray(sums[:, None, None])


def _centred(points: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(F, P, D) points from their weighted mean, times the roots of the weights; that mean."""
    kept = np.where(shares > 0, points, 0)
    total = np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    middle = (shares * kept).sum(axis=1, keepdims=True) / total
    return np.sqrt(shares) * (kept - middle), middle


def _covariance_of_angles(
    rotation: FloatArray, scale: float, weights: FloatArray, covariance: FloatArray
) -> npt.NDArray[np.float64]:
    """(3, 3) of yaw, pitch and roll, square degrees, from the (51, 2, 2) of the points."""
    turned = scale * HEAD @ rotation.T  # (51, 3)
    x, y, z = turned.T
    none, one = np.zeros_like(x), np.ones_like(x)
    # What small turns about the camera's axes, growth and shifts do to the points: (51, 2, 6).
    moves = np.stack(
        [
            np.stack([none, z, -y, x, one, none], axis=1),
            np.stack([-z, none, x, y, none, one], axis=1),
        ],
        axis=1,
    )
    weighted = weights[:, None, None] * moves
    of_moves = np.linalg.inv(np.einsum("pia,pib->ab", weighted, moves))
    gain = of_moves @ np.swapaxes(weighted, 1, 2)  # (51, 6, 2)
    of_turns = np.einsum("pai,pij,pbj->ab", gain, covariance, gain)[:3, :3]
    roll = np.radians(angles_of(rotation)[2])
    about = np.stack([-rotation[:, 1], [-np.cos(roll), -np.sin(roll), 0], [0, 0, 1]], axis=1)
    angles = np.degrees(np.linalg.pinv(about))  # yaw turns about the head's y axis, and so on
    return np.asarray(angles @ of_turns @ angles.T)


def _middle(size_wh: tuple[float, float]) -> npt.NDArray[np.float64]:
    return (np.asarray(size_wh, dtype=np.float64) - 1) / 2
