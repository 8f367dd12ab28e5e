"""What every request passes: who may call, and what is said, logged and counted of it."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dan.service.metrics import Metrics
from dan.service.page.files import HEADERS as PAGE_HEADERS
from dan.service.refusals import ServiceError

log = logging.getLogger("dan.service")

HEADERS = {
    **PAGE_HEADERS,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
"""Of every answer; the files of the page have a policy of their own."""

PUBLIC = ("/v1/health/live", "/v1/health/ready", "/openapi.json")
"""Paths of the service that need no token; nor do the files of the page."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Envelope:
    """Around the whole application.

    Every answer has an id and the headers above; every request is counted and leaves one line in
    the log, without address, query, names or content.

    Args:
        app: what is inside.
        metrics: where requests are counted.
        routes: paths that are counted one by one; all others count as the page.
        hosts: names under which requests are answered; None: any.
        token: what clients must send; None: nothing.
        is_stopping: whether connections are to be closed after their answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        routes: Iterable[str],
        hosts: frozenset[str] | None,
        token: str | None,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.app, self.metrics, self.routes = app, metrics, frozenset(routes)
        self.hosts, self.is_stopping = hosts, is_stopping
        self._digest = None if token is None else _digest(token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        noted: dict[str, Any] = {}
        scope["state"] = {"request_id": request_id, "noted": noted}

        async def send_wrapped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(raw=message["headers"]), scope["path"], request_id)
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is None:
                await self.app(scope, receive, send_wrapped)
            else:
                noted["error"] = refusal.code
                await refusal.response(request_id)(scope, receive, send_wrapped)
        finally:
            self._note(scope, request_id, status, time.perf_counter() - began, noted)

    def _refusal(self, scope: Scope, headers: Headers) -> ServiceError | None:
        if self.hosts is not None and _host_of(headers.get("host", "")) not in self.hosts:
            return ServiceError(
                421, "unknown_host", "Host: expected a name that this service answers to"
            )
        path = scope["path"]
        is_asking = scope["method"] == "OPTIONS"  # a browser, before it calls with the token
        is_open = (
            is_asking or path in PUBLIC or not (path.startswith("/v1/") or path in self.routes)
        )
        if self._digest is None or is_open:
            return None
        kind, _, given = headers.get("authorization", "").partition(" ")
        told = _digest(given.strip().encode("utf-8", "surrogateescape"))
        if hmac.compare_digest(told, self._digest) and kind.lower() == "bearer":
            return None
        wanted = {"WWW-Authenticate": "Bearer"}
        return ServiceError(401, "no_token", "Authorization: expected the bearer token", wanted)

    def _complete(self, headers: MutableHeaders, path: str, request_id: str) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers["X-Request-Id"] = request_id
        if path in self.routes:
            headers.setdefault("Cache-Control", "no-store")
        if self.is_stopping():
            headers["Connection"] = "close"

    def _note(
        self,
        scope: Scope,
        request_id: str,
        status: int,
        seconds: float,
        noted: Mapping[str, Any],
    ) -> None:
        route = scope["path"] if scope["path"] in self.routes else "/"
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if "error" in noted:
            self.metrics.rejected.labels(noted["error"]).inc()
        line = {"request_id": request_id, "method": _known(scope["method"]), "route": route}
        line |= {"status": status, "ms": round(1000 * seconds, 1), **noted}
        log.info("request", extra={"fields": line})


def _digest(token: bytes) -> bytes:
    """Of one length, so that comparing takes the same time for all."""
    return hashlib.sha256(token).digest()


def _host_of(header: str) -> str:
    """The name without the port: ``[::1]:8000`` -> ``[::1]``."""
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdigit() else header).lower()


def _known(method: str) -> str:
    """Of the client's own words none gets into the log."""
    return method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
