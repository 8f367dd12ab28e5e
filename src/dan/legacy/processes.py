"""Work spread over processes: the calling process works too, and Ctrl-C is its alone to see."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, Self, TypeVar

from dan.core.errors import DataError

ITEMS_AHEAD = 4
"""Items that a helper holds, so that it has work while this process is busy with an item."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Taken = TypeVar("Taken", contravariant=True)
Given = TypeVar("Given", covariant=True)


class Work(Protocol[Taken, Given]):
    """What is done with each item, and what is gathered meanwhile; it can be pickled.

    What is above 64 KiB at the start is waited for until the other process has started.
    """

    def __call__(self, item: Taken, /) -> Given:
        """Deal with one item."""

    def absorb(self, other: Self, /) -> None:
        """Take over what another process's copy has gathered."""


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    work: Work[Item, Outcome], items: Sequence[Item], workers: int
) -> Generator[tuple[Item, Outcome], None, None]:
    """Call ``work`` on each item in as many processes, of which the calling one is the first.

    Each process has a copy of ``work``; after the last item ``work`` absorbs the other copies.
    What is gathered must therefore not depend on how items are shared out. A loop that may be
    left early must close the iterator: the other processes are then ended in what they do.

    Yields:
        Each item and its outcome, whichever is ready first.

    Raises:
        DataError: if another process was killed; also what ``work`` raises, in any process.
    """
    waiting = iter(items)
    workers = max(1, min(workers, len(items)))
    with _helping(work, workers - 1) as helpers:
        for helper in helpers:
            helper.give(islice(waiting, min(ITEMS_AHEAD, len(items) // workers)))
        for item in waiting:
            yield item, work(item)
            yield from _answers(helpers, waiting, timeout=0)
        yield from _answers(helpers, waiting, timeout=None)
        for helper in helpers:
            work.absorb(helper.finish())


def _answers(
    helpers: Sequence[_Helper[Item, Outcome]], waiting: Iterator[Item], timeout: float | None
) -> Iterator[tuple[Item, Outcome]]:
    """What helpers have ready (timeout 0) or all that they owe (None); each gets another item."""
    while owing := {helper.connection: helper for helper in helpers if helper.held}:
        ready = wait(list(owing), timeout)
        if not ready:
            return
        for connection, helper in owing.items():
            if connection in ready:
                answer = helper.take()
                helper.give(islice(waiting, 1))
                yield answer


class _Helper(Generic[Item, Outcome]):
    """Another process, and the items that it holds."""

    def __init__(self, work: Work[Item, Outcome]) -> None:
        context = get_context("spawn")  # a fork would copy locks that other threads hold
        self.connection, self._far_end = context.Pipe()
        self.held: deque[Item] = deque()
        self._process = context.Process(target=_serve, args=(work, self._far_end), daemon=True)

    def start(self) -> None:
        self._process.start()
        self._far_end.close()  # now only the process has it: where it dies, reading here ends

    def give(self, items: Iterable[Item]) -> None:
        for item in items:
            with _death_is_said():
                self.connection.send((item,))
            self.held.append(item)

    def take(self) -> tuple[Item, Outcome]:
        with _death_is_said():
            answer = self.connection.recv()
        if isinstance(answer, _Failure):
            raise answer.error
        return self.held.popleft(), answer

    def finish(self) -> Any:  # noqa: ANN401 - the copy of the work, of whatever class
        with _death_is_said():
            self.connection.send(())
            return self.connection.recv()

    def stop(self) -> None:
        self.connection.close()
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join()


@contextmanager
def _death_is_said() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise DataError(
            "a worker process was killed; if memory is short, use fewer workers"
        ) from error


@contextmanager
def _helping(work: Work[Item, Outcome], count: int) -> Iterator[Sequence[_Helper[Item, Outcome]]]:
    """So many helpers; whatever happens, they have ended when this ends."""
    helpers = [_Helper(work) for _ in range(count)]
    try:
        if helpers:
            with _interrupt_held_back():
                for helper in helpers:
                    helper.start()
        yield helpers
    finally:
        for helper in helpers:
            helper.stop()


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Ctrl-C waits until the end, so that nothing is cut short between a start and its record.

    Processes that are started inside never see it.
    """
    if threading.current_thread() is not threading.main_thread():  # which Ctrl-C never interrupts
        with _interrupt_blocked():
            yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        with _interrupt_blocked():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """Ctrl-C reaches other threads only; processes inherit that, where the system knows it."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # started later, it would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ------------------------------------------------------------------------------- in the helpers


class _Failure:
    """An error in a helper, to be raised where the results are read."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")


def _serve(work: Work[Item, Outcome], connection: Connection) -> None:
    """Answer each item, and in the end with the work itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows has no signal masks
    with suppress(EOFError, ConnectionError):  # the main process is gone
        while message := connection.recv():
            connection.send(_outcome(work, *message))
        connection.send(work)


def _outcome(work: Work[Item, Outcome], item: Item) -> Outcome | _Failure:
    try:
        return work(item)
    except Exception as error:
        return _Failure(error)
