"""Several processes behind one socket; one that dies is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import Synchronized

from dan.core.errors import ConfigError, DanError
from dan.service import metrics
from dan.service.server import Server, start_log
from dan.service.settings import ServiceSettings

LOOK_S = 0.2
"""How often the processes are looked at."""

START_S = 60.0
"""How long a process may take to answer."""

QUICK_DEATHS = 3
"""Processes in a row that may die before they answered; then the service gives up."""

log = logging.getLogger("dan.service")

_spawn = multiprocessing.get_context("spawn")


def work(
    settings: ServiceSettings,
    listener: socket.socket,
    restarts: Synchronized[int],
    answers: Connection,
) -> None:
    """What a process does.

    Args:
        settings: of the service.
        listener: to accept from.
        restarts: for the metrics.
        answers: is sent nothing once it answers, or why it cannot.
    """
    from dan.service.app import Service

    start_log(with_requests=settings.log)
    try:
        service = Service(settings, lambda: restarts.value)
    except DanError as error:
        answers.send_bytes(str(error).encode())
        return
    Server(service, lambda: answers.send_bytes(b"")).run([listener])


class Worker:
    """A process that answers requests.

    Args:
        settings: of the service.
        listener: to accept from.
        restarts: for its metrics.
    """

    def __init__(
        self, settings: ServiceSettings, listener: socket.socket, restarts: Synchronized[int]
    ) -> None:
        self._has_answered = False
        self._told, teller = _spawn.Pipe(duplex=False)
        given = (settings, listener, restarts, teller)
        self.process: SpawnProcess = _spawn.Process(target=work, args=given, name="dan-serve")
        self.process.start()
        teller.close()

    def has_answered(self, within_s: float = 0) -> bool:
        """Whether it has begun to answer requests.

        Raises:
            ConfigError: if it said why it cannot.
        """
        with suppress(EOFError):
            if not self._has_answered and self._told.poll(within_s):
                why_not = self._told.recv_bytes().decode()
                if why_not:
                    raise ConfigError(why_not)
                self._has_answered = True
        return self._has_answered

    def stop(self) -> None:
        """Let it finish what it has begun."""
        if self.process.is_alive():
            self.process.terminate()


class Supervisor:
    """Keeps a number of processes at work.

    SIGTERM and Ctrl-C stop them; SIGHUP replaces one after the other, so that no request is lost.

    Args:
        settings: of the service.
        listener: bound; all processes accept from it, and it stays open while they change.
    """

    def __init__(self, settings: ServiceSettings, listener: socket.socket) -> None:
        self.settings, self.listener = settings, listener
        self._restarts: Synchronized[int] = _spawn.Value("i", 0, lock=False)
        self.workers: list[Worker] = []
        self._quick_deaths = 0
        self._stops = self._renews = False

    def run(self, on_start: Callable[[], object]) -> None:
        """Until SIGTERM or Ctrl-C.

        Raises:
            ConfigError: if processes die before they answer.
        """
        before = {kind: signal.signal(kind, self._on_signal) for kind in _signals()}
        try:
            self.workers = [self._worker() for _ in range(self.settings.workers)]
            for worker in self.workers:
                self._await(worker)
            if not self._stops:
                on_start()
            while not self._stops:
                self._look()
        finally:
            self._stop_all()
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def _worker(self) -> Worker:
        return Worker(self.settings, self.listener, self._restarts)

    def _on_signal(self, kind: int, frame: object) -> None:
        del frame
        if kind in (signal.SIGINT, signal.SIGTERM):
            self._stops = True
        else:
            self._renews = True

    def _look(self) -> None:
        """Replace those that died, wait for news, and renew all where that was asked for."""
        for place, worker in enumerate(self.workers):
            if worker.process.is_alive():
                continue
            metrics.forget(worker.process.pid or 0)
            self._quick_deaths = 0 if worker.has_answered() else self._quick_deaths + 1
            if self._quick_deaths >= QUICK_DEATHS:
                raise ConfigError(f"expected processes that stay, got {QUICK_DEATHS} that died")
            log.error("process %s died and is replaced", worker.process.pid)
            self._restarts.value += 1  # nobody else writes it
            self.workers[place] = self._worker()
        if self._renews:
            self._renews = False
            self._renew()
        wait([worker.process.sentinel for worker in self.workers], LOOK_S)

    def _renew(self) -> None:
        """Replace all, one after the other; where a new one cannot start, the old ones stay."""
        for place, old in enumerate(self.workers):
            new = self._worker()
            try:
                self._await(new)
            except ConfigError as error:
                log.error("the processes stay as they are: %s", error)  # noqa: TRY400 - one line
                self._join(new)
                return
            self.workers[place] = new
            old.stop()
            self._join(old)

    def _await(self, worker: Worker) -> None:
        """Until a process answers, dies, or the service is to stop."""
        until = time.monotonic() + START_S
        while not self._stops and worker.process.is_alive() and time.monotonic() < until:
            if worker.has_answered(LOOK_S):
                return

    def _join(self, worker: Worker) -> None:
        worker.process.join(self.settings.grace_s + 5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        metrics.forget(worker.process.pid or 0)

    def _stop_all(self) -> None:
        self.listener.close()  # so that none waits to be accepted once the last process has gone
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            self._join(worker)


def supervise(
    settings: ServiceSettings, listener: socket.socket, on_start: Callable[[], object]
) -> None:
    """Answer requests with several processes until SIGTERM or Ctrl-C; see :class:`Supervisor`."""
    start_log(with_requests=False)
    with tempfile.TemporaryDirectory(prefix="dan-serve-") as folder:
        os.environ[metrics.FOLDER_VARIABLE] = folder
        try:
            Supervisor(settings, listener).run(on_start)
        finally:
            del os.environ[metrics.FOLDER_VARIABLE]


def _signals() -> list[signal.Signals]:
    renew = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
    return [signal.SIGINT, signal.SIGTERM, *renew]
