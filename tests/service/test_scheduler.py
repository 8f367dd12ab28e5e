"""What a thread does next, and who goes through a network together."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from dan.service.scheduler import Scheduler


class Bench:
    """A scheduler whose threads stop at a gate, and what they have done in order.

    Searches are noted in capitals, batches of the network by the names of their pictures. A picture
    called ``?`` cannot be searched, ``!`` fails in the network, and ``*`` has no answer.
    """

    def __init__(self, n_threads=1, most_faces=4):
        self.begun, self.done, self.counts, self.gate = [], [], [], threading.Event()
        self.scheduler = Scheduler(
            {"one": self.network, "other": self.network},
            n_threads=n_threads,
            most_faces=most_faces,
            on_batch=self.counts.append,
        )

    def work(self, name):
        self.begun.append(name)
        self.gate.wait(5)
        self.done.append(name)

    def network(self, searches):
        names = "".join(each.name for each in searches)
        self.work(names)
        if "!" in names:
            raise ValueError("the network failed")
        return [f"faces of {each.name}" for each in searches]

    def ask(self, name, n_faces=1, network="one"):
        def search():
            self.work(name.upper())
            if name == "?":
                raise ValueError("unreadable")
            return SimpleNamespace(name=name, batch=[None] * n_faces)

        def told(faces):
            if name == "*":
                raise ValueError("no answer")
            return faces.upper()

        return asyncio.ensure_future(self.scheduler.do(network, search, told))

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
        assert await bench.open(bench.ask("a")) == ["FACES OF A"]
        assert await bench.open(bench.ask("b")) == ["FACES OF B"]

    assert run(act, n_threads=2) == ["A", "a", "B", "b"]


def test_pictures_go_together_up_to_the_limit():
    async def act(bench):
        answers = await bench.open(*map(bench.ask, "abcdefg"))
        assert answers == [f"FACES OF {name}" for name in "ABCDEFG"]
        assert bench.counts == [4, 1, 1, 1]

    # Three are left after the batch and cannot fill another: each is finished in turn.
    done = ["A", "B", "C", "D", "abcd", "E", "e", "F", "f", "G", "g"]
    assert run(act) == done


def test_batches_fill_up_while_pictures_come():
    async def act(bench):
        tasks = list(map(bench.ask, "abcdefgh"))
        await bench.open(*tasks)

    assert run(act) == [*"ABCD", "abcd", *"EFGH", "efgh"]


def test_pictures_of_many_faces_go_alone_and_hold_nobody_up():
    async def act(bench):
        tasks = [bench.ask("a"), bench.ask("x", 9), bench.ask("b"), bench.ask("c")]
        await bench.open(*tasks)
        assert bench.counts == [1, 9, 1, 1]

    assert run(act) == ["A", "X", "a", "x", "B", "b", "C", "c"]


def test_a_picture_without_a_finding_has_its_place_too():
    async def act(bench):
        await bench.open(*[bench.ask(name, 0) for name in "abcd"])
        assert bench.counts == [0]

    assert run(act) == ["A", "B", "C", "D", "abcd"]


def test_the_network_of_the_picture_that_waited_longest_is_next():
    async def act(bench):
        tasks = [bench.ask("a", network="other"), *map(bench.ask, "bcd")]
        await bench.open(*tasks)

    assert run(act) == ["A", "B", "C", "D", "a", "bcd"]


def test_all_threads_work_and_no_more():
    async def act(bench):
        tasks = list(map(bench.ask, "abc"))
        await asyncio.sleep(0.05)
        assert sorted(bench.begun) == ["A", "B"]
        await bench.open(*tasks)

    assert sorted(run(act, n_threads=2)) == sorted(["A", "a", "B", "b", "C", "c"])


def test_what_nobody_waits_for_is_not_begun():
    async def act(bench):
        first, gone, last = map(bench.ask, "agz")
        await asyncio.sleep(0)
        gone.cancel()
        await bench.open(first, last)

    assert run(act) == ["A", "a", "Z", "z"]


def test_what_nobody_waits_for_any_more_is_not_finished():
    async def act(bench):
        gone = bench.ask("g")
        while not bench.begun:
            await asyncio.sleep(0.001)
        gone.cancel()
        await bench.open(bench.ask("z"))

    assert run(act) == ["G", "Z", "z"]


@pytest.mark.parametrize(
    ("name", "message", "done"),
    [
        ("?", "unreadable", ["A", "?", "a", "C", "c", "D", "d"]),
        ("!", "the network failed", ["A", "!", "C", "D", "a!cd", "a", "!", "c", "d"]),
        ("*", "no answer", ["A", "*", "C", "D", "a*cd"]),
    ],
)
def test_an_error_of_one_picture_is_its_own(name, message, done):
    async def act(bench):
        first, bad, third, last = await bench.open(*map(bench.ask, f"a{name}cd"))
        assert (first, third, last) == ("FACES OF A", "FACES OF C", "FACES OF D")
        assert isinstance(bad, ValueError)
        assert str(bad) == message

    assert run(act) == done


def test_what_ends_after_the_loop_is_dropped(monkeypatch):
    faults = []
    monkeypatch.setattr(threading, "excepthook", faults.append)

    async def leave():
        bench = Bench()
        bench.ask("?")
        while not bench.begun:
            await asyncio.sleep(0.001)
        return bench

    bench = asyncio.run(leave())
    bench.scheduler.close()
    bench.gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("dan-serve"):
            thread.join(5)
    assert (bench.done, faults) == (["?"], [])
