"""What the service counts, in Prometheus' form; of all its processes together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes keep their counts for each other; set before this module is imported."""

CONTENT_TYPE = CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FACES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counts of one process; :meth:`text` tells those of all.

    Args:
        n_restarts: how many processes died and were replaced.
    """

    def __init__(self, n_restarts: Callable[[], int] = lambda: 0) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "dan_requests", "Requests answered.", ["route", "code"], registry=registry
        )
        self.seconds = Histogram(
            "dan_request_seconds",
            "From the head of a request to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.rejected = Counter(
            "dan_rejected", "Requests and connections refused.", ["reason"], registry=registry
        )
        self.pictures = Counter("dan_pictures", "Pictures read.", registry=registry)
        self.faces = Counter("dan_faces", "Faces found.", registry=registry)
        self.batch_faces = Histogram(
            "dan_batch_faces",
            "Faces that went through the network together.",
            buckets=FACES,
            registry=registry,
        )
        self.queue = _gauge("dan_queue_length", "Pictures begun or waiting.", registry)
        self.connections = _gauge("dan_connections", "Open connections.", registry)
        self.buffered = _gauge("dan_buffered_bytes", "Memory of uploads.", registry)
        self.workers = _gauge("dan_workers", "Processes that answer requests.", registry)
        self._restarts = _Restarts(n_restarts)
        registry.register(self._restarts)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """Prometheus' text format."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        everywhere = CollectorRegistry()
        MultiProcessCollector(everywhere)  # type: ignore[no-untyped-call]
        everywhere.register(self._restarts)
        return generate_latest(everywhere)


class _Restarts(Collector):
    """A count that the supervisor keeps."""

    def __init__(self, n_restarts: Callable[[], int]) -> None:
        self._n_restarts = n_restarts

    def collect(self) -> Iterator[CounterMetricFamily]:
        text = "Processes that died and were replaced."
        yield CounterMetricFamily("dan_worker_restarts", text, value=self._n_restarts())


def forget(pid: int) -> None:
    """Take the gauges of a process that ended out of the sums; its counts stay."""
    if Path(os.environ[FOLDER_VARIABLE]).is_dir():
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _gauge(name: str, text: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, text, registry=registry, multiprocess_mode="livesum")
