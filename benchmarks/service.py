"""What the service costs beside the library, and how it holds out: figures beside their goals.

    python benchmarks/service.py FOLDER [--limit 200] [--seconds 15] [--workers 1]
    python benchmarks/service.py FOLDER --minutes 10

FOLDER holds JPEG pictures. The first form compares throughput with 16 clients to ``align_many`` in
this process on the same pictures, and to a FastAPI handler that calls the aligner for each request
(``pip install fastapi``; left out where it is not installed), in rounds that take turns; then
latencies at half of that load. The second form keeps the service saturated for so long and tells
answers and memory minute by minute. Clients share the machine's cores with the service.
"""

import argparse
import asyncio
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psutil

SERVICE = "service"
CLIENTS = 16
ROUNDS = 3

FASTAPI = """
from dan import FaceAligner
from dan.core.images import decode_rgb
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

app, aligner = FastAPI(), FaceAligner({options})

@app.post("/v1/align")
async def align(request: Request):
    body = await request.body()
    {call}
"""
HANDLERS = {
    "FastAPI, in its event loop": ("", "return aligner(decode_rgb(body)).to_dict()"),
    "FastAPI, in threads": (
        "",
        "return await run_in_threadpool(lambda: aligner(decode_rgb(body)).to_dict())",
    ),
    "FastAPI, in threads, network of one thread": (
        "threads=1",
        "return await run_in_threadpool(lambda: aligner(decode_rgb(body)).to_dict())",
    ),
}
"""By what a program would write first, and what one would come to."""


@dataclass
class Tally:
    """What clients saw: statuses, and seconds of answers of status 200."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    span: float = 0.0

    @property
    def rate(self) -> float:
        """Answers of status 200 a second."""
        return self.statuses[200] / self.span


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, help="JPEG pictures, at any depth")
    parser.add_argument("--limit", type=int, default=200, help="pictures of the folder")
    parser.add_argument("--seconds", type=float, default=15, help="of each round")
    parser.add_argument("--minutes", type=float, help="keep it saturated for so long instead")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("options", nargs="*", help="more for dan serve, after --")
    flags = parser.parse_args()
    paths = sorted(flags.folder.rglob("*.jpg"))
    paths = random.Random(0).sample(paths, min(flags.limit, len(paths)))
    serve = [sys.executable, "-m", "dan.cli.entry", "serve", "--port", "0", "--no-log"]
    serve += ["--workers", str(flags.workers), *flags.options]
    if flags.minutes is None:
        compare(paths, serve, flags.seconds)
    else:
        saturate(paths, serve, flags.minutes)


def say(what: str, figure: str, goal: str = "") -> None:
    print(f"{what:<58} {figure:>24}   {f'goal {goal}' if goal else ''}", flush=True)


# ---------------------------------------------------------------------------------- servers


@contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[int, psutil.Process]]:
    """Port and process of a server that says where it listens."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "://" in line)
        port = int(line.split("://")[1].split(":")[1].split()[0].strip("/"))
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@contextmanager
def fastapi(options: str, call: str) -> Iterator[tuple[int, psutil.Process]]:
    with TemporaryDirectory() as folder:
        Path(folder, "peer.py").write_text(FASTAPI.format(options=options, call=call))
        command = [sys.executable, "-m", "uvicorn", "peer:app", "--app-dir", folder]
        command += ["--port", "0", "--http", "h11", "--no-access-log"]
        with served(command) as found:
            yield found


# ---------------------------------------------------------------------------------- clients


def load(port: int, bodies: Sequence[bytes], seconds: float, rate: float | None = None) -> Tally:
    """What clients in a process of their own saw; with ``rate``, requests begin at random times."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_load, (port, bodies, seconds, rate))


def _load(port: int, bodies: Sequence[bytes], seconds: float, rate: float | None) -> Tally:
    return asyncio.run(_clients(port, bodies, seconds, rate))


async def _clients(port: int, bodies: Sequence[bytes], seconds: float, rate: float | None) -> Tally:
    tally, dice, began = Tally(), random.Random(1), time.perf_counter()
    order = [dice.randrange(len(bodies)) for _ in range(100_000)]
    places = iter(order)
    starts: asyncio.Queue[float] = asyncio.Queue()

    async def next_start() -> float:
        """When the next request begins; infinite: there is none any more."""
        if rate is not None:
            return await starts.get()
        return time.perf_counter() if time.perf_counter() - began < seconds else math.inf

    async def client() -> None:
        connection = await asyncio.open_connection("127.0.0.1", port)
        while (at := await next_start()) < math.inf:
            status, connection = await ask(port, connection, bodies[next(places)])
            tally.statuses[status] += 1
            if status == 200:
                tally.seconds.append(time.perf_counter() - at)
            elif status == 503:
                await asyncio.sleep(0.05)
        connection[1].close()

    async def clock() -> None:
        while rate is not None and time.perf_counter() - began < seconds:
            starts.put_nowait(time.perf_counter())
            await asyncio.sleep(dice.expovariate(rate))
        for _ in range(CLIENTS):
            starts.put_nowait(math.inf)

    await asyncio.gather(clock(), *[client() for _ in range(CLIENTS)])
    tally.span = time.perf_counter() - began
    return tally


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(port: int, connection: Connection, body: bytes) -> tuple[int, Connection]:
    """The status of one request (0: no answer), and a connection for the next."""
    reader, writer = connection
    writer.write(
        b"POST /v1/align HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    writer.write(body)
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        n_bytes = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(n_bytes)
        status = int(head.split(b" ", 2)[1])
    except (OSError, asyncio.IncompleteReadError):
        head, status = b"connection: close", 0
    if b"connection: close" in head:
        writer.close()
        connection = await asyncio.open_connection("127.0.0.1", port)
    return status, connection


# ---------------------------------------------------------------------------------- figures


def compare(paths: Sequence[Path], serve: Sequence[str], seconds: float) -> None:
    bodies = [path.read_bytes() for path in paths]
    rates: dict[str, list[tuple[float, float]]] = {}
    servers = {SERVICE: lambda: served(serve)}
    if has_fastapi():
        servers |= {name: partial(fastapi, *handler) for name, handler in HANDLERS.items()}
    for _ in range(ROUNDS):
        rates.setdefault("align_many in process", []).append(in_process(paths, seconds))
        for name, start in servers.items():
            with start() as (port, process):
                load(port, bodies, 2)
                before = cpu_seconds(process)
                tally = load(port, bodies, seconds)
                spent = (cpu_seconds(process) - before) / tally.statuses[200]
            rates.setdefault(name, []).append((tally.rate, spent))
    best = max(rate for rate, _ in rates[SERVICE])
    for name, found in rates.items():
        shown = " ".join(f"{rate:.1f}" for rate, _ in found)
        say(f"{name}: pictures/s", shown)
        say("   CPU time of a picture", f"{1000 * min(spent for _, spent in found):.1f} ms")
        if name != SERVICE:
            goal = ">= 0.8" if "align" in name else ">= 1.5"
            factor = best / max(rate for rate, _ in found)
            say(f"   {SERVICE} / {name}", f"{factor:.2f}", goal)
    with served(serve) as (port, _):
        load(port, bodies, 2)
        tally = load(port, bodies, 2 * seconds, best / 2)
    middle, late = median(tally.seconds), quantiles(tally.seconds, n=100)[98]
    say("half load: median, 99th percentile", f"{1000 * middle:.0f} ms, {1000 * late:.0f} ms")
    say("half load: 99th percentile / median", f"{late / middle:.2f}", "<= 3")


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and those that it started."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def in_process(paths: Sequence[Path], seconds: float) -> tuple[float, float]:
    """Pictures a second of the library, in a process of its own; and CPU seconds of one."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_process, (paths, seconds))


def _in_process(paths: Sequence[Path], seconds: float) -> tuple[float, float]:
    import dan

    aligner = dan.FaceAligner()
    list(aligner.align_many(paths[:8]))
    began, spent, n_pictures = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        n_pictures += sum(1 for _ in aligner.align_many(paths))
    rate = n_pictures / (time.perf_counter() - began)
    return rate, (time.process_time() - spent) / n_pictures


def has_fastapi() -> bool:
    try:
        import fastapi
    except ImportError:
        return False
    return bool(fastapi)


def saturate(paths: Sequence[Path], serve: Sequence[str], minutes: float) -> None:
    bodies = [path.read_bytes() for path in paths]
    total: Counter[int] = Counter()
    sizes = []
    with served(serve) as (port, process):
        for minute in range(max(1, round(minutes))):
            tally = load(port, bodies, 60 * min(1, minutes))
            total += tally.statuses
            family = [process, *process.children(recursive=True)]
            sizes.append(sum(one.memory_info().rss for one in family) / 2**20)
            files = sum(one.num_fds() for one in family)
            say(f"minute {minute + 1}", f"{tally.rate:.1f}/s, {sizes[-1]:.0f} MiB, {files} files")
    others = sum(total.values()) - total[200] - total[503]
    say("answers", f"{dict(total)}")
    say("answers but 200 and 503", f"{others}", "0")
    if len(sizes) > 1:
        say("memory at the end / after the first minute", f"{sizes[-1] / sizes[0]:.3f}", "<= 1.05")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
