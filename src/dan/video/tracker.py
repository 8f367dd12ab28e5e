"""Faces followed from frame to frame: detection now and then, the last points in between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dan.core.errors import ConfigError
from dan.core.images import Channels, Picture, as_rgb
from dan.core.types import ColourImage, Points
from dan.geometry import box_centre, box_size_wh
from dan.inference.aligner import FaceAligner, is_likely
from dan.inference.detections import Detections
from dan.inference.faces import Face
from dan.inference.landmark_model import check_confidence
from dan.video.plausibility import why_not_a_face
from dan.video.reader import DEFAULT_FPS
from dan.video.roster import TrackRoster
from dan.video.smoothing import Smoothing
from dan.video.tracked_faces import TrackedFaces
from dan.video.tracks import Track, match_boxes

DETECT_EVERY = 15
"""Frames between two detections while all is well: half a second of common video."""

LOST_BELOW = 0.1
"""Confidence below which a face is lost: the reference implementation's."""

SURE = 0.5
"""Confidence from which a face needs no detector to confirm it."""

MAX_MISSES = 5
"""Detections in a row that may miss a face that is not confident; they come frame by frame then."""

SAME_FACE = 0.2
"""Overlap of a track and a detection of the same face. On the clips it is 0.7 or more."""

SLID_OFF = 0.4
"""Overlap with its detection below which a track starts again from the detection."""

SEARCH_S = 0.5
"""After a loss, every frame is searched for so long."""

NEAR = 3.0
"""Side of the part of a frame in which a face is looked for first, in sizes of the face."""


class FaceTracker:
    """Follows the faces of one video; the frames come one by one, in order.

    The detector runs on the first frame, after a loss, and every ``detect_every`` frames for new
    faces. Between, the search starts from each face's last points (Kowalski et al. 2017), moved on
    by its velocity. A face that was just lost, or that a detection did not confirm, is first looked
    for about its last place.

    Args:
        aligner: finds the landmarks; its ``min_confidence`` must be 0, its ``max_faces`` is not
            used.
        detect_every: frames from one detection to the next.
        lost_below: a face is lost below this confidence, 0..1. Models without confidence lose
            faces by their geometry, and by detections that do not confirm them, alone.
        smoothing: True for the default filter, parameters of one's own, or False for the points
            as they are found. The search never starts from smoothed points.
        max_faces: at most so many at a time; the first ones seen stay. None: all.
        min_confidence: faces below are followed but not returned; above 0 only with models that
            know their confidence.

    Attributes:
        n_frames: frames so far.
        frame_wh: size of the last frame, pixels.
        n_detections: whole frames that the detector has looked at so far.

    Raises:
        ConfigError: if an option is out of range.
    """

    def __init__(
        self,
        aligner: FaceAligner,
        *,
        detect_every: int = DETECT_EVERY,
        lost_below: float = LOST_BELOW,
        smoothing: Smoothing | bool = True,
        max_faces: int | None = None,
        min_confidence: float = 0.0,
    ) -> None:
        if detect_every < 1 or (max_faces is not None and max_faces < 1):
            raise ConfigError(
                "tracker: expected detect_every and max_faces of at least 1, "
                f"got {detect_every} and {max_faces}"
            )
        if not (0 <= lost_below <= 1 and 0 <= min_confidence <= 1):
            raise ConfigError(
                "tracker: expected lost_below and min_confidence of 0..1, "
                f"got {lost_below} and {min_confidence}"
            )
        if aligner.min_confidence:
            raise ConfigError(
                "tracker: expected an aligner whose min_confidence is 0, as the tracker has its "
                f"own, got {aligner.min_confidence}"
            )
        if min_confidence:
            check_confidence(aligner.model)
        self.aligner, self.detect_every, self.lost_below = aligner, detect_every, lost_below
        self.max_faces, self.min_confidence = max_faces, min_confidence
        self.smoothing = smoothing if isinstance(smoothing, Smoothing) else None
        if smoothing is True:
            self.smoothing = Smoothing()
        self.n_frames = self.n_detections = 0
        self._roster = TrackRoster()
        self._time_s = -math.inf
        self.frame_wh = (0, 0)
        self._detected_at = 0  # number of the frame of the last detection

    @property
    def n_ids(self) -> int:
        """Different faces so far."""
        return self._roster.n_ids

    def update(
        self, frame: Picture, time_s: float | None = None, *, channels: Channels = "rgb"
    ) -> TrackedFaces:
        """The faces of the next frame.

        Args:
            frame: an array, (H, W, 3) uint8 as a rule; see :class:`~dan.FaceAligner`. It is not
                changed. Where its size differs from that of the last frame, the picture is taken
                to be scaled; in other proportions it is taken for another picture.
            time_s: when it was shown, later than the one before; None: 1/25 s later.
            channels: ``rgb`` or ``bgr``, of three-channel arrays.

        Raises:
            ConfigError: if the time does not advance.
            ShapeError: if the frame is no picture.
        """
        rgb = as_rgb(frame, channels)
        if time_s is None:
            time_s = self._time_s + 1 / DEFAULT_FPS if self.n_frames else 0.0
        if not math.isfinite(time_s) or time_s <= self._time_s:
            raise ConfigError(f"time_s: expected more than {self._time_s}, got {time_s}")
        self._time_s = time_s
        self._fit_frame((rgb.shape[1], rgb.shape[0]))
        self._roster.forget(time_s)
        self._follow(rgb)
        self._look_near(rgb)
        if self._is_search_due():
            self._search(rgb)
        self._roster.part_converged()
        self.n_frames += 1
        faces = self._roster.faces(self.aligner.model.scheme)
        return faces.with_confidence(self.min_confidence)

    def _fit_frame(self, frame_wh: tuple[int, int]) -> None:
        """Bring what is known to another size of the frames."""
        before, self.frame_wh = self.frame_wh, frame_wh
        if not self.n_frames or before == frame_wh:
            return
        self._roster.rescale(frame_wh[0] / before[0], frame_wh[1] / before[1])

    def _follow(self, frame: ColourImage) -> None:
        """Look for each face where it should be now."""
        tracks = list(self._roster.present)
        if not tracks:
            return
        starts = np.stack([track.predicted(self._time_s) for track in tracks])
        found = self.aligner(frame, points=starts)
        for track, face in zip(tracks, found, strict=True):
            if not self._is_face(face.points_xy, face.confidence, before=track.points):
                self._roster.lose(track)
                continue
            track.move(face, self._time_s)
            if face.confidence >= SURE:
                track.confirm()

    def _is_face(self, points: Points, confidence: float, before: Points | None = None) -> bool:
        return not why_not_a_face(
            points,
            confidence,
            frame_wh=self.frame_wh,
            mean_shape=self.aligner.model.mean_shape,
            lost_below=self.lost_below,
            before=before,
        )

    def _is_search_due(self) -> bool:
        roster, waited = self._roster, self.n_frames - self._detected_at
        just_lost = any(map(self._is_just_lost, roster.lost))
        doubted = any(track.misses for track in roster.present)
        return not roster.present or just_lost or doubted or waited >= self.detect_every

    def _is_just_lost(self, track: Track) -> bool:
        return self._time_s - track.time_s <= SEARCH_S

    def _look_near(self, frame: ColourImage) -> None:
        """Detect about the places of faces that were just lost, or are in doubt."""
        just_lost = [track for track in self._roster.lost if self._is_just_lost(track)]
        doubted = [track for track in self._roster.present if track.misses]
        for track in [*just_lost, *doubted]:
            place = track.places(self._time_s)[-1]
            half = NEAR / 2 * float(box_size_wh(place).max())
            centre = box_centre(place)
            near = np.concatenate([centre - half, centre + half])
            self._take(frame, self.aligner.detect(frame, within=near))

    def _search(self, frame: ColourImage) -> None:
        """Detect in the whole frame, and doubt the faces that are not found."""
        self._detected_at = self.n_frames
        self.n_detections += 1
        for track in self._take(frame, self.aligner.detect(frame)):
            self._doubt(track)

    def _take(self, frame: ColourImage, found: Detections) -> list[Track]:
        """Confirm or correct the tracks, and begin new ones.

        Returns:
            The tracks that were there before and are not among what was found.
        """
        tracks = list(self._roster.present)
        pairs = match_boxes([track.box for track in tracks], found.boxes_xyxy, SAME_FACE)
        for place, other, overlap in pairs:
            track = tracks[place]
            track.face = replace(track.face, score=float(found.scores[other]))
            if overlap < SLID_OFF:
                self._correct(frame, track, found[[other]])
            track.confirm()
        taken = {other for _, other, _ in pairs}
        self._begin(frame, found[[place for place in range(len(found)) if place not in taken]])
        seen = {place for place, _, _ in pairs}
        return [track for place, track in enumerate(tracks) if place not in seen]

    def _doubt(self, track: Track) -> None:
        """A detection missed this face: hands or a turn may hide a real one for a while.

        One of which the network is confident is confirmed again in the next frame.
        """
        track.misses += 1
        if track.misses >= MAX_MISSES:
            self._roster.lose(track)

    def _correct(self, frame: ColourImage, track: Track, found: Detections) -> None:
        """Start a track again from its detection, and keep the better of the two."""
        for face in self._align(frame, found):
            if not face.confidence < track.face.confidence:
                track.correct(face)

    def _begin(self, frame: ColourImage, found: Detections) -> None:
        """Follow new faces, and faces that have come back."""
        if self.max_faces is not None:
            found = found[: self.max_faces - len(self._roster.present)]
        for face in self._align(frame, found):
            if not self._roster.has_face_at(face.points_xy):
                self._roster.begin(face, time_s=self._time_s, smoothing=self.smoothing)

    def _align(self, frame: ColourImage, found: Detections) -> Iterator[Face]:
        """Faces that were detected.

        A second pass starts from the face upright, as it will in the frames to come.
        """
        if not len(found):
            return
        first = self.aligner(frame, boxes=found)
        first = first[[self._is_face(face.points_xy, math.nan) for face in first]]
        for face, start in zip(self.aligner(frame, points=first.points_xy), first, strict=True):
            is_face = bool(is_likely(start.score, face.confidence))
            if is_face and self._is_face(face.points_xy, face.confidence):
                yield replace(face, score=start.score, search_box_xyxy=start.search_box_xyxy)
