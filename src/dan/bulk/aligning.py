"""Goes through many pictures, on all cores."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from dan.bulk.sources import Source
from dan.core.cores import usable_cores
from dan.core.errors import DanError, DataError
from dan.core.images import read_rgb
from dan.core.types import Box, ColourImage, FloatArray
from dan.datasets.formats import load_boxes
from dan.inference.aligner import BATCH_FACES, FaceAligner, Search, in_batches
from dan.inference.detections import BoxFit
from dan.inference.faces import Faces

K = TypeVar("K")
S = TypeVar("S")
T = TypeVar("T")

AHEAD = 4
"""Pictures for each thread that may be begun or wait for the network: memory does not grow with
their number."""


@dataclass(frozen=True)
class Outcome(Generic[K]):
    """What became of one picture.

    Attributes:
        source: what tells it from others.
        faces: what was found; None where it could not be read.
        size_wh: of the upright picture, pixels.
        error: why it could not be read.
    """

    source: K
    faces: Faces | None
    size_wh: tuple[int, int] = (0, 0)
    error: str = ""


def load_boxes_of(path: Path, sources: Sequence[Source]) -> dict[str, Box]:
    """Boxes by file name, from a JSON file.

    Raises:
        DataError: naming the file, where it cannot belong to these pictures.
    """
    boxes = load_boxes(path)
    often = Counter(source.path.name for source in sources)
    name, times = often.most_common(1)[0]
    if times > 1:
        raise DataError(f"{path}: expected pictures of different names, got {times} called {name}")
    if not boxes.keys() & often.keys():
        raise DataError(
            f"{path}: expected boxes by file name, such as {name}, found none of these names"
        )
    return boxes


def align_sources(
    aligner: FaceAligner,
    sources: Iterable[Source],
    *,
    boxes: Mapping[str, Box] | None = None,
    box_fit: BoxFit | None = None,
    threads: int | None = None,
) -> Generator[Outcome[Source], None, None]:
    """Align picture files; outcomes come in the order of the sources.

    Args:
        aligner: see :func:`align_pictures`.
        sources: what to read; taken as they are needed.
        boxes: one face a picture, by file name, instead of detecting; a picture without a box has
            no face.
        box_fit: from those boxes to the landmarks'; None: they are tight around these.
        threads: None: one a core.
    """
    readings = (
        Reading(source, str(source.path), partial(read_rgb, source.path)) for source in sources
    )
    given = None if boxes is None else partial(_box_of, boxes)
    return align_pictures(aligner, readings, boxes_of=given, box_fit=box_fit, threads=threads)


@dataclass(frozen=True)
class Reading(Generic[K]):
    """A picture to read.

    Attributes:
        key: tells it from others.
        name: that the reader's errors begin with.
        read: gives its (H, W, 3) RGB levels, or raises a DanError.
    """

    key: K
    name: str
    read: Callable[[], ColourImage]


def align_pictures(
    aligner: FaceAligner,
    readings: Iterable[Reading[K]],
    *,
    boxes_of: Callable[[K], FloatArray] | None = None,
    box_fit: BoxFit | None = None,
    threads: int | None = None,
    pool_faces: int = BATCH_FACES,
) -> Generator[Outcome[K], None, None]:
    """Align pictures from anywhere; outcomes come in their order.

    Each thread reads a picture and finds its faces, or runs the network for those of several. One
    thread is that of the caller.

    Args:
        aligner: shared by the threads; its network is best made with ``threads=1``.
        readings: taken as they are needed.
        boxes_of: the (F, 4) faces of a picture, by its key, instead of detecting them.
        box_fit: from those boxes to the landmarks'; None: they are tight around these.
        threads: None: one a core.
        pool_faces: faces of several pictures that go through the network together.
    """

    def search(reading: Reading[K]) -> tuple[tuple[Reading[K], tuple[int, int]], Search | DanError]:
        try:
            picture = reading.read()
            given = None if boxes_of is None else boxes_of(reading.key)
            found = aligner.search(picture, boxes=given, box_fit=box_fit)
        except DanError as error:
            return (reading, (0, 0)), error
        return (reading, (picture.shape[1], picture.shape[0])), found

    n_threads = threads or usable_cores()
    pool: Executor = _CallersThread()
    if n_threads > 1:
        pool = ThreadPoolExecutor(n_threads, thread_name_prefix="dan-align")
    try:
        searches = in_turn(pool, search, readings, AHEAD * n_threads)
        batches = in_batches(searches, pool_faces)
        for batch in in_turn(pool, aligner.faces_of_each, batches, n_threads):
            for (reading, size_wh), found in batch:
                if isinstance(found, DanError):
                    reason = str(found).removeprefix(f"{reading.name}: ")
                    yield Outcome(reading.key, None, error=reason)
                else:
                    yield Outcome(reading.key, found, size_wh)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _box_of(boxes: Mapping[str, Box], source: Source) -> FloatArray:
    box = boxes.get(source.path.name)
    return np.empty((0, 4)) if box is None else np.asarray(box)[None]


class _CallersThread(Executor):
    """Does each task at once: a second thread would take more than the one core asked for."""

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # noqa: ANN401
        """Its result."""
        done: Future[T] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def in_turn(pool: Executor, work: Callable[[S], T], tasks: Iterable[S], ahead: int) -> Iterator[T]:
    """Results in order, computed by threads that stay at most so many tasks ahead."""
    pending: deque[Future[T]] = deque()
    for task in tasks:
        pending.append(pool.submit(work, task))
        if len(pending) > ahead or pending[0].done():
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
