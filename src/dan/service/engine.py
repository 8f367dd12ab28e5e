"""From the bytes of a picture to its faces, with bounded queues and on all threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from msgspec import UNSET

from dan.core.errors import ConfigError, DegenerateShapeError, ImageError
from dan.inference.aligner import FaceAligner, Search
from dan.inference.detectors import build_detector
from dan.inference.faces import Faces
from dan.inference.landmark_model import check_confidence
from dan.inference.onnx_model import MAX_BATCH, OnnxModel
from dan.service.metrics import Metrics
from dan.service.refusals import Busy, ServiceError
from dan.service.scheduler import Scheduler
from dan.service.schemas import AlignQuery, ModelRecord
from dan.service.settings import MIB, ServiceSettings
from dan.service.uploads import decode_picture

MOST_RETRY_S = 30


class Engine:
    """Models, threads and queues of one process.

    Args:
        settings: of the service.
        metrics: what is counted.

    Raises:
        DanError: if a model or the detector cannot be loaded.
    """

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        loaded = [OnnxModel(name, threads=1) for name in settings.models]
        self.models = {model.name: model for model in loaded}
        if len(self.models) < len(loaded):
            names = ", ".join(model.name for model in loaded)
            raise ConfigError(f"--model: expected models of different names, got {names}")
        self.detector = build_detector(settings.detector, settings.detector_size)
        self.scheduler = Scheduler(
            {
                name: FaceAligner(model, self.detector).faces_of
                for name, model in self.models.items()
            },
            n_threads=settings.n_threads,
            most_faces=MAX_BATCH,
            on_batch=metrics.batch_faces.observe,
        )
        cv2.setNumThreads(1)  # the scheduler's threads have all cores
        self._seconds = 0.05
        self.n_pictures, self.n_buffered = 0, 0
        self._warm_up()

    def _warm_up(self) -> None:
        """Run the networks once: what they prepare then would delay the first request."""
        blank = np.zeros((480, 640, 3), dtype=np.uint8)
        for model in self.models.values():
            aligner = FaceAligner(model, self.detector)
            aligner(blank, boxes=[[200, 100, 400, 300]])
            aligner(blank)

    def close(self) -> None:
        """End the threads."""
        self.scheduler.close()

    def records(self) -> list[ModelRecord]:
        """The models that requests may name, the default first."""
        return [
            ModelRecord(
                model.name,
                model.scheme.name,
                model.scheme.n_landmarks,
                model.crop_size,
                model.has_confidence,
                list(model.certainty),
                model.sha256,
            )
            for model in self.models.values()
        ]

    def aligner(self, query: AlignQuery) -> FaceAligner:
        """What a request asks for.

        Raises:
            ServiceError: if the model is not there, or cannot tell what is asked for.
        """
        name = next(iter(self.models)) if query.model is UNSET else query.model
        if name not in self.models:
            known = ", ".join(self.models)
            raise ServiceError(400, "bad_query", f"model: expected one of {known}, got {name!r}")
        model = self.models[name]
        try:
            if query.min_confidence:
                check_confidence(model)
            if query.pose:
                Faces.empty(model.scheme).poses()
        except ConfigError as error:
            raise ServiceError(400, "bad_query", str(error)) from error
        max_faces = None if query.max_faces is UNSET else query.max_faces
        return FaceAligner(model, self.detector, passes=query.passes, max_faces=max_faces)

    @contextmanager
    def admitted(self, n_pictures: int) -> Iterator[None]:
        """Room for so many pictures in the queue.

        Raises:
            Busy: if there is none.
        """
        if self.n_pictures + n_pictures > self.settings.queue_pictures:
            wait_s = self.n_pictures * self._seconds / self.settings.n_threads
            raise Busy(
                "queue_full",
                f"expected at most {self.settings.queue_pictures} pictures at a time, got more",
                min(MOST_RETRY_S, 1 + int(wait_s)),
            )
        self._count(n_pictures)
        try:
            yield
        finally:
            self._count(-n_pictures)

    def _count(self, n_pictures: int) -> None:
        self.n_pictures += n_pictures
        self.metrics.queue.set(self.n_pictures)

    @contextmanager
    def buffer(self) -> Iterator[Callable[[int], None]]:
        """Room in memory for one upload: the value takes more bytes, and raises Busy."""
        held = 0

        def take(n_bytes: int) -> None:
            nonlocal held
            if self.n_buffered + n_bytes > self.settings.max_buffered_mib * MIB:
                raise Busy("buffers_full", "expected fewer uploads at a time, got more")
            held += n_bytes
            self._hold(n_bytes)

        try:
            yield take
        finally:
            self._hold(-held)

    def _hold(self, n_bytes: int) -> None:
        self.n_buffered += n_bytes
        self.metrics.buffered.set(self.n_buffered)

    async def align(self, data: bytes, aligner: FaceAligner, query: AlignQuery) -> dict[str, Any]:
        """The record of a picture; see :class:`~dan.service.schemas.PictureRecord`.

        Raises:
            ServiceError: if it is no picture of the formats and sizes that are taken.
        """
        size_wh = (0, 0)

        def search() -> Search:
            nonlocal size_wh
            size_wh, found = self._search(data, aligner)
            return found

        def record(faces: Faces) -> dict[str, Any]:
            kept = faces.with_confidence(query.min_confidence)
            told = kept.to_dict(certainty=query.certainty, pose=query.pose)
            return {"size_wh": size_wh, **told}

        told = await self.scheduler.do(aligner.model.name, search, record)
        self.metrics.pictures.inc()
        self.metrics.faces.inc(len(told["faces"]))
        return told

    def _search(self, data: bytes, aligner: FaceAligner) -> tuple[tuple[int, int], Search]:
        began = time.monotonic()
        try:
            picture = decode_picture(data, int(self.settings.max_megapixels * 1e6))
            size_wh = (picture.shape[1], picture.shape[0])
            return size_wh, aligner.search(picture)
        except (ImageError, DegenerateShapeError) as error:
            message = str(error).removeprefix("picture: ")
            raise ServiceError(422, "unreadable_picture", message) from error
        finally:
            self._seconds += 0.05 * (time.monotonic() - began - self._seconds)
