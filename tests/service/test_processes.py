"""Starting, stopping, dying: the service as a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

psutil = pytest.importorskip("psutil")

HEAD = b"POST /v1/align HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"

needs_signals = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


class Load:
    """Clients that ask one request after the other until the block ends, as careful ones do.

    A connection that the service has closed between two requests is opened anew, and a request
    on which it was lost before a byte of the answer came is counted as ``lost``.
    """

    def __init__(self, client, portrait, n_clients=3):
        self.client, self.portrait, self.seen = client, portrait, Counter()
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(n_clients)]

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.client.port, timeout=30)
        while not self._ends.is_set():
            try:
                connection.request(
                    "POST", "/v1/align", self.portrait, {"Content-Type": "image/jpeg"}
                )
                answer = connection.getresponse()
                answer.read()
                self.seen[answer.status] += 1
            except ConnectionRefusedError:
                self.seen["refused"] += 1
                connection.close()
                time.sleep(0.05)
            except (OSError, http.client.HTTPException):
                self.seen["lost"] += 1
                connection.close()
        connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join(30)


def workers_of(process):
    """Of the supervisor; multiprocessing has a tracker process beside them."""
    found = set()
    for one in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie is none, either
            if "spawn_main" in " ".join(one.cmdline()):
                found.add(one.pid)
    return found


@needs_signals
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_was_begun_and_ends_with_0(serve, portrait, kind):
    with serve("--no-log") as (process, client):
        half = client.open(HEAD + b"Content-Length: %d\r\n\r\n" % len(portrait) + portrait[:9000])
        client.wait_until(lambda: client.metric("dan_buffered_bytes") == 9000)
        process.send_signal(kind)
        time.sleep(0.5)
        assert process.poll() is None
        half.sendall(portrait[9000:])
        answer = b""
        while part := half.recv(65536):
            answer += part
        half.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in head
        assert len(json.loads(body)["faces"]) == 1
        assert process.wait(10) == 0


@needs_signals
@pytest.mark.slow
def test_a_killed_process_is_replaced_and_the_metrics_say_so(serve, portrait):
    with serve("--workers", "2", "--no-log") as (process, client):
        before = workers_of(process)
        assert len(before) == 2
        assert client.metric("dan_workers") == 2
        with Load(client, portrait) as load:
            client.wait_until(lambda: load.seen[200] > 10)
            os.kill(min(before), signal.SIGKILL)
            client.wait_until(lambda: client.metric("dan_worker_restarts_total") == 1, 30)
            client.wait_until(lambda: client.metric("dan_workers") == 2, 30)
            n_answers = load.seen[200]
            client.wait_until(lambda: load.seen[200] > n_answers + 20, 30)
        assert len(workers_of(process)) == 2
        assert workers_of(process) != before
        assert set(load.seen) <= {200, "lost"}
        assert load.seen["lost"] <= 3  # what the killed process was at: one for each client
        answered = 'dan_requests_total{code="200",route="/v1/align"}'
        assert client.metric(answered) >= load.seen[200] - 1  # those of the dead count, too
        process.terminate()
        assert process.wait(20) == 0


@needs_signals
@pytest.mark.slow
def test_renewing_all_processes_under_load_loses_no_request(serve, portrait):
    with serve("--workers", "2", "--no-log") as (process, client):
        before = workers_of(process)
        with Load(client, portrait) as load:
            client.wait_until(lambda: load.seen[200] > 10)
            process.send_signal(signal.SIGHUP)
            client.wait_until(lambda: not workers_of(process) & before, 60)
            n_answers = load.seen[200]
            client.wait_until(lambda: load.seen[200] > n_answers + 20, 30)
        assert set(load.seen) == {200}
        assert client.metric("dan_worker_restarts_total") == 0
        process.terminate()
        assert process.wait(20) == 0


@needs_signals
@pytest.mark.slow
def test_a_stop_under_load_loses_no_request_that_was_accepted(serve, portrait):
    with serve("--no-log") as (process, client), Load(client, portrait) as load:
        client.wait_until(lambda: load.seen[200] > 10)
        process.terminate()
        assert process.wait(20) == 0
    assert set(load.seen) == {200, "refused"}


@needs_signals
@pytest.mark.slow
def test_processes_end_when_their_supervisor_is_killed(serve):
    with serve("--workers", "2", "--no-log") as (process, client):
        workers = workers_of(process)
        process.kill()
        client.wait_until(lambda: not any(map(psutil.pid_exists, workers)), 20)


def test_what_keeps_it_from_starting_is_one_line_and_exit_code_2(tmp_path, dan):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = dan("serve", "--port", port)
    assert done.code == 2
    assert done.err.startswith(
        f"dan: --host, --port: expected a free address, got 127.0.0.1 {port}"
    )
    for words, said in (
        (["--model", "none"], "dan: none: "),
        (["--model", "dan68-fast", "--model", "dan68-fast"], "dan: --model: expected models of"),
        (["--workers", "0"], "dan: --workers: expected at least 1, got 0"),
        (["--token-file", str(tmp_path / "none")], f"dan: {tmp_path / 'none'}: No such file"),
        (["--max-batch-pictures", "65"], "dan: --queue-pictures: expected at least"),
    ):
        done = dan("serve", "--port", "0", *words)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert done.err.startswith(said)


@pytest.mark.slow
def test_processes_that_cannot_start_end_the_service_with_one_line_and_code_2():
    command = [sys.executable, "-m", "dan.cli.entry", "serve", "--port", "0", "--workers", "2"]
    done = subprocess.run(
        [*command, "--model", "none"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("dan: none: ")
    assert done.stderr.count("\n") == 1
