"""What becomes of many pictures: written to the folder of results, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from dan.bulk.aligning import Outcome
from dan.bulk.result_folder import ResultFolder, error_record, record_of
from dan.bulk.result_format import ResultFormat
from dan.bulk.sources import Source
from dan.core.files import make_folder
from dan.core.images import write_png
from dan.inference.aligner import FaceAligner
from dan.inference.detectors import is_shrunk_much


@dataclass
class Tally:
    """Counts of a run.

    Attributes:
        n_large_without: pictures without a face that the detector has shrunk much.
    """

    n_pictures: int = 0
    n_unreadable: int = 0
    n_faces: int = 0
    n_large_without: int = 0
    _started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since the start, more than 0."""
        return max(time.perf_counter() - self._started, 1e-9)

    def add(self, outcome: Outcome[Source], aligner: FaceAligner) -> None:
        """Count one picture."""
        self.n_pictures += 1
        if outcome.faces is None:
            self.n_unreadable += 1
            return
        self.n_faces += len(outcome.faces)
        if not len(outcome.faces):
            self.n_large_without += is_shrunk_much(aligner.detector, outcome.size_wh)


def options_of(
    aligner: FaceAligner,
    faces: str,
    formats: Collection[ResultFormat],
    *,
    draw: bool,
    certainty: bool,
    axes: bool = False,
    shard: str | None = None,
) -> dict[str, Any]:
    """All that decides what the results of a run are."""
    # Folders of earlier versions do not name these.
    later = {"certainty": certainty, "axes": axes, "shard": shard}
    return {name: value for name, value in later.items() if value} | {
        "model": aligner.model.name,
        "model_sha256": getattr(aligner.model, "sha256", None),
        "faces": faces,
        "detector_size": aligner.detector_size,
        "passes": aligner.passes,
        "min_confidence": aligner.min_confidence,
        "max_faces": aligner.max_faces,
        "draw": draw,
        "pts": ResultFormat.PTS in formats,
    }


def take_outcomes(
    outcomes: Iterable[Outcome[Source]],
    aligner: FaceAligner,
    folder: ResultFolder | None,
    formats: Collection[ResultFormat],
    *,
    draw: bool,
    certainty: bool,
    axes: bool = False,
    on_outcome: Callable[[Outcome[Source], dict[str, Any]], None],
) -> Tally:
    """Write and count what became of each picture.

    Args:
        folder: that has admitted the pictures; None: nothing is written.
        certainty: lines and drawings tell the points' covariance and visibility, too.
        axes: drawings show the heads' axes.
        on_outcome: called with each, and its line in ``faces.jsonl``.
    """
    tally = Tally()
    for outcome in outcomes:
        source, faces = outcome.source, outcome.faces
        tally.add(outcome, aligner)
        if faces is None:
            record = error_record(source, outcome.error)
        else:
            record = record_of(source, outcome.size_wh, faces, certainty=certainty)
        if folder is not None:
            if draw and faces is not None:
                # It is read again: keeping many pictures would take any amount of memory.
                path = folder.path / f"{source.name}.png"
                make_folder(path.parent)
                write_png(path, faces.draw(source.path, certainty=certainty, axes=axes))
            folder.add(record, formats)
        on_outcome(outcome, record)
    return tally
