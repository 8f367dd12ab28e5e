"""The page in headless Chromium against the package itself, on the same picture, turn by turn.

    python benchmarks/browser.py [--rounds 8] [--picture portrait.jpg]

Prints, for the page on one thread and on several: milliseconds of finder, landmarks and all of it
once warm, those of ``FaceAligner`` on one thread, their ratio, and the seconds from opening the
page to the first result. Rounds of both take turns, so that a busy machine slows both; ratios are
of medians and of the fastest runs. Needs playwright (extra ``dev``) and an installed Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, sync_playwright

import dan
from dan.core.images import read_rgb
from dan.service.page.files import HEADERS, write_page

PORTRAIT = Path(dan.__file__).parent / "cli" / "portrait.jpg"
RUNS = 10  # a round
WARM_UP = 40

START = """async () => {
    const { Engine } = await import("./js/engine.js");
    const engine = new Engine();
    const { facts, threads } = await engine.start();
    const picture = await (await fetch("picture")).blob();
    window.run = async (count) => {
        const all = [];
        for (let i = 0; i < count; i += 1) {
            const bitmap = await createImageBitmap(picture);
            const { times } = await engine.ask("align", { bitmap, size: facts.finder.size });
            all.push(times);
        }
        return all;
    };
    return threads;
}"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the folder, isolated from other pages or not."""

    isolated = True

    def end_headers(self) -> None:  # noqa: D102 - as its base has it
        for name, value in HEADERS.items() if self.isolated else ():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:  # noqa: D102 - likewise
        pass


class SharedHandler(Handler):
    """Serves it as servers do that know nothing of the page."""

    isolated = False


@contextmanager
def served(folder: Path, handler: type[Handler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def first_result(browser: Browser, url: str, picture: Path) -> float:
    """Seconds from opening the page to the first face of a picture that was given at once."""
    page = browser.new_context().new_page()
    started = time.perf_counter()
    page.goto(url, wait_until="domcontentloaded")
    page.set_input_files("#files", picture)
    page.wait_for_selector(".face")
    seconds = time.perf_counter() - started
    page.context.close()
    return seconds


def native_ms(aligner: dan.FaceAligner, picture: Any, count: int) -> list[float]:  # noqa: ANN401
    times = []
    for _ in range(count):
        started = time.perf_counter()
        aligner(picture)
        times.append(1000 * (time.perf_counter() - started))
    return times


def compare(browser: Browser, url: str, picture: Path, rounds: int) -> None:
    aligner, rgb = dan.FaceAligner(threads=1), read_rgb(picture)
    opened = sorted(first_result(browser, url, picture) for _ in range(3))
    page = browser.new_context().new_page()
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    threads = page.evaluate(START)
    native_ms(aligner, rgb, WARM_UP)
    page.evaluate("run", WARM_UP)
    native: list[float] = []
    there: list[dict[str, float]] = []
    for _ in range(rounds):
        native += native_ms(aligner, rgb, RUNS)
        there += page.evaluate("run", RUNS)
    print(f"\n{threads} thread(s) in the browser; first result after "
          + ", ".join(f"{seconds:.1f}" for seconds in opened) + " s")  # fmt: skip
    print("                       median   fastest, ms")
    for name in ("finder", "landmarks", "total"):
        times = [run[name] for run in there]
        print(f"browser, {name:<12} {median(times):8.1f} {min(times):8.1f}")
    print(f"FaceAligner, 1 thread {median(native):8.1f} {min(native):8.1f}")
    total = [run["total"] for run in there]
    print(f"ratio                 {median(total) / median(native):8.1f} "
          f"{min(total) / min(native):8.1f}")  # fmt: skip
    page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--picture", type=Path, default=PORTRAIT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name) / "page"
        write_page(folder)
        shutil.copy(options.picture, folder / "picture")
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"Chromium {browser.version}")
        for handler in (SharedHandler, Handler):
            with served(folder, handler) as url:
                compare(browser, url, options.picture, options.rounds)
        browser.close()


if __name__ == "__main__":
    main()
