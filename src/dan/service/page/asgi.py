"""The page for browsers, served from memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dan.service.page.files import HEADERS, MEDIA_TYPES, page_files


class PageFiles:
    """Files served from memory: no path of a client's ever reaches the disk.

    Args:
        files: contents by path, ``index.html`` among them.
        types: media types by suffix.
        headers: of each answer.
    """

    def __init__(
        self, files: Mapping[str, bytes], types: Mapping[str, str], headers: Mapping[str, str]
    ) -> None:
        self._answers = {}
        for path, data in files.items():
            kind = types.get(f".{path.rpartition('.')[2]}", "application/octet-stream")
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            own = {"Content-Type": kind, "ETag": tag, "Cache-Control": "no-cache"}
            self._answers[f"/{path}"] = (data, {**headers, **own})
        self._answers["/"] = self._answers["/index.html"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One file, or that the client has it already."""
        request = Request(scope)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if request.url.path not in self._answers:
            raise HTTPException(404)
        data, headers = self._answers[request.url.path]
        known = request.headers.get("if-none-match", "")
        if headers["ETag"] in known:
            await Response(status_code=304, headers=headers)(scope, receive, send)
            return
        await Response(data, headers=headers)(scope, receive, send)


def page_of(model: str, *, has_server: bool) -> PageFiles:
    """The page.

    Args:
        model: that it runs in the browser.
        has_server: whether it may offer to compute here instead.
    """
    return PageFiles(page_files(model, has_server=has_server), MEDIA_TYPES, HEADERS)
