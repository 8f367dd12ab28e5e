"""Who is there and who was lost lately, and under which ids."""

from __future__ import annotations

from dataclasses import replace

from dan.core.types import Points
from dan.geometry import box_of_points, box_overlap
from dan.inference.faces import Face, Faces
from dan.schemes import LandmarkScheme
from dan.video.smoothing import Smoothing
from dan.video.tracked_faces import TrackedFaces
from dan.video.tracks import Track

CONVERGED = 0.5
"""Overlap of two tracks that follow one face."""

HOPPED = 0.01
"""By so much more surprise, in shares of its size, it shows that a track hopped onto a face.

Where one face passes another (two heads of the clips, one moved over the other in steps of 5 and 12
pixels) it is 0.03 to 0.06 for the track that hops, and 0.01 less than that for the other.
"""

SAME_PLACE = 0.2
"""Overlap of a lost and a new face that are the same."""

MEMORY_S = 2.0
"""A face that comes back to its place within this time has its old id."""

MAX_STRETCH = 0.02
"""Sizes are whole pixels, so the two factors of a scaled picture may differ a little."""


class TrackRoster:
    """The tracks of one video."""

    def __init__(self) -> None:
        self.present: list[Track] = []
        self.lost: list[Track] = []
        self.n_ids = 0

    def forget(self, time_s: float) -> None:
        """Drop those whose time to come back is over."""
        self.lost = [track for track in self.lost if time_s - track.time_s <= MEMORY_S]

    def rescale(self, factor_x: float, factor_y: float) -> None:
        """Follow a picture that changes its size; in other proportions it is another picture."""
        if abs(factor_x / factor_y - 1) > MAX_STRETCH:
            self.present, self.lost = [], []
        for track in [*self.present, *self.lost]:
            track.rescale((factor_x + factor_y) / 2)

    def lose(self, track: Track) -> None:
        """Stop following a face; it may come back."""
        self.present.remove(track)
        self.lost.append(track)

    def has_face_at(self, points: Points) -> bool:
        """Whether (N, 2) points are those of a face that is followed already."""
        box = box_of_points(points)
        return any(box_overlap(box, track.box) > CONVERGED for track in self.present)

    def begin(self, face: Face, *, time_s: float, smoothing: Smoothing | None) -> None:
        """Follow a face from now on; it has its old id where one was lost."""
        known = self._id_for(face.points_xy, time_s)
        self.present.append(Track(known, face, time_s, smoothing))

    def part_converged(self) -> None:
        """Of two tracks on one face that one stays which moved as expected, else the older."""
        for younger in sorted(self.present, key=lambda track: -track.id):
            for older in [track for track in self.present if track.id < younger.id]:
                if box_overlap(younger.box, older.box) > CONVERGED:
                    hopped = older.surprise > younger.surprise + HOPPED
                    self.lose(older if hopped else younger)
                    break

    def faces(self, scheme: LandmarkScheme) -> TrackedFaces:
        """The faces that are followed, as they are shown, oldest first."""
        tracks = sorted(self.present, key=lambda track: track.id)
        shown = [replace(track.face, points_xy=track.shown) for track in tracks]
        return TrackedFaces.of(Faces.stacked(shown, scheme), [track.id for track in tracks])

    def _id_for(self, points: Points, time_s: float) -> int:
        box = box_of_points(points)
        overlaps = [
            max(box_overlap(box, place) for place in track.places(time_s)) for track in self.lost
        ]
        if overlaps and max(overlaps) >= SAME_PLACE:
            return self.lost.pop(overlaps.index(max(overlaps))).id
        self.n_ids += 1
        return self.n_ids
