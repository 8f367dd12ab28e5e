"""What clients send: read with limits, never written to disk; formats by content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec import MsgspecError
from msgspec.json import Decoder
from starlette.requests import ClientDisconnect, Request

from dan.core.errors import ImageError
from dan.core.images import decode_rgb
from dan.core.types import ColourImage
from dan.service.refusals import ClientGone, ServiceError
from dan.service.schemas import BatchPicture
from dan.service.settings import MIB

SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF"}
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
LINES_TYPE = "application/x-ndjson"

MOST_SCANS = 50
"""Of a JPEG: each costs as much as the whole picture, and takes a few bytes. Encoders make 10."""

DRAINED_BYTES, DRAINED_S = 64 * MIB, 5.0
"""Of a body that is not wanted: read and dropped, as most clients read answers after they sent."""

_lines = Decoder(BatchPicture)


def check_media_type(request: Request, expected: tuple[str, ...]) -> None:
    """Raise ServiceError where the body is not said to be one of these types."""
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if got not in expected:
        raise ServiceError(
            415,
            "unsupported_media_type",
            f"Content-Type: expected {' or '.join(expected)}, got {got[:80] or 'none'}",
            {"Accept": ", ".join(expected)},
        )


async def read_body(
    request: Request, most_bytes: int, take: Callable[[int], None], timeout_s: float
) -> bytes:
    """The body of a request.

    Args:
        request: whose body nobody has begun to read.
        most_bytes: more is refused: where the head says so before anything is read, else counted.
        take: called with the size of each part before it is kept; may raise.
        timeout_s: for all of it.

    Raises:
        ServiceError: if it is empty, too large or too slow.
    """
    said = request.headers.get("content-length")
    if said is None and "transfer-encoding" not in request.headers:
        raise ServiceError(411, "length_required", "expected a body with its Content-Length")
    parts: list[bytes] = []
    n_bytes = 0
    try:
        if said is not None and int(said) > most_bytes:
            raise _too_large(most_bytes)
        async with asyncio.timeout(timeout_s):
            async for part in request.stream():
                n_bytes += len(part)
                if n_bytes > most_bytes:
                    raise _too_large(most_bytes)
                take(len(part))
                parts.append(part)
    except TimeoutError:
        close = {"Connection": "close"}
        message = f"expected the whole body within {timeout_s:g} s"
        raise ServiceError(408, "slow_body", message, close) from None
    except ClientDisconnect:
        raise ClientGone from None
    except ServiceError:
        parts.clear()
        await _drain(request)
        raise
    if not n_bytes:
        raise ServiceError(400, "empty_body", "expected a picture, got an empty body")
    return b"".join(parts)


def _too_large(most_bytes: int) -> ServiceError:
    message = f"expected at most {most_bytes} bytes, got more"
    return ServiceError(413, "body_too_large", message, {"Connection": "close"})


async def _drain(request: Request) -> None:
    """Read on and forget; one that asked first (Expect) sends nothing."""
    if "expect" in request.headers:
        return
    n_bytes = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_S):
            while n_bytes < DRAINED_BYTES:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise ClientGone
                n_bytes += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def decode_picture(data: bytes, max_pixels: int) -> ColourImage:
    """The (H, W, 3) RGB levels of a JPEG, PNG or WebP file.

    Raises:
        ServiceError: if it begins like none of these.
        ImageError: if it is damaged, or larger than ``max_pixels`` by its header.
    """
    starts = [kind for kind, signature in SIGNATURES.items() if data.startswith(signature)]
    if not starts or (starts == ["WEBP"] and data[8:12] != b"WEBP"):
        raise ServiceError(
            415, "unsupported_picture", "expected a JPEG, PNG or WebP picture, got another kind"
        )
    if starts == ["JPEG"] and data.count(b"\xff\xda") > MOST_SCANS:
        raise ImageError(f"expected at most {MOST_SCANS} scans, got more")
    return decode_rgb(data, "picture", formats=starts, max_pixels=max_pixels)


def split_lines(
    body: bytes, most_pictures: int, most_bytes: int
) -> list[BatchPicture | ServiceError]:
    """The pictures of a batch; in place of a bad line what is wrong with it.

    Args:
        body: lines of JSON, see :class:`BatchPicture`; empty ones do not count.
        most_pictures: more lines are refused, all of them.
        most_bytes: of one picture.

    Raises:
        ServiceError: if there are too many, or none.
    """
    lines = [line for line in body.split(b"\n", 2 * most_pictures + 1) if line.strip()]
    if not lines:
        raise ServiceError(400, "empty_body", "expected lines of JSON, got none")
    if len(lines) > most_pictures:
        message = f"expected at most {most_pictures} pictures, got more"
        raise ServiceError(413, "too_many_pictures", message)
    return [_picture_of(line, most_bytes) for line in lines]


def _picture_of(line: bytes, most_bytes: int) -> BatchPicture | ServiceError:
    try:
        found = _lines.decode(line)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return ServiceError(422, "bad_line", f'expected {{"picture": "BASE64"}}, got: {error}')
    if len(found.picture) > most_bytes:
        return _too_large(most_bytes)
    return found
