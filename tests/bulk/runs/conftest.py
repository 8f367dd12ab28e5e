"""What the tests of bulk runs share: pictures, and a local server that speaks S3."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from dan.core.images import read_rgb


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory, portrait_path):
    """Eleven pictures at two depths: one has no face, one is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    portrait = Image.fromarray(read_rgb(portrait_path)).crop((120, 40, 340, 240))
    for place in range(9):
        path = folder / ("a" if place % 2 else "b/c") / f"{place} ü%.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        portrait.rotate(9 * place - 30).save(path, quality=90)
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(folder / "black.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not read")
    return folder


SLOW_S = 4.0
"""Longer than the AWS SDK waits by default without a byte."""


def serve_slowly(port):
    """A port that leads to another; what is asked with ``slow`` in its name is late."""

    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if data.startswith(b"GET ") and b"slow" in data.partition(b"\r")[0]:
                    time.sleep(SLOW_S)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def serve():
        with contextlib.suppress(OSError):  # it is closed at the end
            while True:
                near, _ = door.accept()
                far = socket.create_connection(("127.0.0.1", port))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    door = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    return door


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A bucket of a server on this machine: ``s3("folder")`` is the URI of a folder in it."""
    pytest.importorskip("moto.server", reason="needs moto, the extra 'interop'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    keys |= {"AWS_EC2_METADATA_DISABLED": "true"}
    before = {name: os.environ.get(name) for name in keys}
    os.environ.update(keys)
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        where = f"127.0.0.1:{port}"
        for _ in range(300):
            try:
                request = urllib.request.Request(f"http://{where}/bucket", method="PUT")
                urllib.request.urlopen(request, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        with serve_slowly(port) as door:
            where = f"127.0.0.1:{door.getsockname()[1]}"
            options = f"endpoint_override={where}&scheme=http&region=us-east-1"
            yield lambda name: f"s3://bucket/{name}?{options}"
    finally:
        server.kill()
        server.wait()
        log.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
