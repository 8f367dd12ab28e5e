"""The page's files over HTTP."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from dan.service.page.asgi import PageFiles
from dan.service.page.files import page_files

FILES = {"index.html": b"<!doctype html>", "js/main.js": b"1", "net.onnx": b"\0", "x": b"?"}
TYPES = {".html": "text/html", ".js": "text/javascript", ".onnx": "application/octet-stream"}


@pytest.fixture(scope="module")
def ask():
    app = Starlette(routes=[Mount("/", PageFiles(FILES, TYPES, {"X-Own": "yes"}))])

    def answer(path, method="GET", headers=()):
        said = []

        async def send(message):
            said.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        scope |= {"query_string": b"", "root_path": "", "server": ("localhost", 80)}
        asyncio.run(app({**scope, "scheme": "http"}, None, send))
        start, *parts = said
        body = b"".join(part["body"] for part in parts)
        return start["status"], dict(start["headers"]), body

    return answer


def test_files_have_their_types_and_the_pages_headers(ask):
    for path, kind, data in (
        ("/", b"text/html", FILES["index.html"]),
        ("/js/main.js", b"text/javascript", b"1"),
        ("/net.onnx", b"application/octet-stream", b"\0"),
        ("/x", b"application/octet-stream", b"?"),
    ):
        status, headers, body = ask(path)
        assert (status, body) == (200, data)
        assert headers[b"content-type"].startswith(kind)
        assert headers[b"x-own"] == b"yes"


def test_a_file_that_the_browser_has_is_not_sent_again(ask):
    tag = ask("/x")[1][b"etag"]
    assert ask("/x", headers=[(b"if-none-match", tag)])[::2] == (304, b"")
    assert ask("/x", headers=[(b"if-none-match", b'"other"')])[::2] == (200, b"?")


def test_only_its_own_files_are_read(ask):
    for path in ("/none", "/js", "/js/", "/../app.py", "//x", "/js/../x", "/index.html/"):
        assert ask(path)[0] == 404
    assert ask("/x", method="POST")[0] == 405


def test_without_the_page_the_root_is_a_plain_line(start):
    with start(page=False) as bare:
        assert bare("/").body == b"Landmarks over HTTP: see /openapi.json\n"
        assert bare("/index.html").status == 404


def test_the_page_is_served(client):
    answer = client("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body == page_files("dan68-fast")["index.html"]
    wrong = client("/v1/align")  # GET
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert client("/none").status == 404
