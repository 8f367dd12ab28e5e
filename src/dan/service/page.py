"""The page for browsers, where the package has it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".onnx": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
"""Said by us: a system's own table may know others, and browsers refuse those."""


class PageFiles(StaticFiles):
    """Files of the page with their types; only reads inside of its folder."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = await super().get_response(path, scope)
        name = getattr(response, "path", path)
        for suffix, kind in TYPES.items():
            if str(name).endswith(suffix):
                response.headers["Content-Type"] = kind
        return response


def page_files() -> PageFiles | None:
    """The page's files; None where the package has none."""
    if find_spec("dan.page") is None:
        return None
    return PageFiles(directory=import_module("dan.page").static_folder(), html=True)
