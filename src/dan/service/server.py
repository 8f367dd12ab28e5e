"""The service at work in one process: HTTP with limits on what clients may keep it waiting for."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager, suppress

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from dan.service.app import Service
from dan.service.metrics import Metrics
from dan.service.refusals import Busy, ServiceError
from dan.service.settings import ServiceSettings

MOST_HEAD_BYTES = 16 * 1024
"""Of a request line and its headers together."""

KEEP_ALIVE_S = 5
"""How long a connection without a request stays open."""

DRAIN_S = 0.5
"""When the service stops: how long a client may begin one more request on an open connection."""

BACKLOG = 1024


class _Lines(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{at}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        line |= {"message": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def start_log(*, with_requests: bool) -> None:
    """Lines of JSON to standard error; faults in any case."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    for name in ("dan.service", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        is_ours = name == "dan.service"
        logger.setLevel(logging.INFO if is_ours and with_requests else logging.ERROR)


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with limits on what a client may keep the service waiting for.

    uvicorn itself waits for heads and for slow readers without end. Subclassed by
    :func:`protocol_for`, which sets the class attributes.
    """

    settings: ServiceSettings
    metrics: Metrics

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        # asyncio does so only where the listener was made with its protocol's number. Else the
        # body of an answer waits for the client to acknowledge the head, often for 40 ms.
        taken = transport.get_extra_info("socket")
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._n_answers = self._n_resumed = 0
        self._is_stopping = False
        self._waits_for: Hashable = None
        self._since = 0.0
        self._seen(self.loop.time())
        self.metrics.connections.set(len(self.connections))
        if len(self.connections) > self.settings.max_connections:
            self._refuse(Busy("too_many_connections", "expected fewer connections, got more"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        super().connection_lost(exc)
        self.metrics.connections.set(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        super().data_received(data)
        if self._is_stopping and (cycle := self._unanswered()):
            cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or has too long a head."""
        del msg
        if (cycle := self._unanswered()) and cycle.response_started:
            self.transport.close()
            return
        self._refuse(ServiceError(400, "bad_request", "expected a request of HTTP/1.1"))

    def on_response_complete(self) -> None:
        """An answer was handed over."""
        self._n_answers += 1
        super().on_response_complete()

    def resume_writing(self) -> None:
        """The client took most of what was waiting for it."""
        self._n_resumed += 1
        super().resume_writing()

    def shutdown(self) -> None:
        """The service stops: finish the request, or wait a moment for one on its way."""
        self._is_stopping = True
        if cycle := self._unanswered():
            cycle.keep_alive = False
        else:
            self.loop.call_later(DRAIN_S, self._close_idle)

    def _close_idle(self) -> None:
        if not self._unanswered():
            self.transport.close()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The request that is at work."""
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)  # uvicorn says not None
        return None if cycle is None or cycle.response_complete else cycle

    def close_overdue(self, now: float) -> None:
        """Close the connection of a client that took too long; to be called about once a second."""
        self._seen(now)
        if self._waits_for is None:
            return
        is_read = self._waits_for == ("write", self._n_resumed)
        limit = self.settings.write_timeout_s if is_read else self.settings.header_timeout_s
        if now - self._since <= limit:
            return
        if is_read or self.transport.is_closing():
            self.metrics.rejected.labels("slow_reader").inc()
            self.transport.abort()
        elif self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(ServiceError(408, "slow_head", "expected the head of a request earlier"))
        else:  # nothing came, or the rest of a body that was answered already
            self.transport.close()

    def _seen(self, now: float) -> None:
        """Note what the connection waits for the client for, and since when."""
        if self.transport.get_write_buffer_size():
            waits_for: Hashable = ("write", self._n_resumed)
        else:
            waits_for = None if self._unanswered() else ("request", self._n_answers)
        if waits_for != self._waits_for:
            self._waits_for, self._since = waits_for, now

    def _refuse(self, error: ServiceError) -> None:
        """Answer without a request, and close."""
        self.metrics.rejected.labels(error.code).inc()
        body = bytes(error.response("-").body)
        head = [f"HTTP/1.1 {error.status} {error.code}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in error.headers.items()]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()


def protocol_for(service: Service) -> type[GuardedProtocol]:
    """The protocol with the limits of a service."""
    members = {"settings": service.settings, "metrics": service.metrics}
    return type("ServiceProtocol", (GuardedProtocol,), members)


class Server(uvicorn.Server):
    """uvicorn's server, which also closes overdue connections, and ends with exit code 0.

    Args:
        service: what it serves.
        on_start: called once it answers.
    """

    def __init__(self, service: Service, on_start: Callable[[], object] = lambda: None) -> None:
        self.service, self._on_start = service, on_start
        super().__init__(
            uvicorn.Config(
                service.app,
                http=protocol_for(service),
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                h11_max_incomplete_event_size=MOST_HEAD_BYTES,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=round(service.settings.grace_s),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self.service.metrics.workers.set(1)
        self._on_start()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            self.close_overdue()
            parent = multiprocessing.parent_process()
            if parent is not None and not parent.is_alive():
                self.should_exit = True
        return await super().on_tick(counter)

    def close_overdue(self) -> None:
        """See :meth:`GuardedProtocol.close_overdue`."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, GuardedProtocol):
                connection.close_overdue(now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was begun, and answer the connections that the system has accepted."""
        self.service.is_stopping = True
        watch = asyncio.create_task(self._watch())
        accepted = [client for listener in sockets or [] for client in _waiting(listener)]
        for server in self.servers:
            server.close()
        await asyncio.gather(*map(self._connect, accepted))
        await super().shutdown(sockets)
        watch.cancel()
        self.service.engine.close()

    async def _connect(self, client: socket.socket) -> None:
        loop, protocol = asyncio.get_running_loop(), self.config.http_protocol_class

        def build() -> asyncio.Protocol:
            return protocol(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg]

        await loop.connect_accepted_socket(build, client)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.close_overdue()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and Ctrl-C stop the server; uvicorn would raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, self.handle_exit) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """Connections that wait to be accepted; once the listener is closed they would be lost."""
    with suppress(BlockingIOError):
        while True:
            client, _ = listener.accept()
            client.setblocking(False)
            yield client
