"""Who is there and who was lost lately, and under which ids."""

from __future__ import annotations

from dan.geometry import box_of_points, box_overlap
from dan.types import Points
from dan.video.smoothing import Smoothing
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


class TrackRoll:
    """The tracks of one video.

    Attributes:
        present: faces that are followed.
        lost: faces that were lost lately.
        n_ids: different faces so far.
    """

    def __init__(self) -> None:
        self.present: list[Track] = []
        self.lost: list[Track] = []
        self.n_ids = 0

    def forget(self, time_s: float) -> None:
        """Drop those whose time to come back is over."""
        self.lost = [track for track in self.lost if time_s - track.time_s <= MEMORY_S]

    def clear(self) -> None:
        """Forget all faces: the next ones have new ids."""
        self.present, self.lost = [], []

    def lose(self, track: Track) -> None:
        """Stop following a face; it may come back."""
        self.present.remove(track)
        self.lost.append(track)

    def has_face_at(self, points: Points) -> bool:
        """Whether (N, 2) points are those of a face that is followed already."""
        box = box_of_points(points)
        return any(box_overlap(box, track.box) > CONVERGED for track in self.present)

    def begin(
        self,
        points: Points,
        confidence: float,
        *,
        score: float,
        time_s: float,
        smoothing: Smoothing | None,
    ) -> None:
        """Follow a face from now on; it has its old id where one was lost."""
        track_id = self._id_for(points, time_s)
        self.present.append(Track(track_id, points, confidence, score, time_s, smoothing))

    def part_converged(self) -> None:
        """Of two tracks on one face that one stays which moved as expected, else the older."""
        for younger in sorted(self.present, key=lambda track: -track.id):
            for older in [track for track in self.present if track.id < younger.id]:
                if box_overlap(younger.box, older.box) > CONVERGED:
                    hopped = older.surprise > younger.surprise + HOPPED
                    self.lose(older if hopped else younger)
                    break

    def _id_for(self, points: Points, time_s: float) -> int:
        box = box_of_points(points)
        overlaps = [
            max(box_overlap(box, place) for place in track.places(time_s)) for track in self.lost
        ]
        if overlaps and max(overlaps) >= SAME_PLACE:
            return self.lost.pop(overlaps.index(max(overlaps))).id
        self.n_ids += 1
        return self.n_ids
