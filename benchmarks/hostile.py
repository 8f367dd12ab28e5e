"""Hostile requests against the service: mutated uploads, bombs, broken HTTP, slow clients.

    python benchmarks/hostile.py [--cases 10000] [--seed 0] [--sockets 1000]

Starts ``dan serve`` with short time-outs, sends the cases from a few clients at once, beside slow
clients and many idle sockets, and tells what came of them: every answer must be one of HTTP whose
status is none of 500 and above but 503, no client may wait longer than the time-outs allow, and at
the end the service must be healthy, with nothing in its queues, no more open files than before and
no more memory than in the first half. A case depends on the seed and its number alone: ``--only
NUMBER`` sends one.
"""

import argparse
import base64
import io
import json
import random
import socket
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

from PIL import Image

PORTRAIT = Path(__file__).parents[1] / "src/dan/cli/portrait.jpg"
PATIENCE_S = 30.0
CLIENTS = 8

Dice = random.Random


class Case(NamedTuple):
    """What is sent, and what may come of it."""

    kind: str
    data: bytes
    may_be_silent: bool = False  # the service may close without a word


# ---------------------------------------------------------------------------------- pictures


@cache
def pictures() -> list[bytes]:
    """Sound files of the three formats, in many of their forms, about 100 pixels wide."""
    with Image.open(PORTRAIT) as opened:
        image = opened.resize((120, 120))
    grey, alpha = image.convert("L"), image.convert("RGBA")
    alpha.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 300
    forms = [
        (image, "JPEG", {"exif": exif}),
        (image, "JPEG", {"progressive": True, "subsampling": 2}),
        (image.convert("CMYK"), "JPEG", {}),
        (grey, "JPEG", {"quality": 20}),
        (image, "PNG", {}),
        (image.convert("P"), "PNG", {"transparency": 3}),
        (alpha, "PNG", {}),
        (grey.convert("I;16"), "PNG", {}),
        (grey.convert("1"), "PNG", {}),
        (image, "PNG", {"save_all": True, "append_images": [alpha.convert("RGB")]}),
        (image, "WEBP", {}),
        (alpha, "WEBP", {"lossless": True, "exif": exif}),
        (image, "WEBP", {"save_all": True, "append_images": [image.rotate(90)]}),
    ]
    files = []
    for picture, form, options in forms:
        file = io.BytesIO()
        picture.save(file, form, **options)
        files.append(file.getvalue())
    return files


def mutated(dice: Dice, data: bytes) -> bytes:
    """The same bytes, damaged."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at, how = dice.randrange(len(out) or 1), dice.randrange(7)
        span = min(dice.choice((1, 2, 4, 16, 300)), len(out) - at)
        if how == 0:
            del out[at:]
        elif how == 1 and out:
            out[at] ^= 1 << dice.randrange(8)
        elif how == 2:
            out[at : at + span] = dice.randbytes(span)
        elif how == 3:
            out[at:at] = out[at : at + span] * dice.choice((1, 50))
        elif how == 4:
            del out[at : at + span]
        elif how == 5:
            out[at : at + span] = dice.choice((b"\0", b"\xff")) * span
        else:
            out[at : at + 4] = struct.pack(">I", dice.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
    return bytes(out)


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def bombs(dice: Dice) -> bytes:
    """Small files that claim or unpack to much."""
    zeros = zlib.compress(bytes(20 << 20), 9)
    jpeg, webp = pictures()[1], pictures()[10]
    size = struct.pack(">HH", 65500, 65500)
    start = jpeg.index(b"\xff\xc2")
    scan = jpeg.index(b"\xff\xda")
    makers: list[Callable[[], bytes]] = [
        lambda: png(30000, 30000, chunk(b"IDAT", zeros)),
        lambda: png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", b"")),
        lambda: png(0, 0, chunk(b"IDAT", zeros)),
        lambda: png(6300, 6300, chunk(b"IDAT", zeros), depth=1, colour=0),
        lambda: png(100, 100, chunk(b"zTXt", b"a\0\0" + zeros), chunk(b"IDAT", zeros)),
        lambda: png(100, 100, *[chunk(b"zTXt", b"a\0\0" + zeros)] * 20),
        lambda: png(100, 100, chunk(b"iCCP", b"a\0\0" + zeros), chunk(b"IDAT", zeros)),
        lambda: png(100, 100, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros), chunk(b"IDAT", zeros)),
        lambda: png(100, 100, *[chunk(b"IDAT", b"")] * 50_000),
        lambda: png(100, 100, chunk(b"IDAT", zeros)),
        lambda: jpeg[: start + 5] + size + jpeg[start + 9 :],
        lambda: jpeg[:-2] + jpeg[scan:-2] * 3000,
        lambda: jpeg[:2] + b"\xff\xe1\xff\xff" * 1000 + jpeg[2:],
        lambda: webp[:12] + b"VP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\xff\xff" * 2 + webp[12:],
        lambda: b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff\x2f" + b"\xff" * 40,
    ]
    return dice.choice(makers)()


def others(dice: Dice) -> bytes:
    """What is no picture of the three formats."""
    return dice.choice(
        [
            b"",
            b"GIF89a" + bytes(50),
            b"BM" + bytes(60),
            b"II*\0" + bytes(60),
            b"%PDF-1.7",
            b"PK\3\4" + bytes(60),
            b"\x7fELF" + bytes(60),
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
            b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
            b"http://169.254.169.254/latest/meta-data",
            b"../../../../etc/passwd",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"RIFF\0\0\0\0WAVE",
            b"\x80\x04\x95cos\nsystem\n",
            b"8BPS" + bytes(50),
            b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run",
            dice.randbytes(dice.randrange(5000)),
        ]
    )


# ---------------------------------------------------------------------------------- requests


def post(
    path: str = "/v1/align",
    body: bytes = b"",
    kind: str = "image/jpeg",
    headers: Sequence[str] = (),
    length: str | None = None,
) -> bytes:
    length = str(len(body)) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", *headers]
    lines += [f"Content-Length: {length}"] * (length != "none") + ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def upload(dice: Dice) -> Case:
    kind = dice.choice(("image/jpeg", "image/png", "image/webp"))
    return Case("mutated picture", post(body=mutated(dice, dice.choice(pictures())), kind=kind))


def bomb(dice: Dice) -> Case:
    return Case("bomb", post(body=bombs(dice)))


def wrong_type(dice: Dice) -> Case:
    kinds = (
        "image/jpeg",
        "image/gif",
        "text/html",
        "multipart/form-data; boundary=x",
        "",
        "x" * 50,
    )
    kinds += ("application/x-www-form-urlencoded", "application/x-ndjson", "image/svg+xml", "é\t")
    path = dice.choice(("/v1/align", "/v1/align-many"))
    return Case("wrong type", post(path, others(dice), dice.choice(kinds)))


def length(dice: Dice) -> Case:
    body = dice.choice(pictures())
    words = (
        "-1",
        "0",
        "none",
        "+5",
        "0x10",
        "1e3",
        "99999999999999999999",
        "5, 6",
        " ",
        "five",
        "5",
    )
    chunked = ["Transfer-Encoding: chunked"]
    sizes = (b"%x" % len(body), b"-1", b"FFFFFFFFFFFFFFFF", b"zz", b"", b"5;x=" + b"y" * 300, b"1")
    parts = dice.choice(sizes) + b"\r\n" + body + b"\r\n0\r\n\r\n"
    return dice.choice(
        [
            Case("length", post(body=body, length=dice.choice(words)), True),
            Case("length", post(body=body, length=str(len(body) + dice.choice((1, 10**6)))), True),
            Case("length", post(body=body, length=str(10**9)), True),
            Case("length", post(body=body, headers=[f"Content-Length: {len(body) + 1}"])),
            Case("length", post(body=parts, headers=chunked, length="none"), True),
            Case("length", post(body=parts, headers=chunked), True),
            Case(
                "length", post(body=body, headers=["Transfer-Encoding: gzip"], length="none"), True
            ),
            Case("length", post(body=b"", headers=["Expect: 100-continue"], length=str(10**9))),
            Case("length", post(body=b"x" * (11 << 20))),
        ]
    )


def path(dice: Dice) -> Case:
    paths = [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
    ]
    paths += [
        "/....//....//etc/passwd",
        "/..\\..\\windows\\win.ini",
        "/%00",
        "/a%00.html",
        "/%ff%fe",
    ]
    paths += [
        "http://169.254.169.254/",
        "http://localhost@evil/",
        "*",
        "/v1/align/../metrics",
        "/%",
        "/?",
    ]
    paths += ["/" + "a" * 10_000, "/" + "a/" * 3000, "/v1/align?" + "a=1&" * 2000, "", "/v1//align"]
    paths += [
        "/js/..%5c..%5c__init__.py",
        "/C:/Windows",
        "/.git/config",
        "/index.html/",
        "/\x01",
        "/é",
    ]
    paths += ["/" + "".join(map(chr, dice.choices(range(33, 127), k=dice.randrange(1, 60))))]
    methods = (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PATCH",
        "X" * 40,
    )
    target, method = dice.choice(paths), dice.choice(methods)
    said = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return Case("path", said.encode("latin-1"), True)


def header(dice: Dice) -> Case:
    extra = [
        ["X: " + "y" * 100_000],
        [f"X-{number}: y" for number in range(2000)],
        ["Bad Name: 1"],
        ["X: 1", " folded: 2"],
        ["X: \0"],
        ["X: \x7f\xff"],
        ["Host: evil.example"],
        ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x"],
        ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"],
        ["X-Request-Id: <script>alert(1)</script>\t\x85"],
        ["X-Forwarded-Host: evil", "X-Forwarded-For: 1.1.1.1", "Forwarded: for=evil"],
        ["Authorization: Bearer " + "z" * 5000],
        ["Origin: https://evil.example", "Access-Control-Request-Method: POST"],
        ["Content-Encoding: gzip"],
        ["Range: bytes=" + ",".join(f"{place}-" for place in range(1000))],
        ["If-None-Match: " + '"' * 5000, "If-Modified-Since: yesterday"],
        ["Expect: 200-maybe"],
        [":pseudo: 1"],
    ]
    return Case("header", post(body=pictures()[0], headers=dice.choice(extra)), True)


def not_http(dice: Dice) -> Case:
    data = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(200),
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\r\n" * 3000,
        b"\0" * 30_000,
        dice.randbytes(dice.randrange(1, 3000)),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20,
        b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"POST /v1/align HTTP/1.0\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n\r\n",
    ]
    return Case("not HTTP", dice.choice(data), True)


def query(dice: Dice) -> Case:
    names = (
        "model",
        "max_faces",
        "min_confidence",
        "passes",
        "certainty",
        "pose",
        "url",
        "path",
        "%00",
    )
    values = (
        "",
        "0",
        "1",
        "-1",
        "1e999",
        "nan",
        "inf",
        "true",
        "99999999999999999999",
        "null",
        "[]",
    )
    values += (
        "../../x",
        "dan68-fast",
        "%ff",
        "1;2",
        "0x1",
        "²",
        "file:///etc/passwd",
        "a" * 500,
        "1.5",
    )
    pairs = [f"{dice.choice(names)}={dice.choice(values)}" for _ in range(dice.randrange(1, 4))]
    return Case("query", post("/v1/align?" + "&".join(pairs), dice.choice(pictures())))


def lines(dice: Dice) -> Case:
    files = [
        base64.b64encode(mutated(dice, each)).decode() for each in dice.choices(pictures(), k=3)
    ]
    texts = [json.dumps({"picture": file, "name": f"n{dice.random()}"}) for file in files]
    texts += [
        "{}",
        "[]",
        "null",
        '{"picture": "****"}',
        '{"picture": 5}',
        '{"picture": "", "name": "' + "n" * 300 + '"}',
        '{"picture": "", "url": "http://169.254.169.254/"}',
        "[" * 100_000,
        '{"picture": ' + "[" * 50_000,
        '{"picture": "' + "A" * (14 << 20) + '"}',
        '{"picture": "QUJD", "picture": "QUJD"}',
        "\x00\x01\x02",
        '{"picture": "\\ud800"}',
    ]
    chosen = dice.choices(texts, k=dice.choice((1, 2, 5, 16, 17, 200)))
    body = b"\n".join(text.encode() for text in chosen)[: 20 << 20]
    if dice.random() < 0.3:
        body = mutated(dice, body)
    return Case("lines", post("/v1/align-many", body, "application/x-ndjson"))


KINDS: list[tuple[Callable[[Dice], Case], int]] = [
    *[(upload, 50), (bomb, 3), (wrong_type, 8), (length, 6), (path, 10)],
    *[(header, 8), (not_http, 5), (query, 8), (lines, 2)],
]


def case(seed: int, number: int) -> Case:
    """Of this number; so many of each kind as the weights say."""
    dice = Dice(f"{seed} {number}")
    makers, weights = zip(*KINDS, strict=True)
    return dice.choices(makers, weights)[0](dice)


# ---------------------------------------------------------------------------------- sending


def send(port: int, data: bytes, patience_s: float = PATIENCE_S) -> bytes:
    """All that the service says until it closes."""
    said = []
    with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as client:
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
        with suppress(ConnectionResetError):
            while part := client.recv(65536):
                said.append(part)
    return b"".join(said)


def fault_of(one: Case, said: bytes) -> str | None:
    """What is wrong with an answer."""
    said = said.removeprefix(b"HTTP/1.1 100 \r\n\r\n").removeprefix(
        b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    if not said:
        return None if one.may_be_silent else "no answer"
    head, _, body = said.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if words[0] != b"HTTP/1.1" or not words[1].isdigit():
        return f"no HTTP: {said[:80]!r}"
    status = int(words[1])
    if status >= 500 and status != 503:
        return f"status {status}"
    is_short = b"application/json" in head and b"root:" in body
    return f"tells files: {body[:80]!r}" if is_short else None


def send_all(port: int, seed: int, numbers: Sequence[int]) -> tuple[Counter[str], list[str]]:
    """Statuses by kind, and what was wrong."""
    seen: Counter[str] = Counter()
    faults: list[str] = []

    def one(number: int) -> None:
        hostile = case(seed, number)
        try:
            said = send(port, hostile.data)
        except OSError as error:  # a time-out among them
            faults.append(f"case {number}, {hostile.kind}: {type(error).__name__} {error}")
            return
        fault = fault_of(hostile, said)
        if fault is not None:
            faults.append(f"case {number}, {hostile.kind}: {fault}")
        seen[f"{hostile.kind}: {said[9:12].decode('latin-1') or 'closed'}"] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, numbers))
    return seen, faults


def slow(port: int, patience_s: float) -> list[str]:
    """Clients that send byte by byte, or read none, must be closed within the time-outs."""
    heads = (
        b"",
        b"GET / HT",
        b"POST /v1/align HTTP/1.1\r\nHost: localhost\r\nX: ",
        post(length="9999"),
    )
    faults = []
    clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in heads * 5]
    began = time.monotonic()
    for client, head in zip(clients, heads * 5, strict=True):
        client.sendall(head)
        client.setblocking(False)
    open_ones = set(clients)
    while open_ones and time.monotonic() - began < patience_s:
        time.sleep(0.5)
        for client in list(open_ones):
            try:
                client.send(b"x")
                is_closed = client.recv(65536) == b""
            except BlockingIOError:
                is_closed = False
            except OSError:
                is_closed = True
            if is_closed:
                client.close()
                open_ones.discard(client)
    if open_ones:
        faults.append(f"{len(open_ones)} slow clients were not closed in {patience_s} s")
    for client in open_ones:
        client.close()
    return faults


def many_sockets(port: int, n_sockets: int) -> list[str]:
    """Many idle connections do not keep the service from others, and are closed."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(n_sockets)]
    time.sleep(4)  # longer than the service waits for a head
    said = send(
        port, b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    for client in clients:
        client.close()
    is_well = said.startswith(b"HTTP/1.1 200")
    return [] if is_well else [f"health beside {n_sockets} idle sockets: {said[:60]!r}"]


# ---------------------------------------------------------------------------------- the run


def main() -> int:
    import psutil

    from service import served

    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sockets", type=int, default=1000, help="idle ones at the same time")
    parser.add_argument("--only", type=int, help="the number of one case")
    flags = parser.parse_args()
    options = ["--header-timeout-s", "2", "--body-timeout-s", "4", "--write-timeout-s", "3"]
    command = [sys.executable, "-m", "dan.cli.entry", "serve", "--port", "0", "--no-log", *options]
    with served(command) as (port, process):
        if flags.only is not None:
            hostile = case(flags.seed, flags.only)
            print(hostile.kind, hostile.data[:300], send(port, hostile.data)[:2000], sep="\n")
            return 0
        seen, faults, sizes = Counter[str](), [], []
        files = process.num_fds()
        began, parts = time.monotonic(), 10
        for part in range(parts):
            numbers = range(part * flags.cases // parts, (part + 1) * flags.cases // parts)
            found, wrong = send_all(port, flags.seed, numbers)
            seen += found
            faults += wrong
            sizes.append(process.memory_info().rss / 2**20)
            print(f"{numbers.stop} cases, {time.monotonic() - began:.0f} s, {sizes[-1]:.0f} MiB")
        faults += slow(port, 12) + many_sockets(port, flags.sockets)
        faults += state_faults(port, process, files)
        first, last = max(sizes[: parts // 2]), max(sizes[parts // 2 :])
        if last > 1.1 * first:
            faults.append(f"memory grew from {first:.0f} to {last:.0f} MiB")
        assert isinstance(process, psutil.Process)
    for name, number in sorted(seen.items()):
        print(f"{name:<30} {number}")
    print(*faults[:30], f"{len(faults)} faults", sep="\n")
    return 1 if faults else 0


def state_faults(port: int, process: object, files: int) -> list[str]:
    """What is left behind."""
    for _ in count():
        time.sleep(1)
        told = send(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        values = dict(
            line.rsplit(" ", 1) for line in told.decode().splitlines() if line.startswith("dan_")
        )
        left = {name: float(values[f"dan_{name}"]) for name in ("queue_length", "buffered_bytes")}
        if not any(left.values()) or _ > 10:
            break
    faults = [f"{name} at the end: {value}" for name, value in left.items() if value]
    if told.count(b'code="500"'):
        faults.append("answers of status 500 in the metrics")
    now = process.num_fds()  # type: ignore[attr-defined]
    return faults + ([f"{now} open files, {files} before"] if now > files + 3 else [])


if __name__ == "__main__":
    sys.exit(main())
