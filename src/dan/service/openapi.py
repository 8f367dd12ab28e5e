"""The description of the service for programs: OpenAPI 3.1, made of the structs."""

from __future__ import annotations

from collections.abc import Sequence
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
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in query.items()
    ]
    picture = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    told = f"Up to {settings.max_batch_pictures} lines, each a BatchPicture as JSON."
    lines = {"description": told}
    secured: list[dict[str, list[str]]] = [{"token": []}] if has_token else []
    posted = (400, 408, 411, 413, 415, 421, 422, 503)
    paths: dict[str, Any] = {
        "/v1/align": {
            "post": {
                "operationId": "align",
                "summary": "Faces of one picture",
                "security": secured,
                "parameters": parameters,
                "requestBody": {
                    "required": True,
                    "content": {kind: {"schema": picture} for kind in MEDIA_TYPES},
                },
                "responses": _answers(of, PictureRecord, posted, has_token=has_token),
            }
        },
        "/v1/align-many": {
            "post": {
                "operationId": "alignMany",
                "summary": "Faces of several pictures, one line of JSON each (BatchPicture)",
                "security": secured,
                "parameters": parameters,
                "requestBody": {"required": True, "content": {LINES_TYPE: {"schema": lines}}},
                "responses": _answers(of, BatchResults, posted, has_token=has_token),
            }
        },
    }
    for path, kind, summary, is_open in (
        ("/v1/models", Models, "What requests may name", False),
        ("/v1/health/live", Health, "Whether the process answers", True),
        ("/v1/health/ready", Health, "Whether it takes requests", True),
    ):
        paths[path] = {
            "get": {
                "operationId": path.rpartition("/")[2],
                "summary": summary,
                "security": [] if is_open else secured,
                "responses": _answers(of, kind, (421, 503), has_token=has_token and not is_open),
            }
        }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "dan: face landmarks",
            "version": dan.__version__,
            "description": "Uploads are kept in memory only, as long as their request lasts.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def _answers(
    of: dict[Any, Any], kind: type, problems: Sequence[int], *, has_token: bool
) -> dict[str, Any]:
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
