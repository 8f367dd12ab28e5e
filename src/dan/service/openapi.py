"""The description of the service for programs: OpenAPI 3.1, made of the structs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import dan
from dan.service.schemas import (
    AlignQuery,
    BatchPicture,
    BatchResults,
    Failure,
    Health,
    ModelRecord,
    Models,
    PictureRecord,
)
from dan.service.settings import ServiceSettings
from dan.service.uploads import LINES_TYPE, MEDIA_TYPES

Schemas = Mapping[Any, Mapping[str, Any]]
"""References by struct."""

_PROBLEMS = {
    400: "A parameter or body that was not expected.",
    401: "No token, or a wrong one.",
    404: "No such path.",
    405: "No such method.",
    408: "The body came too slowly.",
    411: "No Content-Length.",
    413: "Too large.",
    415: "Another kind of picture, or of body.",
    421: "Called by an unknown host name.",
    422: "A picture that cannot be read whole.",
    503: "Too busy; Retry-After says when to ask again.",
}


def describe(
    settings: ServiceSettings, models: Sequence[ModelRecord], *, has_token: bool
) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        settings: whose limits it tells.
        models: that may be named.
        has_token: whether requests need one.
    """
    structs = (PictureRecord, BatchPicture, BatchResults, Models, Health, Failure, AlignQuery)
    schemas, components = msgspec.json.schema_components(
        structs, ref_template="#/components/schemas/{name}"
    )
    of = dict(zip(structs, schemas, strict=True))
    query = components.pop(AlignQuery.__name__)["properties"]
    query["model"]["enum"] = [model.name for model in models]
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "dan: face landmarks",
            "version": dan.__version__,
            "description": "Uploads are kept in memory only, as long as their request lasts.",
        },
        "paths": {**_posts(of, settings, query, has_token), **_gets(of, has_token)},
        "components": {"schemas": components},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _posts(
    of: Schemas, settings: ServiceSettings, query: Mapping[str, Any], has_token: bool
) -> dict[str, Any]:
    """The two routes that find faces."""
    picture = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    told = f"Up to {settings.max_batch_pictures} lines, each a BatchPicture as JSON."
    problems = (400, 408, 411, 413, 415, 421, 422, 503)
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in query.items()
    ]
    paths = {}
    for path, kind, summary, content in (
        ("/v1/align", PictureRecord, "One picture", dict.fromkeys(MEDIA_TYPES, picture)),
        ("/v1/align-many", BatchResults, "Several pictures", {LINES_TYPE: {"description": told}}),
    ):
        body = {media: {"schema": schema} for media, schema in content.items()}
        operation = {
            "operationId": path.rpartition("/")[2],
            "summary": f"{summary}: faces and their landmarks",
            "parameters": parameters,
            "requestBody": {"required": True, "content": body},
            "responses": _answers(of, kind, problems, has_token),
        }
        paths[path] = {"post": operation}
    return paths


def _gets(of: Schemas, has_token: bool) -> dict[str, Any]:
    """The routes about the service itself."""
    paths = {}
    for path, kind, summary in (
        ("/v1/models", Models, "What requests may name"),
        ("/v1/health/live", Health, "Whether the process answers"),
        ("/v1/health/ready", Health, "Whether it takes requests"),
    ):
        is_open = kind is Health
        operation = {
            "operationId": path.rpartition("/")[2],
            "summary": summary,
            "responses": _answers(of, kind, (421, 503), has_token and not is_open),
        }
        paths[path] = {"get": operation | ({"security": []} if is_open else {})}
    return paths


def _answers(of: Schemas, kind: type, problems: Sequence[int], has_token: bool) -> dict[str, Any]:
    """What a route may answer."""
    statuses = sorted([*problems, 401] if has_token else problems)
    ids = {"X-Request-Id": {"schema": {"type": "string"}, "description": "As in the log."}}
    told = {"application/json": {"schema": of[Failure]}}
    return {
        "200": {
            "description": "Found, or none found." if kind is PictureRecord else "Told.",
            "headers": ids,
            "content": {"application/json": {"schema": of[kind]}},
        },
        **{
            str(status): {"description": _PROBLEMS[status], "headers": ids, "content": told}
            for status in statuses
        },
    }
