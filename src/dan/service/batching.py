"""Faces of several requests go through the network together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from dan.inference.aligner import Search
from dan.inference.faces import Faces


class Batcher:
    """Collects pictures that were searched, and runs the network for them.

    A batch starts when it is full; or, where no batch runs, when no further picture is being
    searched or the first of the batch has waited long enough. So a lone request waits for nobody,
    and under load the next batch grows while one runs. Used from one event loop.

    Args:
        run: the network: faces of each of several pictures; called in ``pool``.
        pool: threads.
        most_faces: of a batch; a picture with more goes alone.
        wait_s: how long the first of a batch waits for others.
        most_batches: that run at the same time.
        is_more_coming: whether pictures are being searched.
        on_batch: called with the number of faces of each batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Search]], list[Faces]],
        pool: Executor,
        *,
        most_faces: int,
        wait_s: float,
        most_batches: int,
        is_more_coming: Callable[[], bool],
        on_batch: Callable[[int], object],
    ) -> None:
        self._run, self._pool = run, pool
        self._most_faces, self._wait_s, self._most_batches = most_faces, wait_s, most_batches
        self._is_more_coming, self._on_batch = is_more_coming, on_batch
        self._waiting: deque[tuple[Search, asyncio.Future[Faces]]] = deque()
        self._n_running = 0
        self._timer: asyncio.TimerHandle | None = None

    async def faces(self, search: Search) -> Faces:
        """Faces of one picture; where this is cancelled in time, no work is done."""
        future: asyncio.Future[Faces] = asyncio.get_running_loop().create_future()
        self._waiting.append((search, future))
        self.look()
        return await future

    def look(self) -> None:
        """Start what is due; to be called when a search has ended without a picture, too."""
        while self._waiting and self._waiting[0][1].done():  # whoever asked has left
            self._waiting.popleft()
        n_faces = sum(len(search.batch) for search, future in self._waiting if not future.done())
        while self._n_running < self._most_batches and n_faces >= self._most_faces:
            n_faces -= self._start()
        if not self._waiting or self._n_running:
            return
        if not self._is_more_coming() or not self._wait_s:
            self._start()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._waiting and not self._n_running:
            self._start()

    def _start(self) -> int:
        """Start a batch; returns its number of faces."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch: list[tuple[Search, asyncio.Future[Faces]]] = []
        n_faces = 0
        while self._waiting:
            search, future = self._waiting[0]
            if not future.done():
                if batch and n_faces + len(search.batch) > self._most_faces:
                    break
                batch.append((search, future))
                n_faces += len(search.batch)
            self._waiting.popleft()
        if batch:
            self._n_running += 1
            self._on_batch(n_faces)
            found = asyncio.get_running_loop().run_in_executor(
                self._pool, self._found, [search for search, _ in batch]
            )
            found.add_done_callback(lambda done: self._give(batch, done))
        return n_faces

    def _found(self, searches: Sequence[Search]) -> list[Faces | Exception]:
        """Of each picture faces, or why there are none: no picture spoils those beside it."""
        try:
            return list(self._run(searches))
        except Exception as error:  # raised where the faces are waited for
            if len(searches) == 1:
                return [error]
            return [each for search in searches for each in self._found([search])]

    def _give(
        self,
        batch: Sequence[tuple[Search, asyncio.Future[Faces]]],
        done: asyncio.Future[list[Faces | Exception]],
    ) -> None:
        self._n_running -= 1
        for (_, future), result in zip(batch, done.result(), strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self.look()
