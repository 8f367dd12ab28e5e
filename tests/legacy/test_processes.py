import multiprocessing
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from dan.core.errors import DataError
from dan.legacy import processes
from dan.legacy.processes import spread, usable_cores

pytestmark = pytest.mark.slow


@pytest.fixture
def work(monkeypatch):
    """The module of the work; other processes take over the path on which it is found."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import squaring

    return squaring


@pytest.fixture(autouse=True)
def _nobody_stays_behind():
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("n_items", [0, 1, 2, 30])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_item_has_its_outcome_and_is_gathered_once(work, n_items, workers):
    squaring = work.Squaring()
    outcomes = list(spread(squaring, range(n_items), workers))
    assert sorted(outcomes) == [(item, item**2) for item in range(n_items)]
    assert squaring.total == sum(range(n_items))


def test_an_error_in_another_process_is_raised_here(work):
    with pytest.raises(ValueError, match="no ") as caught:
        list(spread(work.Squaring("error"), range(8), 2))
    assert "In a worker process:\nTraceback" in caught.value.__notes__[0]


def test_a_killed_process_is_said(work):
    with pytest.raises(DataError, match="a worker process was killed"):
        list(spread(work.Squaring("death"), range(8), 2))


def test_a_loop_left_early_ends_the_others_at_once(work):
    start = time.monotonic()
    with closing(spread(work.Squaring("sleep"), range(8), 2)) as outcomes:
        next(outcomes)
    assert multiprocessing.active_children() == []
    assert time.monotonic() - start < 30


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal masks")
def test_other_processes_never_see_ctrl_c(work):
    blocked = dict(outcome for _, outcome in spread(work.SignalMask(), range(4), 2))
    assert len(blocked) == 2
    assert blocked.pop(os.getpid()) is False
    assert set(blocked.values()) == {True}


def test_ctrl_c_during_the_start_is_not_lost_and_leaves_nobody(work, monkeypatch):
    real, started = processes._Helper.start, []

    def start(helper):
        real(helper)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        started.append(helper)

    monkeypatch.setattr(processes._Helper, "start", start)
    with pytest.raises(KeyboardInterrupt):
        list(spread(work.Squaring(), range(8), 3))
    assert started


def test_ctrl_c_that_the_system_hands_to_another_thread_waits_as_well(work, monkeypatch):
    real, started, go, done = processes._Helper.start, [], threading.Event(), threading.Event()

    def take_signal():
        go.wait()
        signal.raise_signal(signal.SIGINT)
        done.set()

    def start(helper):
        go.set()
        done.wait()
        real(helper)
        started.append(helper)

    threading.Thread(target=take_signal, daemon=True).start()
    monkeypatch.setattr(processes._Helper, "start", start)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        list(spread(work.Squaring(), range(9), 3))
    assert len(started) == 2
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_during_the_start_never_breaks_into_a_lock(work, monkeypatch):
    start, restore = processes._Helper.start, threading.Condition._acquire_restore

    def wait_and_start(helper):
        threading.Event().wait(0.05)
        start(helper)

    def interrupted(condition, saved):
        signal.raise_signal(signal.SIGINT)
        restore(condition, saved)

    monkeypatch.setattr(processes._Helper, "start", wait_and_start)
    monkeypatch.setattr(threading.Condition, "_acquire_restore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(spread(work.Squaring(), range(9), 3))


def test_usable_cores():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
