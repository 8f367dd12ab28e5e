"""Who goes through the network together, and when."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from dan.service.batching import Batcher


def search(name, n_faces=1):
    return SimpleNamespace(name=name, batch=[None] * n_faces)


class Network:
    """Notes its batches; waits at the gate in each, and fails where a picture is called bad."""

    def __init__(self):
        self.batches, self.gate = [], threading.Event()
        self.gate.set()

    def __call__(self, searches):
        self.gate.wait(5)
        names = [each.name for each in searches]
        self.batches.append(names)
        if "bad" in names:
            raise ValueError("bad")
        return [f"faces of {name}" for name in names]


@pytest.fixture
def network():
    return Network()


def batcher(network, pool, *, is_more_coming=False, wait_s=0.0, most_faces=4, most_batches=1):
    return Batcher(
        network,
        pool,
        most_faces=most_faces,
        wait_s=wait_s,
        most_batches=most_batches,
        is_more_coming=lambda: is_more_coming,
        on_batch=lambda n_faces: None,
    )


def run(network, act, **options):
    async def main():
        with ThreadPoolExecutor(4) as pool:
            return await asyncio.wait_for(act(batcher(network, pool, **options)), 5)

    return asyncio.run(main())


def test_a_lone_picture_waits_for_nobody(network):
    assert run(network, lambda batches: batches.faces(search("a")), wait_s=60) == "faces of a"


def test_pictures_that_come_while_a_batch_runs_go_together_up_to_the_limit(network):
    async def act(batches):
        network.gate.clear()
        tasks = [asyncio.ensure_future(batches.faces(search(name))) for name in "abcdefg"]
        await asyncio.sleep(0)
        network.gate.set()
        return await asyncio.gather(*tasks)

    assert run(network, act) == [f"faces of {name}" for name in "abcdefg"]
    assert network.batches == [["a"], ["b", "c", "d", "e"], ["f", "g"]]


def test_a_picture_waits_for_others_that_are_searched_but_not_for_long(network):
    async def act(batches):
        first = asyncio.ensure_future(batches.faces(search("a")))
        await asyncio.sleep(0.01)
        assert network.batches == []
        return await asyncio.gather(first, batches.faces(search("b")))

    run(network, act, is_more_coming=True, wait_s=0.1)
    assert network.batches == [["a", "b"]]


def test_a_full_batch_does_not_wait(network):
    async def act(batches):
        return await asyncio.gather(*[batches.faces(search(name)) for name in "abcd"])

    run(network, act, is_more_coming=True, wait_s=60)
    assert network.batches == [["a", "b", "c", "d"]]


def test_a_picture_of_many_faces_goes_alone(network):
    async def act(batches):
        many = [search("a"), search("crowd", 9), search("b")]
        return await asyncio.gather(*map(batches.faces, many))

    run(network, act)
    assert network.batches == [["a"], ["crowd"], ["b"]]


def test_several_batches_run_at_once_where_there_are_threads(network):
    async def act(batches):
        network.gate.clear()
        tasks = [asyncio.ensure_future(batches.faces(search(name, 4))) for name in "abc"]
        await asyncio.sleep(0.05)
        assert batches._n_running == 2
        network.gate.set()
        await asyncio.gather(*tasks)

    run(network, act, most_batches=2)


def test_what_nobody_waits_for_is_not_done(network):
    async def act(batches):
        network.gate.clear()
        first, gone, last = [
            asyncio.ensure_future(batches.faces(search(name))) for name in ("a", "gone", "z")
        ]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        network.gate.set()
        await asyncio.gather(first, last)

    run(network, act)
    assert network.batches == [["a"], ["z"]]


def test_an_error_of_one_picture_is_its_own(network):
    async def act(batches):
        names = ["a", "b", "bad", "c"]
        return await asyncio.gather(
            *[batches.faces(search(name)) for name in names], return_exceptions=True
        )

    first, second, bad, third = run(network, act)
    assert (first, second, third) == ("faces of a", "faces of b", "faces of c")
    assert isinstance(bad, ValueError)
