"""A server of the page for tests, and a browser, where there is one."""

import http.server
import json
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from dan.service.page.files import HEADERS, MEDIA_TYPES, page_files

STATIC = Path(__file__).resolve().parents[2] / "src" / "dan" / "service" / "page" / "static"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
NODE = (20, 19)  # the first that takes .js for a module without being told


@pytest.fixture(scope="session")
def call():
    """``call(("geometry", "boxOf", points))``: what functions of the page's modules return."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, version.strip().lstrip("v").split(".")[:2])) < NODE:
        pytest.skip(f"needs Node 20.19 or newer, found {version.strip()}")

    def run(*calls):
        given = json.dumps([[module, name, args] for module, name, *args in calls])
        command = [node, str(Path(__file__).with_name("run.mjs")), str(STATIC / "js")]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def files():
    """All files of the page, as a server with ``v1/align`` has them."""
    return page_files(has_server=True)


class Site:
    """A server on loopback; ``posted`` holds the bodies that came to ``v1/align``."""

    def __init__(self, files, headers, answer):
        self.files, self.headers, self.answer, self.posted = files, headers, answer, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def _handler(site):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path[1:] or "index.html"
                known = site.files.get(name)
                kind = MEDIA_TYPES.get(PurePosixPath(name).suffix, "text/plain")
                self._send(404 if known is None else 200, kind, known or b"not here")

            def do_POST(self):
                site.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*site.answer)

            def _send(self, status, kind, data):
                self.send_response(status)
                for key, value in site.headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture(scope="session")
def serve(files):
    """``with serve() as site``: the page at ``site.url``."""

    @contextmanager
    def serving(headers=HEADERS, answer=(404, "text/plain", b"none"), more=None):
        site = Site(files | (more or {}), headers, answer)
        thread = threading.Thread(target=site.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.server.shutdown()
            site.server.server_close()
            thread.join()

    return serving


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, or another that is installed; never one that playwright downloads."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("needs Chromium")

    @contextmanager
    def started(*arguments):
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=found, args=["--no-sandbox", *arguments]
            )
            yield browser
            browser.close()

    return started


@pytest.fixture
def open_page(serve, chromium):
    """``with open_page() as (page, site)``: the page, ready; nothing may leave loopback."""

    @contextmanager
    def opened(*arguments, context=None, **options):
        with serve(**options) as site, chromium(*arguments) as browser:
            page = browser.new_context(**(context or {})).new_page()
            page.set_default_timeout(60_000)
            asked, errors = [], []
            page.context.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: said.type == "error" and errors.append(said.text))
            page.goto(site.url)
            page.wait_for_selector("body[data-ready]")
            yield page, site
            assert f"{site.url}model.onnx" in asked  # those of the worker are seen, too
            assert [url for url in asked if not url.startswith((site.url, "blob:"))] == []
            assert errors == []

    return opened
