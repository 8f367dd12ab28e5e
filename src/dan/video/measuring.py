"""Measures of the faces of a video over time, and their plot."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.files import replacing
from dan.inference.faces import Face, Faces
from dan.points.measures import measure_table
from dan.schemes import FACE51
from dan.video.reader import Frame
from dan.video.tracked_faces import TrackedFaces

Table = Mapping[str, npt.NDArray[Any]]
"""Columns by name."""


class Measuring(AbstractContextManager[object]):
    """A sink of :func:`dan.video.following.follow` that keeps the points, to measure them all.

    The tracker should not smooth: smoothed lids close late and not wholly.
    """

    def __init__(self) -> None:
        self._seen: dict[int, list[tuple[int, float, Face]]] = {}

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Keep the faces of a frame; True."""
        for place, face in zip(faces.ids.tolist(), faces, strict=True):
            self._seen.setdefault(place, []).append((frame.number, frame.time_s, face))
        return True

    def __exit__(self, *_: object) -> None:
        """Nothing has to be closed."""

    def table(self) -> Table:
        """``frame, time_s, id, confidence``, then the columns of ``measure_table``.

        They have a value for each face and frame, by frame, then by id.
        """
        tables = [self._table_of(place, seen) for place, seen in sorted(self._seen.items())]
        tables = tables or [self._table_of(0, [])]
        order = np.argsort(np.concatenate([table["frame"] for table in tables]), kind="stable")
        return {
            name: np.concatenate([table[name] for table in tables])[order] for name in tables[0]
        }

    def _table_of(self, place: int, seen: list[tuple[int, float, Face]]) -> Table:
        scheme = seen[0][2].scheme if seen else FACE51  # whatever it is, the columns are the same
        faces = Faces.stacked([face for _, _, face in seen], scheme)
        times_s = np.array([time_s for _, time_s, _ in seen], dtype=np.float64)
        return {
            "frame": np.array([number for number, _, _ in seen], dtype=np.int64),
            "time_s": times_s,
            "id": np.full(len(seen), place),
            "confidence": faces.confidence,
            **measure_table(faces.points_xy, scheme, faces.covariance, times_s=times_s),
        }


def plot_measures(path: Path, table: Table) -> Path | None:
    """Draw eyes (with blinks), mouth, brows and angles over time, each face in its colour.

    Args:
        table: as :meth:`Measuring.table` gives it.

    Returns:
        ``path``, or None where matplotlib (extra ``plot``) is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    lines = {
        "eye openness": {"left_eye": "-", "right_eye": "--"},
        "mouth openness": {"mouth": "-"},
        "brow height": {"left_brow": "-", "right_brow": "--"},
        "angle, degrees": {"yaw": "-", "pitch": "--", "roll": ":"},
    }
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = figure.subplots(len(lines), 1, sharex=True)
    ids = np.unique(table["id"]).tolist()
    for panel, (title, names) in zip(panels, lines.items(), strict=True):
        panel.set_ylabel(title)
        for place in ids:
            rows = table["id"] == place
            whose = f", face {place}" if len(ids) > 1 else ""
            for name, style in names.items():
                colour = f"C{place - 1}" if len(ids) > 1 else f"C{list(names).index(name)}"
                label = name.replace("_", " ") + whose
                panel.plot(table["time_s"][rows], table[name][rows], style, c=colour, label=label)
            panel.legend(fontsize=8, loc="upper right")
    for time_s in table["time_s"][table["blink"] > 0]:
        panels[0].axvline(time_s, color="0.5", alpha=0.3)
    panels[-1].set_xlabel("seconds")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path
