"""What clients may not do: each limit, tried on a real socket."""

import json
import logging
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

HEAD = b"POST /v1/align HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"


def said(connection):
    """Everything until the service closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    connection.close()
    return b"".join(parts)


@pytest.fixture
def held(monkeypatch):
    """Makes searches wait until ``held.gate`` is set; ``held.n_begun`` counts them."""

    class Held:
        def __init__(self):
            self.gate, self.n_begun = threading.Event(), 0

        def hold(self, client):
            search = client.service.engine._search

            def wait_and_search(*args):
                self.n_begun += 1
                self.gate.wait(20)
                return search(*args)

            monkeypatch.setattr(client.service.engine, "_search", wait_and_search)

    found = Held()
    yield found
    found.gate.set()


# ---------------------------------------------------------------------------------- uploads


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("text/html", b"<p>", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"a=1", 415, "unsupported_media_type"),
        ("image/jpeg", b"GIF89a" + bytes(99), 415, "unsupported_picture"),
        ("image/webp", b"RIFF\0\0\0\0WAVE" + bytes(99), 415, "unsupported_picture"),
        ("image/jpeg", b"\xff\xd8\xff" + bytes(99), 422, "unreadable_picture"),
        ("image/jpeg", b"", 400, "empty_body"),
    ],
)
def test_what_is_no_picture_is_refused(client, kind, body, status, code):
    answer = client(body=body, kind=kind)
    assert (answer.status, answer.code) == (status, code)


def png_of_size(width, height):
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_small_file_that_claims_many_pixels_is_refused_by_its_header(client):
    for side in (7000, 30_000, 2**31 - 1):
        answer = client(body=png_of_size(side, side), kind="image/png")
        assert (answer.status, answer.code) == (422, "unreadable_picture")
    answer = client(body=png_of_size(7000, 7000))
    expected = "expected at most 40000000 pixels, got 7000 x 7000"
    assert answer.json["error"]["message"] == expected


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(client, portrait):
    answer = client(body=portrait[:-2] + b"\xff\xda\0\x02" * 50 + b"\xff\xd9")
    assert answer.json["error"]["message"] == "expected at most 50 scans, got more"


def test_a_body_that_is_said_to_be_too_large_is_not_read(start):
    with start(max_body_mib=0.01) as small:
        ask = HEAD + b"Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n"
        answer = said(small.open(ask))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer.lower()


def test_a_body_that_is_too_large_is_counted_while_it_is_read(start):
    with start(max_body_mib=0.01) as small:
        parts = b"".join(b"3e8\r\n" + bytes(1000) + b"\r\n" for _ in range(11)) + b"0\r\n\r\n"
        answer = said(small.open(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + parts))
        assert answer.startswith(b"HTTP/1.1 413 ")
        whole = small(body=bytes(10_486))  # clients that read no answer while they send get it
        assert (whole.status, whole.code) == (413, "body_too_large")
        assert small(body=bytes(10_485)).status == 415


def test_a_body_without_a_length_is_refused(client):
    assert said(client.open(HEAD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize("length", [b"-1", b"ten", b"1, 2", b"99999999999999999999999"])
def test_a_length_that_is_none_is_refused(client, length):
    answer = said(client.open(HEAD + b"Content-Length: " + length + b"\r\n\r\n"))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


def test_uploads_together_have_a_limit(start, portrait):
    room = 1.5 * len(portrait) / 2**20
    with start(max_buffered_mib=room, max_body_mib=room, max_batch_mib=room) as small:
        part = portrait[: len(portrait) * 3 // 4]
        waiting = small.open(HEAD + b"Content-Length: %d\r\n\r\n" % len(portrait) + part)
        small.wait_until(lambda: small.metric("dan_buffered_bytes") == len(part))
        answer = small(body=portrait)
        assert (answer.status, answer.code) == (503, "buffers_full")
        waiting.close()
        small.wait_until(lambda: small.metric("dan_buffered_bytes") == 0)
        assert small(body=portrait).status == 200


# ---------------------------------------------------------------------------------- slow ones


def test_slow_heads_bodies_and_idle_connections_are_closed_in_time(start):
    with start(header_timeout_s=0.5, body_timeout_s=0.5) as strict:
        began = time.monotonic()
        idle = strict.open()
        head = strict.open(b"POST /v1/al")
        again = strict.open(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/mo")
        body = strict.open(HEAD + b"Content-Length: 100\r\n\r\nab")
        answers = [said(one) for one in (idle, head, again, body)]
        assert time.monotonic() - began < 5
        assert answers[0] == b""
        assert answers[1].startswith(b"HTTP/1.1 408 ")
        assert answers[2].startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answers[2]
        assert answers[3].startswith(b"HTTP/1.1 408 ")
        assert b"slow_body" in answers[3]


def test_a_head_that_trickles_is_closed_in_time(start):
    with start(header_timeout_s=0.5) as strict:
        client, began = strict.open(b"GET / HTTP/1.1\r\nX: "), time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 10:
                client.sendall(b"x")
                time.sleep(0.05)
        client.close()
        assert time.monotonic() - began < 5


def test_a_client_that_reads_nothing_is_closed_in_time(start, monkeypatch):
    with start(write_timeout_s=0.5) as strict:
        monkeypatch.setattr(strict.service, "_openapi", bytes(30_000_000))
        client = strict.open(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        strict.wait_until(lambda: strict.metric('dan_rejected_total{reason="slow_reader"}') == 1)
        client.close()


def test_the_second_part_of_an_answer_does_not_wait_for_the_first_to_be_acknowledged(start):
    with start() as client, client.open():
        client.wait_until(lambda: client.server.server_state.connections)
        for connection in client.server.server_state.connections:
            taken = connection.transport.get_extra_info("socket")
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_head_that_is_too_long_is_refused(client):
    answer = said(client.open(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20_000))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_more_connections_than_allowed_are_told_so_and_closed(start):
    with start(max_connections=3) as small:
        kept = [small.open() for _ in range(3)]
        small.wait_until(lambda: len(small.service.metrics.text()) and _open(small) == 3)
        answer = said(small.open())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"too_many_connections" in answer
        kept.pop().close()
        small.wait_until(lambda: _open(small) == 2)
        assert small("/v1/health/live").status == 200
        for one in kept:
            one.close()


def _open(client):
    """Connections, as the service itself sees them."""
    (line,) = [
        line
        for line in client.service.metrics.text().decode().splitlines()
        if line.startswith("dan_connections ")
    ]
    return float(line.split()[1])


# ------------------------------------------------------------------------------ back-pressure


def test_a_full_queue_is_told_with_a_time_to_come_back(start, portrait, held):
    with (
        start(queue_pictures=2, max_batch_pictures=2, threads=1) as small,
        ThreadPoolExecutor() as pool,
    ):
        held.hold(small)
        first = [pool.submit(small, body=portrait) for _ in range(2)]
        small.wait_until(lambda: small.metric("dan_queue_length") == 2)
        answer = small(body=portrait)
        assert (answer.status, answer.code) == (503, "queue_full")
        assert int(answer.headers["Retry-After"]) >= 1
        held.gate.set()
        assert [one.result().status for one in first] == [200, 200]
        assert small(body=portrait).status == 200


def test_an_answer_that_takes_too_long_is_not_waited_for(start, portrait, held):
    with start(deadline_s=0.3, threads=1) as hasty, ThreadPoolExecutor() as pool:
        held.hold(hasty)
        answers = [one.result() for one in [pool.submit(hasty, body=portrait) for _ in range(3)]]
        assert [(one.status, one.code) for one in answers] == [(503, "deadline")] * 3
        assert held.n_begun == 1  # the others waited for the thread, and were dropped
        held.gate.set()
        hasty.wait_until(lambda: hasty.metric("dan_queue_length") == 0)


def test_the_work_of_a_client_that_left_is_dropped(start, portrait, held):
    with start(threads=1) as small, ThreadPoolExecutor() as pool:
        held.hold(small)
        first = pool.submit(small, body=portrait)
        small.wait_until(lambda: held.n_begun == 1)
        leaving = small.open(HEAD + b"Content-Length: %d\r\n\r\n" % len(portrait) + portrait)
        small.wait_until(lambda: small.metric("dan_queue_length") == 2)
        leaving.close()
        small.wait_until(lambda: small.metric("dan_queue_length") == 1)
        assert small.metric('dan_rejected_total{reason="client_gone"}') == 1
        held.gate.set()
        assert first.result().status == 200
        assert held.n_begun == 1


# ------------------------------------------------------------------------------- who may call


def test_an_unknown_host_is_refused(start, client):
    for host in ("evil.example", "localhost.evil.example", "", "localhost:80:80"):
        answer = client("/v1/models", Host=host)
        assert (answer.status, answer.code) == (421, "unknown_host")
    for host in ("localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8000"):
        assert client("/v1/models", Host=host).status == 200
    with start(allow_host=["faces.example"]) as named:
        assert named("/v1/models", Host="faces.example").status == 200


def test_a_token_is_asked_for_where_there_is_one(start, portrait, tmp_path):
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    with start(token_file=file) as locked:
        for given in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Basic s3cret"}):
            for path in ("/v1/align", "/v1/models", "/metrics", "/v1/nothing"):
                answer = locked(path, portrait if path == "/v1/align" else None, **given)
                assert (answer.status, answer.code) == (401, "no_token")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert locked(body=portrait, Authorization="Bearer s3cret").status == 200
        for path in ("/v1/health/live", "/v1/health/ready", "/openapi.json", "/"):
            assert locked(path).status == 200


def test_other_origins_may_call_only_where_they_are_allowed(start, client, portrait):
    origin = {"Origin": "https://a.example"}
    asked = {**origin, "Access_Control_Request_Method": "POST"}
    assert client(method="OPTIONS", **asked).status == 405
    assert "Access-Control-Allow-Origin" not in client(body=portrait, **origin).headers
    with start(allow_origin=["https://a.example"]) as friendly:
        assert friendly(method="OPTIONS", **asked).status == 200
        answer = friendly(body=portrait, **origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        other = friendly(body=portrait, Origin="https://b.example")
        assert "Access-Control-Allow-Origin" not in other.headers


def test_a_browser_may_ask_before_it_sends_the_token(start, portrait, tmp_path):
    file = tmp_path / "token"
    file.write_text("s3cret")
    origin = {"Origin": "https://a.example"}
    asked = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization",
    }
    with start(token_file=file, allow_origin=["https://a.example"]) as locked:
        assert locked(method="OPTIONS", **origin, **asked).status == 200
        assert locked(body=portrait, **origin).status == 401
        assert locked(body=portrait, **origin, Authorization="Bearer s3cret").status == 200


# ------------------------------------------------------------------------- headers and the log


def test_every_answer_has_the_headers_of_a_careful_page(client):
    for path in ("/", "/v1/models", "/v1/nothing", "/v1/align"):
        headers = client(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers
        assert "server" not in headers


def test_a_request_has_an_id_in_answer_and_log_which_a_client_may_choose(client):
    assert client("/v1/models", X_Request_Id="mine-1").headers["X-Request-Id"] == "mine-1"
    failed = client("/v1/nothing")
    assert failed.json["request_id"] == failed.headers["X-Request-Id"]
    for bad in ("<script>", "a" * 65, "a b"):
        assert client("/v1/models", X_Request_Id=bad).headers["X-Request-Id"] != bad


def test_the_log_has_a_line_for_each_request_and_nothing_personal(client, portrait, caplog):
    with caplog.at_level(logging.INFO, "dan.service"):
        client("/v1/align?max_faces=7", portrait, X_Request_Id="abc", User_Agent="Agent/7")
        client("/private/name?secret=1", X_Request_Id="def")

        def fields_of(request_id):
            told = [one.fields for one in caplog.records if one.name == "dan.service"]
            return [one for one in told if one["request_id"] == request_id]

        client.wait_until(lambda: fields_of("abc") and fields_of("def"))
    fields = [*fields_of("abc"), *fields_of("def")]
    ms = fields[0].pop("ms")
    assert ms > 0
    assert fields[0] == {
        **{"request_id": "abc", "method": "POST", "route": "/v1/align", "status": 200},
        **{"bytes": len(portrait), "faces": 1},
    }
    assert fields[1]["route"] == "/"
    for secret in ("private", "secret", "Agent/7", "127.0.0.1", "max_faces"):
        assert secret not in str(fields)


def test_uploads_never_reach_the_disk(client, portrait, monkeypatch):
    import sys

    opened, is_on = [], [True]

    def watch(event, args):
        if is_on[0] and event == "open" and isinstance(args[2], int) and args[2] & 3:
            opened.append(args[0])

    sys.addaudithook(watch)
    try:
        assert client(body=portrait).status == 200
    finally:
        is_on[0] = False
    assert opened == []
