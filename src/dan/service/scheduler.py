"""What a thread does next: search a picture, or run a network for several that were searched."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from dan.inference.aligner import Search
from dan.inference.faces import Faces

T = TypeVar("T")

Network = Callable[[Sequence[Search]], list[Faces]]
"""Faces of each of several pictures."""


@dataclass
class _Picture:
    """A picture on its way.

    Attributes:
        network: the name of the one that it needs.
        search: finds where to look in it.
        told: makes the answer of its faces.
        answer: what is waited for, in the event loop.
        found: what the search gave; None: it was not searched yet.
    """

    network: str
    search: Callable[[], Search]
    told: Callable[[Faces], Any]
    answer: asyncio.Future[Any]
    found: Search | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for it."""
        return not self.answer.done()

    @property
    def size(self) -> int:
        """Its share of a batch."""
        return max(1, len(self.found.batch)) if self.found else 1

    def end(self, result: object) -> None:
        """Hand over an answer, or the exception in place of one, from a thread."""

        def give() -> None:
            if self.answer.done():  # whoever asked has left
                return
            if isinstance(result, BaseException):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)

        with suppress(RuntimeError):  # the loop has ended meanwhile
            self.answer.get_loop().call_soon_threadsafe(give)


class Scheduler:
    """Threads that search pictures and run networks, and none rests while there is work.

    A thread searches the next picture while the pictures that wait may still fill a batch; else it
    runs a network for what was searched. So a lone picture waits for nobody and stays in one
    thread, and under load batches fill up. What nobody waits for any more is not begun.

    Args:
        networks: by the names of their models; called in a thread.
        n_threads: that work at the same time.
        most_faces: of a batch; a picture with more goes alone.
        on_batch: called with the number of faces of each batch, in a thread.
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
        self._work_is_due = threading.Condition()
        self._to_search: deque[_Picture] = deque()
        self._searched: deque[_Picture] = deque()
        self._is_open = True
        for number in range(n_threads):
            name = f"dan-serve-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """End the threads, each after what it is at."""
        with self._work_is_due:
            self._is_open = False
            self._work_is_due.notify_all()

    async def do(self, network: str, search: Callable[[], Search], told: Callable[[Faces], T]) -> T:
        """Find the faces of one picture; both functions are called in threads.

        Raises:
            Exception: what a function or the network raised.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._work_is_due:
            self._to_search.append(_Picture(network, search, told, answer))
            self._work_is_due.notify()
        return await answer

    def _work(self) -> None:
        while task := self._next():
            task()

    def _next(self) -> Callable[[], None] | None:
        """What is due; waits for it. None: there is no more."""
        with self._work_is_due:
            while self._is_open:
                task = self._due()
                if task:
                    if self._to_search or self._searched:
                        self._work_is_due.notify()  # the next thread, if one waits
                    return task
                self._work_is_due.wait()
        return None

    def _due(self) -> Callable[[], None] | None:
        """What is due now; None: nothing."""
        self._to_search = deque(each for each in self._to_search if each.is_wanted)
        self._searched = deque(each for each in self._searched if each.is_wanted)
        n_faces = sum(each.size for each in self._searched)
        is_full = n_faces >= self._most_faces
        may_fill = n_faces + len(self._to_search) >= self._most_faces
        if self._searched and (is_full or not may_fill):
            return partial(self._run, self._batch())
        return partial(self._search, self._to_search.popleft()) if self._to_search else None

    def _batch(self) -> list[_Picture]:
        """The picture that has waited longest, and what goes with it."""
        batch, left = [self._searched.popleft()], deque[_Picture]()
        n_faces = batch[0].size
        for each in self._searched:
            if each.network == batch[0].network and n_faces + each.size <= self._most_faces:
                batch.append(each)
                n_faces += each.size
            else:
                left.append(each)
        self._searched = left
        return batch

    def _search(self, picture: _Picture) -> None:
        try:
            picture.found = picture.search()
        except Exception as error:  # raised where the answer is waited for
            picture.end(error)
            return
        with self._work_is_due:  # this thread looks next for what is due
            self._searched.append(picture)

    def _run(self, batch: Sequence[_Picture]) -> None:
        searches = [each.found for each in batch if each.found]
        self._on_batch(sum(len(search.batch) for search in searches))
        network = self._networks[batch[0].network]
        for picture, faces in zip(batch, _faces_of_each(network, searches), strict=True):
            picture.end(_told(picture, faces))


def _faces_of_each(network: Network, searches: Sequence[Search]) -> list[Faces | Exception]:
    """Of each picture faces, or why there are none: no picture spoils those beside it."""
    try:
        return list(network(searches))
    except Exception as error:  # raised where the answers are waited for
        if len(searches) == 1:
            return [error]
        return [each for search in searches for each in _faces_of_each(network, [search])]


def _told(picture: _Picture, faces: Faces | Exception) -> object:
    if isinstance(faces, Exception):
        return faces
    try:
        return picture.told(faces)
    except Exception as error:  # raised where the answer is waited for
        return error
