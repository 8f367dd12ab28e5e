"""The worker of every engine: a batch of encoded pictures in, one row a picture out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.bulk.aligning import Outcome, Reading, align_pictures
from dan.core.errors import ConfigError, ImageError
from dan.core.images import decode_rgb, read_rgb
from dan.core.types import ColourImage
from dan.inference.aligner import BATCH_FACES, FaceAligner
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL
from dan.inference.faces import Faces
from dan.inference.landmark_model import CropLandmarks
from dan.inference.onnx_model import OnnxModel
from dan.points.pose import estimate_head_angles
from dan.schemes import LandmarkScheme

OF_FACES = (
    *("score", "confidence", "box_xyxy", "search_box_xyxy", "points_xy", "yaw_pitch_roll_deg"),
    *("covariance", "visibility"),
)
"""Columns with a value for each face of the picture, null where it could not be read."""

COLUMNS = ("error", "size_wh", *OF_FACES)
"""Of every row, after the columns that the batch came with."""

INPUTS = ("bytes", "path")
"""Columns that say what a picture is: the content of its file, or its path."""


@dataclass(frozen=True)
class AlignBatch:
    """Landmarks of batches of pictures, in any engine that hands out columns.

    Made of settings alone: it can be pickled and sent, and compares equal to its copies. The
    network and the detector are loaded by the first call, once a process. The rows are those that
    ``dan align`` finds: with the CPU, they do not depend on how pictures are grouped.

    Args:
        model: a bundle's path, or the name of a model that comes with the package.
        detector: the name of a detector.
        detector_size: see :class:`dan.FaceAligner`, as for the next three.
        passes: likewise.
        max_faces: likewise.
        min_confidence: likewise.
        certainty: whether rows tell the points' covariance and visibility.
        threads: each reads pictures, finds faces or runs the network.
        provider: see :class:`~dan.inference.onnx_model.OnnxModel`.
        pool_faces: faces of several pictures that go through the network together; an accelerator
            wants more than the default.
    """

    model: str = DEFAULT_MODEL
    detector: str = DEFAULT_DETECTOR
    detector_size: int | None = None
    passes: int = 1
    max_faces: int | None = None
    min_confidence: float = 0.0
    certainty: bool = False
    threads: int = 1
    provider: str = "cpu"
    pool_faces: int = BATCH_FACES

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
        """One row a picture, in order; what is wrong with a picture stands in its ``error``.

        Args:
            batch: columns of one length: ``bytes`` (encoded pictures) or ``path``; all others
                are passed through. A ``name`` is what messages and TGA files go by.

        Returns:
            The columns that came, without ``bytes``, and ``error`` (None: it was read),
            ``size_wh``, and with one value a face, highest score first: ``score``, ``confidence``,
            ``box_xyxy``, ``search_box_xyxy``, ``points_xy`` (x0, y0, x1, …),
            ``yaw_pitch_roll_deg`` (None where the points have no pose), ``covariance`` (xx0, xy0,
            yy0, xx1, …) and ``visibility``, both None where they are not asked for or the model
            does not tell. Pixels as everywhere in :class:`dan.Faces`; plain Python values.

        Raises:
            ConfigError: if there is no column to read, or a setting cannot take effect.
            BundleError: if the model is missing or damaged.
        """
        columns = {name: _plain(column) for name, column in batch.items()}
        given = next((name for name in INPUTS if name in columns), None)
        if given is None:
            raise ConfigError(f"batch: expected a column bytes or path, got {', '.join(columns)}")
        names = columns.get("name") or columns.get("path") or ["picture"] * len(columns[given])
        pictures = [
            (place, str(name), partial(_decoded if given == "bytes" else _read, value, str(name)))
            for place, (name, value) in enumerate(zip(names, columns[given], strict=True))
        ]
        rows = self.rows_of([*self.align(pictures)])
        kept = {name: column for name, column in columns.items() if name != "bytes"}
        return kept | {name: [row[name] for row in rows] for name in COLUMNS}

    def align(
        self, pictures: Iterable[tuple[Any, str, Callable[[], ColourImage]]]
    ) -> Iterator[Outcome[Any]]:
        """What becomes of each picture, in order.

        Args:
            pictures: key, name for messages, and what gives its levels or raises a DanError.
        """
        readings = (Reading(*each) for each in pictures)
        return align_pictures(
            self.aligner, readings, threads=self.threads, pool_faces=self.pool_faces
        )

    @property
    def aligner(self) -> FaceAligner:
        """What does the work; one a process for all workers of the same settings."""
        with _loading:
            return _aligner_of(self)[0]

    @property
    def network(self) -> CountedModel:
        """The network of that aligner."""
        with _loading:
            return _aligner_of(self)[1]

    def rows_of(self, outcomes: Sequence[Outcome[Any]]) -> list[dict[str, Any]]:
        """A row a picture, without the columns that it came with."""
        angles = iter(_angles([one.faces for one in outcomes if one.faces is not None]))
        return [
            dict.fromkeys(COLUMNS) | {"error": one.error}
            if one.faces is None
            else self._row_of(one.faces, one.size_wh, next(angles))
            for one in outcomes
        ]

    def _row_of(
        self, faces: Faces, size_wh: tuple[int, int], angles: list[list[float] | None]
    ) -> dict[str, Any]:
        covariance = faces.covariance if self.certainty else None
        visibility = faces.visibility if self.certainty else None
        spread = None if covariance is None else covariance[..., [0, 0, 1], [0, 1, 1]]
        return {
            "error": None,
            "size_wh": list(size_wh),
            "score": faces.scores.tolist(),
            "confidence": [None if np.isnan(one) else one for one in faces.confidence.tolist()],
            "box_xyxy": [face.box_xyxy.tolist() for face in faces],
            "search_box_xyxy": faces.search_boxes_xyxy.tolist(),
            "points_xy": _flat(faces.points_xy),
            "yaw_pitch_roll_deg": angles,
            "covariance": None if spread is None else _flat(spread),
            "visibility": None if visibility is None else visibility.tolist(),
        }


@dataclass(frozen=True)
class Counts:
    """Of a network: how often it was called, and for how many crops in all."""

    n_runs: int = 0
    n_crops: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(self.n_runs + other.n_runs, self.n_crops + other.n_crops)

    def __sub__(self, before: Counts) -> Counts:
        """Since then."""
        return Counts(self.n_runs - before.n_runs, self.n_crops - before.n_crops)

    @property
    def mean_batch(self) -> float:
        """Crops a call; 0 without a call."""
        return self.n_crops / max(self.n_runs, 1)


class CountedModel(OnnxModel):
    """A network that counts its calls."""

    def __init__(self, model: str, *, provider: str) -> None:
        super().__init__(model, threads=1, provider=provider)
        self._counts, self._counting = Counts(), threading.Lock()

    def __call__(self, crops: npt.NDArray[np.uint8]) -> CropLandmarks:
        """As of any :class:`OnnxModel`."""
        with self._counting:
            self._counts += Counts(1, len(crops))
        return super().__call__(crops)

    def counts(self) -> Counts:
        """Since it was made."""
        with self._counting:
            return self._counts


_loading = threading.Lock()


@lru_cache(maxsize=1)
def _aligner_of(worker: AlignBatch) -> tuple[FaceAligner, CountedModel]:
    """The aligner of these settings and its network; the last only, as a process has one job."""
    model = CountedModel(worker.model, provider=worker.provider)
    aligner = FaceAligner(
        model,
        worker.detector,
        detector_size=worker.detector_size,
        passes=worker.passes,
        max_faces=worker.max_faces,
        min_confidence=worker.min_confidence,
    )
    _ = aligner.detector  # one that cannot work is told before anything is read or written
    return aligner, model


def _plain(column: Iterable[Any]) -> list[Any]:
    """A column of any engine as a list of Python values."""
    for name in ("to_pylist", "tolist"):  # of Arrow and Daft; of NumPy and pandas
        if hasattr(column, name):
            return list(getattr(column, name)())
    return list(column)


def _decoded(data: bytes | None, name: str) -> ColourImage:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ImageError(f"{name}: expected the bytes of a picture, got {type(data).__name__}")
    return decode_rgb(bytes(data), name)


def _read(path: str | None, name: str) -> ColourImage:
    if not path:
        raise ImageError(f"{name}: expected a path, got none")
    return read_rgb(path)


def _flat(values: npt.NDArray[np.float32]) -> list[list[float]]:
    flat: list[list[float]] = values.reshape(len(values), -1).tolist() if len(values) else []
    return flat


def _angles(every: Sequence[Faces]) -> list[list[list[float] | None]]:
    """Yaw, pitch and roll of each face of each picture, degrees; all faces together, for speed."""
    if not every:
        return []
    points, scheme = np.concatenate([faces.points_xy for faces in every]), every[0].scheme
    angles = [
        None if np.isnan(one[0]) else one for one in estimate_head_angles(points, scheme).tolist()
    ]
    ends = np.cumsum([len(faces) for faces in every])
    return [angles[end - len(faces) : end] for faces, end in zip(every, ends, strict=True)]


def faces_of(row: Mapping[str, Any], scheme: LandmarkScheme) -> Faces:
    """The faces of a row again, as they were found.

    Args:
        row: of a picture that was read: the columns of :class:`AlignBatch`.
    """
    n_faces = len(row["score"])

    def array(values: Sequence[Any], *shape: int) -> npt.NDArray[np.float32]:
        return np.array(values, dtype=np.float32).reshape(n_faces, *shape)

    n_landmarks = scheme.n_landmarks
    spread = row["covariance"]
    if spread is not None:
        spread = array(spread, n_landmarks, 3)[..., [0, 1, 1, 2]].reshape(-1, n_landmarks, 2, 2)
    seen = row["visibility"]
    return Faces(
        array(row["points_xy"], n_landmarks, 2),
        array(row["search_box_xyxy"], 4),
        array(row["score"]),
        array([np.nan if one is None else one for one in row["confidence"]]),
        scheme,
        spread,
        None if seen is None else array(seen, n_landmarks),
    )
