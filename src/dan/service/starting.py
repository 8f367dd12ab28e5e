"""Starts the service: in this process, or in several behind one socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from dan.core.errors import ConfigError
from dan.service.app import Service
from dan.service.server import BACKLOG, Server, start_log
from dan.service.settings import ServiceSettings
from dan.service.supervisor import supervise


def serve(settings: ServiceSettings, on_start: Callable[[str], object] = lambda _: None) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then finish what was begun.

    Args:
        settings: of the service.
        on_start: called with the service's address, ``http://127.0.0.1:8000``, once it answers.

    Raises:
        DanError: if a model, the detector, the token or the address cannot be had.
    """
    if settings.workers > 1 and os.name == "nt":
        raise ConfigError(f"--workers: expected 1 on Windows, got {settings.workers}")
    with bind(settings) as listener:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        if settings.workers > 1:
            supervise(settings, listener, lambda: on_start(address))
            return
        service = Service(settings)
        start_log(with_requests=settings.log)
        Server(service, lambda: on_start(address)).run([listener])


def bind(settings: ServiceSettings) -> socket.socket:
    """The socket to listen on.

    Raises:
        ConfigError: if the address is not there or taken.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        where = (str(address[0]), int(address[1]))
        return socket.create_server(where, family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"--host, --port: expected a free address, got {settings.host} {settings.port}: "
            f"{error.strerror or error}"
        ) from error
