"""Many processes, on one machine or several: what they share, and what if one of them is gone.

They need no common file system: the main process, of rank 0, reads and writes the run folder, and
sends to the others what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import distributed

from dan.core.errors import ConfigError, DanError, LostProcessError
from dan.core.types import FilePath
from dan.model.distributed import world

T = TypeVar("T")


def from_main(accelerator: Accelerator, read: Callable[[], T]) -> T:
    """What the main process reads, or its error, in every process; each has to call this."""
    if accelerator.num_processes == 1:
        return read()
    found: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            found = [read()]
        except DanError as error:
            found = [error]
    (value,) = broadcast_object_list(found)
    if isinstance(value, DanError):
        raise value
    return cast(T, value)


def check_alike(accelerator: Accelerator, **facts: str) -> None:
    """Refuse processes that would not train the same; each has to call this.

    Args:
        facts: what has to be the same in all of them, by its name.

    Raises:
        ConfigError: naming what differs, and where.
    """
    if accelerator.num_processes == 1:
        return
    first, *others = gather_object([facts])
    for rank, other in enumerate(others, start=1):
        for name, value in other.items():
            if value != first[name]:
                raise ConfigError(
                    f"{name}: expected the same in all processes, got {_short(first[name])} in "
                    f"process 0 and {_short(value)} in process {rank}"
                )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


@contextmanager
def lost_processes_told(folder: FilePath) -> Iterator[None]:
    """Say it in one line if another process of the training is gone, or cannot be reached.

    Args:
        folder: of the run, from which the same command goes on.

    Raises:
        LostProcessError: in place of what the block raised.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, DanError) or not _is_of_connection(error):
            raise
        rank, size = world()
        who = f"process {rank} of {size}: " if size > 1 else ""
        raise LostProcessError(
            f"{who}lost the connection to the others, of which one was stopped or cannot be "
            f"reached ({_reason(error)}); the same command on all machines goes on from {folder}"
        ) from error


def _is_of_connection(error: RuntimeError) -> bool:
    if isinstance(error, distributed.DistError):
        return True
    # Some backends raise plain RuntimeErrors, which hold their name.
    is_up = distributed.is_available() and distributed.is_initialized()
    return is_up and distributed.get_backend() in str(error).lower()


def _reason(error: RuntimeError) -> str:
    """The first sentence, without the place in the backend's source."""
    line = re.sub(r"^\[[^]]*\] ", "", str(error).strip()).split("\n")[0]
    return line.split(". ")[0].rstrip(".")
