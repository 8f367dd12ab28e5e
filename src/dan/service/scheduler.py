"""What a thread does next: search a picture, or run a network for several that were searched."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from dan.inference.aligner import Search
from dan.inference.faces import Faces

T = TypeVar("T")

Network = Callable[[Sequence[Search]], list[Faces]]
"""Faces of each of several pictures."""

Result = Callable[[Future[Any]], None]
"""Takes what a thread did, in the event loop."""


@dataclass(frozen=True)
class _Searched:
    """A picture that waits for a network."""

    network: str
    search: Search
    faces: asyncio.Future[Faces]

    @property
    def size(self) -> int:
        """Its share of a batch."""
        return max(1, len(self.search.batch))


class Scheduler:
    """Threads that search pictures and run networks, and none rests while there is work.

    A thread that has ended runs a network if a full batch waits; else it searches the next
    picture; else it runs a network for what there is. So a lone request waits for nobody, and
    under load batches fill up. What nobody waits for any more is not begun. Used from one event
    loop.

    Args:
        networks: by the names of their models; called in a thread.
        n_threads: that work at the same time.
        most_faces: of a batch; a picture with more goes alone.
        on_batch: called with the number of faces of each batch.
    """

    def __init__(
        self,
        networks: Mapping[str, Network],
        *,
        n_threads: int,
        most_faces: int,
        on_batch: Callable[[int], object],
    ) -> None:
        self._networks, self._most_faces, self._on_batch = networks, most_faces, on_batch
        self._pool = ThreadPoolExecutor(n_threads + 1, thread_name_prefix="dan-serve")
        self._n_idle = n_threads
        self._to_search: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._searched: deque[_Searched] = deque()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def search(self, work: Callable[[], T]) -> T:
        """Do it in a thread, in turn."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._to_search.append((work, future))
        self._assign()
        return await future

    async def faces(self, network: str, search: Search) -> Faces:
        """Faces of one picture."""
        future: asyncio.Future[Faces] = asyncio.get_running_loop().create_future()
        self._searched.append(_Searched(network, search, future))
        self._assign()
        return await future

    async def aside(self, work: Callable[[], T]) -> T:
        """Do something short in a thread, out of turn."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _assign(self) -> None:
        """Give work to the idle threads."""
        while self._n_idle and (task := self._next()):
            work, result = task
            self._n_idle -= 1
            ended = partial(self._hand_over, asyncio.get_running_loop(), result)
            self._pool.submit(work).add_done_callback(ended)

    def _hand_over(
        self, loop: asyncio.AbstractEventLoop, result: Result, done: Future[Any]
    ) -> None:
        """From the thread, wanted or not, back to the event loop."""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._end, result, done)

    def _end(self, result: Result, done: Future[Any]) -> None:
        self._n_idle += 1
        if not done.cancelled():  # the threads have ended
            result(done)
        self._assign()

    def _next(self) -> tuple[Callable[[], Any], Result] | None:
        """What is due, and what becomes of it."""
        self._searched = deque(each for each in self._searched if not each.faces.done())
        if sum(each.size for each in self._searched) >= self._most_faces:
            return self._batch()
        while self._to_search:
            work, future = self._to_search.popleft()
            if not future.done():
                return work, partial(_give, future)
        return self._batch() if self._searched else None

    def _batch(self) -> tuple[Callable[[], Any], Result]:
        """The picture that has waited longest, and what goes with it."""
        batch, left = [self._searched.popleft()], deque[_Searched]()
        n_faces = batch[0].size
        for each in self._searched:
            if each.network == batch[0].network and n_faces + each.size <= self._most_faces:
                batch.append(each)
                n_faces += each.size
            else:
                left.append(each)
        self._searched = left
        self._on_batch(sum(len(each.search.batch) for each in batch))
        run = self._networks[batch[0].network]
        return (
            partial(_faces_of_each, run, [each.search for each in batch]),
            partial(_give_each, [each.faces for each in batch]),
        )


def _faces_of_each(run: Network, searches: Sequence[Search]) -> list[Faces | Exception]:
    """Of each picture faces, or why there are none: no picture spoils those beside it."""
    try:
        return list(run(searches))
    except Exception as error:  # raised where the faces are waited for
        if len(searches) == 1:
            return [error]
        return [each for search in searches for each in _faces_of_each(run, [search])]


def _give(future: asyncio.Future[T], done: Future[T]) -> None:
    if future.done():  # whoever asked has left
        return
    if error := done.exception():
        future.set_exception(error)
    else:
        future.set_result(done.result())


def _give_each(
    futures: Sequence[asyncio.Future[Faces]], done: Future[list[Faces | Exception]]
) -> None:
    for future, result in zip(futures, done.result(), strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
