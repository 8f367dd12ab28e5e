"""The result of an alignment: one validated type, always the same, empty where there is no face."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.images import Channels, Picture, as_rgb
from dan.core.types import ColourImage
from dan.geometry import Similarity, within_probability
from dan.inference.detections import Detections
from dan.inference.landmark_model import CropLandmarks
from dan.points.pose import HeadPose, estimate_poses
from dan.schemes import LandmarkScheme
from dan.schemes.conversions import point_named

if TYPE_CHECKING:
    import supervision

    from dan.points.chips import Chip, Template

GOOD_ERROR = 0.08
"""Of the distance of the outer eye corners: the error below which a face or a point is good."""


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """One face of a picture, as :class:`Faces` gives it by index or one after the other.

    Attributes:
        points_xy: (N, 2) float32 landmarks, pixels of the picture, 0-based, integer = centre.
        search_box_xyxy: (4,) float32, where the search began; see :class:`Faces`.
        score: of the detector; 1 where the caller gave the box.
        confidence: see :class:`Faces`; NaN where the model does not say.
        scheme: what the N landmarks are.
        covariance: (N, 2, 2) float32; see :class:`Faces`.
        visibility: (N,) float32; see :class:`Faces`.
        id: under which a tracker knows the face; None in single pictures.
    """

    points_xy: npt.NDArray[np.float32]
    search_box_xyxy: npt.NDArray[np.float32]
    score: float
    confidence: float
    scheme: LandmarkScheme
    covariance: npt.NDArray[np.float32] | None = None
    visibility: npt.NDArray[np.float32] | None = None
    id: int | None = None

    def __repr__(self) -> str:
        return f"<Face: {self.scheme.name}, confidence {self.confidence:.2f}>"

    @property
    def box_xyxy(self) -> npt.NDArray[np.float32]:
        """(4,) box around the points."""
        return np.concatenate([self.points_xy.min(axis=0), self.points_xy.max(axis=0)])

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        """(2,) one landmark, by the scheme's name for it or by one of face5, such as ``nose_tip``.

        Raises:
            ConfigError: if there is no such landmark.
        """
        return point_named(self.points_xy, self.scheme, name).astype(np.float32)

    def part(self, name: str) -> npt.NDArray[np.float32]:
        """(K, 2) the landmarks of a group of the scheme, such as ``left_eye``.

        Raises:
            ConfigError: naming the groups that there are.
        """
        groups = self.scheme.groups
        if name not in groups:
            raise ConfigError(
                f"{self.scheme.name}: expected one of {', '.join(groups)}, got {name}"
            )
        return self.points_xy[list(groups[name])]

    def pose(
        self, *, size_wh: tuple[float, float] | None = None, focal_px: float | None = None
    ) -> HeadPose:
        """Where the head looks; see :func:`dan.points.pose.estimate_poses`."""
        spread = None if self.covariance is None else self.covariance[None]
        (pose,) = estimate_poses(
            self.points_xy[None], self.scheme, spread, size_wh=size_wh, focal_px=focal_px
        )
        return pose

    def axes_xy(self) -> npt.NDArray[np.float64] | None:
        """(4, 2) the head's axes to draw, pixels; None where the points have no pose.

        See :meth:`dan.points.pose.HeadPose.axes_xy`.

        Raises:
            ConfigError: if the scheme has none, as it does not convert to ``face51``.
        """
        try:
            return self.pose().axes_xy()
        except DegenerateShapeError:
            return None

    def chip(
        self, picture: Picture, template: str | Template, *, channels: Channels = "rgb"
    ) -> Chip:
        """The face cut out as other programs want it; see :meth:`Faces.chips`."""
        from dan.points.chips import cut_chip

        return cut_chip(as_rgb(picture, channels), self.points_xy, self.scheme, template)

    def moved(self, move: Similarity) -> Self:
        """The same face in another frame."""
        spread = self.covariance
        return replace(
            self,
            points_xy=move.apply(self.points_xy).astype(np.float32),
            search_box_xyxy=move.apply(self.search_box_xyxy.reshape(2, 2)).reshape(4),
            covariance=None if spread is None else move.apply_to_covariance(spread),
        )

    def to_dict(self, *, certainty: bool = False, pose: bool = False) -> dict[str, Any]:
        """Plain values, for JSON, to a thousandth of a pixel; an unknown confidence is None.

        Args:
            certainty: with ``covariance``, N times xx, xy and yy, square pixels, and ``visibility``
                of N points, each to four decimals; None where the model does not say.
            pose: with ``pose``, angles in degrees and the fit's residual; None where the points
                span no area.

        Raises:
            ConfigError: if the scheme has no pose, as it does not convert to ``face51``.
        """
        values: dict[str, Any] = {
            "box_xyxy": _rounded(self.box_xyxy),
            "search_box_xyxy": _rounded(self.search_box_xyxy),
            "score": round(self.score, 4),
            "confidence": None if math.isnan(self.confidence) else round(self.confidence, 4),
            "points_xy": [_rounded(point) for point in self.points_xy],
        }
        if certainty:
            spread, seen = self.covariance, self.visibility
            upper = None if spread is None else spread[:, [0, 0, 1], [0, 1, 1]]
            values |= {
                "covariance": None if upper is None else [_rounded(three, 4) for three in upper],
                "visibility": None if seen is None else _rounded(seen, 4),
            }
        if pose:
            values["pose"] = self._pose_values()
        return values if self.id is None else values | {"id": self.id}

    def _pose_values(self) -> dict[str, float] | None:
        try:
            found = self.pose()
        except DegenerateShapeError:
            return None
        angles = zip(("yaw_deg", "pitch_deg", "roll_deg"), found.yaw_pitch_roll_deg, strict=True)
        residual = {"residual": round(found.residual, 4)}
        return {name: round(angle, 2) for name, angle in angles} | residual


@dataclass(frozen=True, eq=False, repr=False)
class Faces:
    """F faces of one picture.

    An integer index, or going through them, gives a :class:`Face`; a slice, a mask or an array of
    indices gives :class:`Faces`.

    Attributes:
        points_xy: (F, N, 2) float32 landmarks, pixels of the picture, 0-based, integer = centre.
        search_boxes_xyxy: (F, 4) float32, where the search began: the boxes of the landmarks as
            the detector, the caller's boxes or the caller's points suggested them.
        scores: (F,) float32, of the detector; 1 where the caller gave the box.
        confidence: (F,) float32, how likely the mean error is under 8 % of the distance of the
            outer eye corners (``GOOD_ERROR``); NaN where the model does not say.
        scheme: what the N landmarks are.
        covariance: (F, N, 2, 2) float32, of the error of each point, square pixels of the picture:
            of errors like those of faces held out, the share p lies within the Mahalanobis distance
            :func:`~dan.geometry.ellipse_radius` (p). None where the model does not say.
        visibility: (F, N) float32, how likely each point can be seen, and is neither covered nor
            hidden by the head itself, 0..1. None where the model does not say.
    """

    points_xy: npt.NDArray[np.float32]
    search_boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    scheme: LandmarkScheme
    covariance: npt.NDArray[np.float32] | None = None
    visibility: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        count, n_landmarks = len(self.points_xy), self.scheme.n_landmarks
        for name, values, shape in (
            ("points_xy", self.points_xy, (count, n_landmarks, 2)),
            ("search_boxes_xyxy", self.search_boxes_xyxy, (count, 4)),
            ("scores", self.scores, (count,)),
            ("confidence", self.confidence, (count,)),
            ("covariance", self.covariance, (count, n_landmarks, 2, 2)),
            ("visibility", self.visibility, (count, n_landmarks)),
        ):
            if values is None:
                continue
            check_shape(name, values, shape)
            object.__setattr__(self, name, np.asarray(values, dtype=np.float32))

    @classmethod
    def from_landmarks(
        cls, found: CropLandmarks, start: Detections, scheme: LandmarkScheme
    ) -> Faces:
        """What was found, in pixels of the picture, from where a detector or caller pointed to."""
        return Faces(
            found.points,
            np.asarray(start.boxes_xyxy, dtype=np.float32),
            np.asarray(start.scores, dtype=np.float32),
            found.confidence,
            scheme,
            found.covariance,
            found.visibility,
        )

    @classmethod
    def stacked(cls, faces: Sequence[Face], scheme: LandmarkScheme) -> Faces:
        """Single faces of one model together."""
        if not faces:
            return Faces.empty(scheme)

        def together(name: str) -> npt.NDArray[np.float32] | None:
            values = [getattr(face, name) for face in faces]
            return None if values[0] is None else np.array(values, dtype=np.float32)

        return Faces(
            np.stack([face.points_xy for face in faces]),
            np.stack([face.search_box_xyxy for face in faces]),
            np.array([face.score for face in faces], dtype=np.float32),
            np.array([face.confidence for face in faces], dtype=np.float32),
            scheme,
            together("covariance"),
            together("visibility"),
        )

    @classmethod
    def empty(cls, scheme: LandmarkScheme) -> Faces:
        """No face."""
        none = np.empty(0, dtype=np.float32)
        return cls(none.reshape(0, scheme.n_landmarks, 2), none.reshape(0, 4), none, none, scheme)

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """(F, 4) float32 boxes around the points of each face."""
        return np.concatenate([self.points_xy.min(axis=1), self.points_xy.max(axis=1)], axis=1)

    @property
    def point_confidence(self) -> npt.NDArray[np.float32]:
        """(F, N) float32, how likely the error of each point is under ``GOOD_ERROR``.

        From its covariance, and the distance of the outer eye corners as they were found. Where the
        model tells no covariance or the scheme has no such corners, it is the face's confidence.
        """
        eyes = self.scheme.eyes
        if self.covariance is None or eyes is None or eyes.outer_corners is None:
            return np.repeat(self.confidence[:, None], self.scheme.n_landmarks, axis=1)
        left, right = (self.points_xy[:, corner] for corner in eyes.outer_corners)
        radius = GOOD_ERROR * np.linalg.norm(right - left, axis=1)
        return within_probability(self.covariance, radius[:, None]).astype(np.float32)

    def __len__(self) -> int:
        """How many faces."""
        return len(self.points_xy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} of {self.scheme.name}>"

    @overload
    def __getitem__(self, index: int) -> Face: ...

    @overload
    def __getitem__(self, index: slice | npt.NDArray[Any] | list[int] | list[bool]) -> Self: ...

    def __getitem__(self, index: int | slice | npt.NDArray[Any] | list[int] | list[bool]) -> Any:
        """One face, or some of them; see the class."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"face {index} of {len(self)}")
            return self._face(int(index))
        if not isinstance(index, slice):
            index = np.asarray(index)
            index = index if index.size else index.astype(np.int64)
        return self._some(index)

    def _face(self, place: int) -> Face:
        return Face(
            self.points_xy[place],
            self.search_boxes_xyxy[place],
            float(self.scores[place]),
            float(self.confidence[place]),
            self.scheme,
            None if self.covariance is None else self.covariance[place],
            None if self.visibility is None else self.visibility[place],
        )

    def _some(self, places: slice | npt.NDArray[Any]) -> Faces:
        return Faces(
            self.points_xy[places],
            self.search_boxes_xyxy[places],
            self.scores[places],
            self.confidence[places],
            self.scheme,
            None if self.covariance is None else self.covariance[places],
            None if self.visibility is None else self.visibility[places],
        )

    def __iter__(self) -> Iterator[Face]:
        """One face after the other."""
        return map(self._face, range(len(self)))

    def with_confidence(self, at_least: float) -> Self:
        """The faces whose confidence is known to be at least so much, 0..1.

        Raises:
            ConfigError: if the model does not tell its confidence.
        """
        if at_least and np.isnan(self.confidence).any():
            raise ConfigError("confidence: expected faces of a model that knows it")
        return self if not at_least else self[self.confidence >= at_least]

    def poses(
        self, *, size_wh: tuple[float, float] | None = None, focal_px: float | None = None
    ) -> list[HeadPose]:
        """Where each head looks; see :func:`dan.points.pose.estimate_poses`."""
        return estimate_poses(
            self.points_xy, self.scheme, self.covariance, size_wh=size_wh, focal_px=focal_px
        )

    def draw(
        self,
        picture: Picture,
        *,
        channels: Channels = "rgb",
        certainty: bool = False,
        axes: bool = False,
    ) -> ColourImage:
        """A copy of the picture with points, edges, boxes and confidence painted on it.

        Args:
            picture: what the faces were found in: a path, an array or a PIL image.
            channels: ``rgb`` or ``bgr``, of three-channel arrays.
            certainty: with ellipses that hold 95 % of each point's errors, and points that are
                likely not seen hollow, where the model tells.
            axes: with the head's axes; see :meth:`Face.axes_xy`.

        Returns:
            (H, W, 3) RGB uint8.

        Raises:
            ConfigError: if the scheme has no axes.
        """
        from dan.drawing.landmarks import draw_face

        drawn = as_rgb(picture, channels)
        for face in self:
            drawn = draw_face(
                drawn,
                face.points_xy,
                face.scheme,
                box_xyxy=face.box_xyxy,
                label=_label(face),
                covariance=face.covariance if certainty else None,
                visibility=face.visibility if certainty else None,
                axes_xy=face.axes_xy() if axes else None,
            )
        return drawn

    def chips(
        self, picture: Picture, template: str | Template, *, channels: Channels = "rgb"
    ) -> list[Chip]:
        """Each face cut out as other programs want it, with its transform; none without a face.

        Args:
            picture: what the faces were found in: a path, an array or a PIL image.
            template: ``arcface112``, ``dlib150``, ``ffhq256``, ``lips96``, a file, or one of one's
                own; see :func:`dan.points.chips.template_of`.
            channels: ``rgb`` or ``bgr``, of three-channel arrays; chips are RGB.

        Raises:
            ConfigError: if there is no such template, or the scheme lacks a landmark it needs.
            DegenerateShapeError: if the landmarks of a face coincide or are not finite.
        """
        from dan.points.chips import template_of

        rgb, template = as_rgb(picture, channels), template_of(template)
        return [face.chip(rgb, template) for face in self]

    def mask(self, size_wh: tuple[int, int], part: str = "face") -> npt.NDArray[np.bool_]:
        """(height, width) mask of a part of all faces, such as ``lips``; see `dan.points.shapes`.

        Args:
            size_wh: of the picture, pixels.

        Raises:
            ConfigError: if there is no such part, or the scheme does not lead to ``face68``.
            DegenerateShapeError: if a point is not finite.
        """
        from dan.points.shapes import fill_outlines, part_mask

        masks = [part_mask(face.points_xy, self.scheme, size_wh, part) for face in self]
        return np.asarray(np.any([fill_outlines([], size_wh), *masks], axis=0))

    def to_dict(self, *, certainty: bool = False, pose: bool = False) -> dict[str, Any]:
        """Plain values, for JSON; see :meth:`Face.to_dict`."""
        faces = [face.to_dict(certainty=certainty, pose=pose) for face in self]
        return {"scheme": self.scheme.name, "faces": faces}

    def to_supervision(self) -> supervision.KeyPoints:
        """As ``supervision.KeyPoints``, with :attr:`point_confidence` (1 if unknown).

        Needs supervision 0.29 or newer.

        Raises:
            ConfigError: if the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise ConfigError("to_supervision: pip install 'supervision>=0.29' first") from error
        return supervision.KeyPoints(
            xy=self.points_xy,
            keypoint_confidence=np.nan_to_num(self.point_confidence, nan=1.0),
            detection_confidence=self.scores,
        )


def _label(face: Face) -> str:
    """The confidence, or the detector's score where the model does not say."""
    return f"{face.score if math.isnan(face.confidence) else face.confidence:.0%}"


def _rounded(values: npt.NDArray[np.float32], decimals: int = 3) -> list[float]:
    """To a thousandth of a pixel, or more."""
    return [round(value, decimals) for value in values.astype(float).tolist()]
