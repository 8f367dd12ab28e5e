"""The routes of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from dan.core.errors import ConfigError
from dan.core.structs import build_struct
from dan.inference.aligner import FaceAligner
from dan.service.engine import Engine
from dan.service.envelope import Envelope
from dan.service.metrics import CONTENT_TYPE, Metrics
from dan.service.openapi import describe
from dan.service.page.asgi import page_of
from dan.service.refusals import Busy, ClientGone, ServiceError
from dan.service.schemas import AlignQuery, BatchPicture, Health, Models, encoded
from dan.service.settings import MIB, ServiceSettings
from dan.service.uploads import (
    LINES_TYPE,
    MEDIA_TYPES,
    check_media_type,
    read_body,
    split_lines,
)

T = TypeVar("T")

log = logging.getLogger("dan.service")


class Service:
    """The application, and what its routes share.

    Args:
        settings: see there.
        n_restarts: how many processes beside this one died, for the metrics.

    Raises:
        DanError: if a model, the detector or the token cannot be loaded.
    """

    def __init__(
        self, settings: ServiceSettings, n_restarts: Callable[[], int] = lambda: 0
    ) -> None:
        self.settings, self.metrics = settings, Metrics(n_restarts)
        token = settings.token()
        self.engine = Engine(settings, self.metrics)
        self.is_stopping = False
        self._openapi = encoded(describe(settings, self.engine.records(), has_token=bool(token)))
        routes: list[BaseRoute] = [
            Route("/v1/align", self.align, methods=["POST"]),
            Route("/v1/align-many", self.align_many, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/health/live", self.live),
            Route("/v1/health/ready", self.ready),
            Route("/metrics", self.tell_metrics),
            Route("/openapi.json", self.openapi),
        ]
        paths = [route.path for route in routes if isinstance(route, Route)]
        if not settings.page:
            routes.append(Route("/", _no_page))
        inside = Starlette(
            routes=routes,
            middleware=_cors(settings.allow_origin or []),
            exception_handlers={
                ServiceError: _tell_service_error,
                HTTPException: _tell_http_exception,
                Exception: _tell_fault,
            },
        )
        inside.router.redirect_slashes = False
        if settings.page:  # what is no route; mounted, it would also get a route's wrong methods
            inside.router.default = page_of(settings.models[0], has_server=token is None)
        self.app: ASGIApp = Envelope(
            inside,
            metrics=self.metrics,
            routes=paths,
            hosts=settings.hosts,
            token=token,
            is_stopping=lambda: self.is_stopping,
        )

    # -------------------------------------------------------------------------- landmarks

    async def align(self, request: Request) -> Response:
        """``POST /v1/align``: the faces of one picture."""
        query, aligner = self._query(request)
        check_media_type(request, MEDIA_TYPES)
        most = int(self.settings.max_body_mib * MIB)
        with self.engine.buffer() as take:
            body = await read_body(request, most, take, self.settings.body_timeout_s)
            with self.engine.admitted(1):
                work = self.engine.align(body, aligner, query)
                record = await _unless_gone(request, self._in_time(work))
        request.state.noted |= {"bytes": len(body), "faces": len(record["faces"])}
        return _json(record)

    async def align_many(self, request: Request) -> Response:
        """``POST /v1/align-many``: those of several, one line of JSON each."""
        query, aligner = self._query(request)
        check_media_type(request, (LINES_TYPE,))
        most = int(self.settings.max_batch_mib * MIB)
        with self.engine.buffer() as take:
            body = await read_body(request, most, take, self.settings.body_timeout_s)
            limits = (self.settings.max_batch_pictures, int(self.settings.max_body_mib * MIB))
            lines = await asyncio.to_thread(split_lines, body, *limits)
            n_bytes = len(body)
            del body  # the lines hold the pictures
            with self.engine.admitted(len(lines)):
                work = asyncio.gather(*[self._result(line, aligner, query) for line in lines])
                results = await _unless_gone(request, work)
        noted = {"pictures": len(lines), "faces": sum(len(one.get("faces", [])) for one in results)}
        request.state.noted |= {"bytes": n_bytes, **noted}
        return _json({"results": results})

    def _query(self, request: Request) -> tuple[AlignQuery, FaceAligner]:
        pairs = request.query_params.multi_items()
        if len({name for name, _ in pairs}) < len(pairs):
            raise ServiceError(400, "bad_query", "expected each parameter once, got one twice")
        try:
            query = build_struct(AlignQuery, dict(pairs), strict=False)
        except ConfigError as error:
            message = str(error).replace("unknown setting", "unknown parameter")
            raise ServiceError(400, "bad_query", message) from error
        return query, self.engine.aligner(query)

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                return await work
        except TimeoutError:
            message = f"expected an answer within {self.settings.deadline_s:g} s, took longer"
            raise Busy("deadline", message) from None

    async def _result(
        self, line: BatchPicture | ServiceError, aligner: FaceAligner, query: AlignQuery
    ) -> dict[str, Any]:
        """What became of one picture of a batch; an error is its own."""
        if isinstance(line, ServiceError):
            return {"error": line.message, "code": line.code}
        name = {} if line.name is None else {"name": line.name}
        try:
            found = await self._in_time(self.engine.align(line.picture, aligner, query))
        except ServiceError as error:
            return {**name, "error": error.message, "code": error.code}
        except Exception:
            log.exception("a fault with one picture of a batch")
            return {**name, "error": "a fault of the service; see its log", "code": "fault"}
        return {**name, **found}

    # ---------------------------------------------------------------- about the service

    async def models(self, request: Request) -> Response:
        """``GET /v1/models``."""
        del request
        return _json(Models(self.engine.records()))

    async def live(self, request: Request) -> Response:
        """``GET /v1/health/live``: the process answers."""
        del request
        return _json(Health("ok"))

    async def ready(self, request: Request) -> Response:
        """``GET /v1/health/ready``: it takes requests."""
        del request
        if self.is_stopping:
            raise Busy("stopping", "expected a service that goes on, got one that stops")
        return _json(Health("ok"))

    async def tell_metrics(self, request: Request) -> Response:
        """``GET /metrics``."""
        del request
        return Response(self.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        """``GET /openapi.json``."""
        del request
        return Response(self._openapi, media_type="application/json")


def _json(value: object) -> Response:
    return Response(encoded(value), media_type="application/json")


async def _no_page(request: Request) -> Response:
    del request
    return PlainTextResponse("Landmarks over HTTP: see /openapi.json\n")


def _cors(origins: list[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    ]


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """The result of some work, which is dropped where the client leaves."""

    async def until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _tell_service_error(request: Request, error: Exception) -> Response:
    return _told(request, error) if isinstance(error, ServiceError) else await _tell_fault(request)


async def _tell_http_exception(request: Request, error: Exception) -> Response:
    """What the router says: no such path, or no such method."""
    if not isinstance(error, HTTPException):
        return await _tell_fault(request)
    known = {404: "no_such_path", 405: "no_such_method"}
    code = known.get(error.status_code, "bad_request")
    message = code.replace("_", " ")
    return _told(request, ServiceError(error.status_code, code, message, error.headers))


async def _tell_fault(request: Request, error: Exception | None = None) -> Response:
    """A fault of ours; Starlette raises it again, so that it gets into the log."""
    del error
    return _told(request, ServiceError(500, "fault", "a fault of the service; see its log"))


def _told(request: Request, error: ServiceError) -> Response:
    request.state.noted["error"] = error.code
    return error.response(request.state.request_id)
