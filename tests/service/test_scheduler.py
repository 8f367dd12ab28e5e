"""What a thread does next, and who goes through a network together."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from dan.service.scheduler import Scheduler


def search(name, n_faces=1):
    return SimpleNamespace(name=name, batch=[None] * n_faces)


class Network:
    """Notes its batches; waits at the gate in each, and fails where a picture is called bad."""

    def __init__(self, bench):
        self.bench = bench

    def __call__(self, searches):
        names = "".join(each.name for each in searches)
        self.bench.work(names)
        if "!" in names:
            raise ValueError("bad")
        return [f"faces of {each.name}" for each in searches]


class Bench:
    """A scheduler whose threads stop at a gate, and what they have done in order."""

    def __init__(self, n_threads=1, most_faces=4):
        self.begun, self.done, self.counts, self.gate = [], [], [], threading.Event()
        self.scheduler = Scheduler(
            {name: Network(self) for name in ("one", "other")},
            n_threads=n_threads,
            most_faces=most_faces,
            on_batch=self.counts.append,
        )

    def work(self, name):
        self.begun.append(name)
        self.gate.wait(5)
        self.done.append(name)
        return name

    def faces(self, name, n_faces=1, network="one"):
        return asyncio.ensure_future(self.scheduler.faces(network, search(name, n_faces)))

    def search(self, name):
        return asyncio.ensure_future(self.scheduler.search(lambda: self.work(name)))

    async def open(self, *tasks):
        """Let the threads go on, once all of these wait."""
        await asyncio.sleep(0)
        self.gate.set()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)


def run(act, **options):
    async def main():
        bench = Bench(**options)
        try:
            await act(bench)
        finally:
            bench.gate.set()
            bench.scheduler.close()
        return bench.done

    return asyncio.run(main())


def test_a_lone_picture_waits_for_nobody():
    async def act(bench):
        assert await bench.open(bench.search("A")) == ["A"]
        assert await bench.open(bench.faces("a")) == ["faces of a"]

    assert run(act, n_threads=2) == ["A", "a"]


def test_pictures_go_together_up_to_the_limit():
    async def act(bench):
        tasks = [bench.faces(name) for name in "abcdefg"]
        assert await bench.open(*tasks) == [f"faces of {name}" for name in "abcdefg"]
        assert bench.counts == [1, 4, 2]

    assert run(act) == ["a", "bcde", "fg"]


def test_pictures_are_searched_until_a_batch_is_full():
    async def act(bench):
        first = bench.search("A")
        await asyncio.sleep(0)
        waiting = [*map(bench.faces, "abc"), bench.search("B"), bench.search("C")]
        await bench.open(first, *waiting)

    assert run(act, most_faces=4) == ["A", "B", "C", "abc"]
    assert run(act, most_faces=3) == ["A", "abc", "B", "C"]


def test_pictures_of_many_faces_go_alone_and_hold_nobody_up():
    async def act(bench):
        first = bench.faces("a")
        await asyncio.sleep(0)
        await bench.open(first, bench.faces("b"), bench.faces("X", 9), bench.faces("c"))
        assert bench.counts == [1, 2, 9]

    assert run(act) == ["a", "bc", "X"]


def test_a_picture_without_a_finding_has_its_place_too():
    async def act(bench):
        first = bench.search("A")
        await asyncio.sleep(0)
        nothing = [bench.faces(name, 0) for name in "abcde"]
        await bench.open(first, *nothing)
        assert bench.counts == [0, 0]

    assert run(act) == ["A", "abcd", "e"]


def test_the_network_of_the_picture_that_waited_longest_is_next():
    async def act(bench):
        first = bench.search("A")
        await asyncio.sleep(0)
        waiting = [bench.faces("a", network="other"), *map(bench.faces, "bcd")]
        await bench.open(first, *waiting, bench.search("B"))

    assert run(act) == ["A", "a", "B", "bcd"]


def test_all_threads_work_and_no_more():
    async def act(bench):
        tasks = [bench.faces("a"), bench.search("A"), bench.search("B")]
        await asyncio.sleep(0.05)
        assert sorted(bench.begun) == ["A", "a"]
        await bench.open(*tasks)

    assert sorted(run(act, n_threads=2)) == ["A", "B", "a"]


def test_what_nobody_waits_for_is_not_begun():
    async def act(bench):
        first, gone, last = bench.faces("a"), bench.faces("g"), bench.faces("z")
        lost, kept = bench.search("G"), bench.search("Z")
        await asyncio.sleep(0)
        gone.cancel()
        lost.cancel()
        await asyncio.sleep(0)
        await bench.open(first, last, kept)

    assert run(act) == ["a", "Z", "z"]


def test_a_thread_is_free_again_where_whoever_asked_has_left_meanwhile():
    async def act(bench):
        gone, left = bench.search("A"), bench.faces("a")
        await asyncio.sleep(0)
        gone.cancel()
        await bench.open(left)

    assert run(act) == ["A", "a"]


def test_an_error_of_one_picture_is_its_own():
    async def act(bench):
        first, second, bad, third = await bench.open(*[bench.faces(name) for name in "ab!c"])
        assert (first, second, third) == ("faces of a", "faces of b", "faces of c")
        assert isinstance(bad, ValueError)

    assert run(act) == ["a", "b!c", "b", "!", "c"]


def test_an_error_of_a_search_is_raised_where_it_is_waited_for():
    async def act(bench):
        def fail():
            raise ValueError("unreadable")

        bench.gate.set()
        with pytest.raises(ValueError, match="unreadable"):
            await bench.scheduler.search(fail)
        assert await bench.search("A") == "A"

    assert run(act) == ["A"]
