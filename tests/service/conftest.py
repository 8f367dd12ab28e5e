"""A service on a free port of loopback, in a thread of the tests' own process or in another one."""

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from helpers import PORTRAIT

collect_ignore = ["lines_for_schemathesis.py"]  # schemathesis alone imports it

for _name in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(_name, reason=f"needs {_name}, of the extra 'serve'")

from dan.service.app import Service
from dan.service.server import Server
from dan.service.settings import ServiceSettings
from dan.service.starting import bind


class Client:
    """Asks a service on loopback."""

    def __init__(self, port, service=None, server=None):
        self.port, self.service, self.server = port, service, server

    def __call__(self, path="/v1/align", body=None, kind="image/jpeg", method=None, **headers):
        """An answer: status, headers, body, and what that is as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            if body is not None:
                headers = {"Content-Type": kind, **headers}
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, names)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        told = json.loads(data) if is_json else None
        return SimpleNamespace(
            status=answer.status, headers=answer.headers, body=data, json=told, code=_code(told)
        )

    def open(self, data=b""):
        """A connection on which so much was sent."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(data)
        return client

    def metric(self, name):
        """A line of the metrics, as a number; 0 where there is none."""
        text = self("/metrics").body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def wait_until(self, holds, seconds=10):
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, "took too long"
            time.sleep(0.02)


def _code(told):
    return told["error"]["code"] if isinstance(told, dict) and "error" in told else None


@contextmanager
def running(**options):
    settings = ServiceSettings(**{"port": 0, "log": False, "grace_s": 5.0, **options})
    service = Service(settings)
    with bind(settings) as listener:
        port, started = listener.getsockname()[1], threading.Event()
        server = Server(service, started.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert started.wait(20)
        try:
            yield Client(port, service, server)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def start():
    """``with start(deadline_s=1) as client:`` a service of its own."""
    return running


@pytest.fixture(scope="session")
def client():
    """A service with all defaults, shared by the tests."""
    with running() as found:
        yield found


@pytest.fixture(scope="session")
def portrait():
    """A JPEG file with one face."""
    return PORTRAIT.read_bytes()


@contextmanager
def command(*words):
    """``dan serve`` in a process of its own: (process, client)."""
    line = [sys.executable, "-m", "dan.cli.entry", "serve", "--port", "0", *words]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stderr.readline()
        assert "listening on" in address, address
        yield process, Client(int(address.rsplit(":", 1)[1]))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stderr.close()


@pytest.fixture(scope="session")
def serve():
    """``with serve("--workers", "2") as (process, client):``"""
    return command
