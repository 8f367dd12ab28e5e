"""Goes through many pictures: reading and detecting in threads, the network in batches."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from dan.bulk.sources import Source
from dan.core.errors import DanError, DataError
from dan.core.images import read_rgb
from dan.core.types import Box, FloatArray
from dan.datasets.formats import load_boxes
from dan.inference.aligner import FaceAligner, Search
from dan.inference.detections import BoxFit
from dan.inference.faces import Faces

T = TypeVar("T")

AHEAD = 4
"""Pictures a reader thread may be ahead of the network: memory does not grow with their number."""


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    Attributes:
        faces: what was found; None where it could not be read.
        size_wh: of the upright picture, pixels.
        error: why it could not be read.
    """

    source: Source
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
    readers: int = 2,
) -> Generator[Outcome, None, None]:
    """Align picture files; outcomes come in the order of the sources.

    Args:
        sources: what to read; taken as they are needed.
        boxes: one face a picture, by file name, instead of detecting; a picture without a box has
            no face.
        box_fit: from those boxes to the landmarks'; None: they are tight around these.
    """

    def read(source: Source) -> tuple[Source, tuple[int, int], Search | DanError]:
        try:
            picture = read_rgb(source.path)
            given = None if boxes is None else _box_of(boxes, source)
            search = aligner.search(picture, boxes=given, box_fit=box_fit)
        except DanError as error:
            return source, (0, 0), error
        return source, (picture.shape[1], picture.shape[0]), search

    searches = (((source, wh), found) for source, wh, found in _ahead(read, sources, readers))
    for (source, size_wh), found in aligner.pooled(searches):
        if isinstance(found, DanError):
            reason = str(found).removeprefix(f"{source.path}: ")
            yield Outcome(source, None, error=reason)
        else:
            yield Outcome(source, found, size_wh)


def _box_of(boxes: Mapping[str, Box], source: Source) -> FloatArray:
    box = boxes.get(source.path.name)
    return np.empty((0, 4)) if box is None else np.asarray(box)[None]


def _ahead(read: Callable[[Source], T], sources: Iterable[Source], readers: int) -> Iterator[T]:
    """Results in order, computed by threads that stay a few pictures ahead."""
    waiting = iter(sources)
    with ThreadPoolExecutor(readers, thread_name_prefix="dan-reader") as threads:
        pending: deque[Future[T]] = deque(
            threads.submit(read, source) for source in islice(waiting, AHEAD * readers)
        )
        try:
            while pending:
                item = pending.popleft().result()
                pending.extend(threads.submit(read, source) for source in islice(waiting, 1))
                yield item
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
