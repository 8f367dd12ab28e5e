"""What a client is told where it gets no landmarks."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from dan.service.schemas import Failure, Problem, encoded


class ServiceError(Exception):
    """Ends a request with a status other than 200.

    Args:
        status: of HTTP.
        code: for programs, one word.
        message: for people, one line.
        headers: more of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def response(self, request_id: str) -> Response:
        """The answer."""
        body = encoded(Failure(Problem(self.code, self.message), request_id))
        return Response(body, self.status, self.headers, media_type="application/json")


class Busy(ServiceError):
    """The service cannot take the request now."""

    def __init__(self, reason: str, message: str, retry_after_s: int = 1) -> None:
        super().__init__(503, reason, message, {"Retry-After": str(retry_after_s)})


class ClientGone(ServiceError):
    """Nobody waits for the answer any more; this one is logged, and never sent."""

    def __init__(self) -> None:
        super().__init__(499, "client_gone", "the client closed the connection")
