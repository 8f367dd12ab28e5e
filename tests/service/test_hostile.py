"""A few of the hostile requests of ``benchmarks/hostile.py``, which sends thousands."""

import sys
from pathlib import Path

import pytest

N_CASES = 300


@pytest.fixture(scope="module")
def hostile():
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import hostile
    finally:
        sys.path.remove(folder)
    return hostile


@pytest.fixture(scope="module")
def strict(start):
    with start(header_timeout_s=1.0, body_timeout_s=1.0, write_timeout_s=1.0) as client:
        yield client


def test_mutated_requests_end_in_an_answer_and_no_fault(hostile, strict, portrait):
    seen, faults = hostile.send_all(strict.port, 7, range(N_CASES))
    assert faults == []
    assert sum(seen.values()) == N_CASES
    assert len({name.partition(":")[0] for name in seen}) == len(hostile.KINDS)
    assert strict(body=portrait).status == 200
    strict.wait_until(lambda: strict.metric("dan_buffered_bytes") == 0)
    assert strict.metric("dan_queue_length") == 0


def test_slow_clients_are_all_closed(hostile, strict):
    assert hostile.slow(strict.port, 10) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"", "no answer"),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "status 500"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", None),
        (b"SSH-2.0", "no HTTP: b'SSH-2.0'"),
    ],
)
def test_what_counts_as_a_fault(hostile, said, fault):
    assert hostile.fault_of(hostile.Case("any", b""), said) == fault
