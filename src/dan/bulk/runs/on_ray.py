"""A bulk run on a Ray cluster: Ray Data hands out the tasks, workers read and write by themselves.

Of Ray's API are used, as of 2.60: ``ray.init``, ``ray.cluster_resources``, ``ray.data.from_items``,
``Dataset.map_batches`` with ``ActorPoolStrategy``, ``Dataset.iter_rows`` and three switches of
``DataContext``. What travels are places of tasks and counts; pictures and rows do not.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from dan.bulk.runs.parts import Part
from dan.bulk.runs.run_folder import RunFolder, TaskLine
from dan.bulk.worker import AlignBatch
from dan.core.errors import ConfigError, DanError, DataError, DeviceError

MAX_BLOCKS = 10_000
"""Of Ray Data, each of some tasks that go to one worker; more cost the driver memory."""

ANSWER_S = 10.0
"""How long the machine of a cluster may take to answer."""


ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",  # glibc's default keeps growing
    "OPENCV_FOR_THREADS_NUM": "1",  # its threads would be more than Ray gave us CPUs for
}
"""Of the workers' processes."""


def check_ray(address: str | None) -> None:
    """Say early what is missing: Ray itself would look for a cluster for minutes.

    Args:
        address: see :func:`run_on_ray`.

    Raises:
        ConfigError: if Ray is not installed.
        DeviceError: if nothing answers at ``HOST:PORT``.
    """
    if find_spec("ray") is None:
        raise ConfigError("--ray needs Ray: pip install '.[ray]'")
    host, colon, port = (address or "").rpartition(":")
    if not colon or "://" in host:
        return
    try:
        with socket.create_connection((host, int(port)), ANSWER_S):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise DeviceError(f"--ray: no cluster at {address}: {_last_line(error)}") from error


class TaskActor:
    """What runs in the processes of Ray: a folder and a worker."""

    def __init__(self, folder: str, worker: AlignBatch) -> None:
        self.folder, self.worker = RunFolder(folder), worker

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do a task; the counts of its part come back, or as ``fault`` why there is none."""
        line = TaskLine(*(int(batch[name][0]) for name in ("number", "offset", "size")))
        fault, part = "", Part.empty(line.number)
        try:
            part = self.folder.do(line, self.worker)
        except DanError as error:  # Ray would wrap it in errors of its own
            fault = str(error)
        return {
            name: np.array([value]) for name, value in (asdict(part) | {"fault": fault}).items()
        }


def run_on_ray(
    folder: str,
    lines: Sequence[TaskLine],
    worker: AlignBatch,
    *,
    address: str | None = None,
    workers: int | None = None,
    gpus: float = 0.0,
) -> Iterator[Part]:
    """Do tasks on a cluster; parts are told as they are done, in any order.

    Args:
        folder: path or URI that every node reaches.
        lines: the tasks.
        worker: its threads are the CPUs that Ray gives each process.
        address: of the cluster, ``HOST:PORT``; ``local`` starts one on this machine; None: the
            one that this machine belongs to, else as ``local``.
        workers: processes; None: as many as the cluster has CPUs (or GPUs) for.
        gpus: of each process.

    Raises:
        ConfigError: if Ray is not installed.
        DeviceError: if there is no such cluster, or nothing free in it.
        DataError: if a task cannot be done: no model, no room for its part.
    """
    check_ray(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before Ray starts: it would tell its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its core warns of what Ray Data does
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DeviceError(f"--ray: no cluster at {address}: {_last_line(error)}") from error
    try:
        yield from _parts(folder, lines, worker, workers, gpus)
    finally:
        ray.shutdown()


def _parts(
    folder: str, lines: Sequence[TaskLine], worker: AlignBatch, workers: int | None, gpus: float
) -> Iterator[Part]:
    import ray
    from ray.exceptions import RayError

    if not lines:
        return
    there = ray.cluster_resources()
    n_fit = int(there.get("CPU", 0) // worker.threads)
    if gpus:
        n_fit = min(n_fit, int(there.get("GPU", 0) / gpus))
    if not n_fit:
        raise DeviceError(
            f"--ray: expected a cluster with {worker.threads} CPUs and {gpus:g} GPUs for a worker, "
            f"got one of {there.get('CPU', 0):g} and {there.get('GPU', 0):g}"
        )
    _be_quiet()
    tasks = ray.data.from_items(
        [asdict(line) for line in lines], override_num_blocks=min(len(lines), MAX_BLOCKS)
    )
    done = tasks.map_batches(
        TaskActor,
        fn_constructor_args=(folder, worker),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=min(workers or n_fit, n_fit, len(lines))),
        num_cpus=worker.threads,
        num_gpus=gpus or None,
        runtime_env={"env_vars": ENVIRONMENT},
        udf_modifying_row_count=False,
    )
    try:
        for row in done.iter_rows():
            if fault := row.pop("fault"):
                raise DataError(fault)
            yield Part(**row)
    except RayError as error:
        raise DeviceError(f"Ray: {_last_line(getattr(error, 'cause', None) or error)}") from error


def _be_quiet() -> None:
    """No bars or reports of Ray's: progress is told by those who ask for the parts."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.enable_auto_log_stats = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
