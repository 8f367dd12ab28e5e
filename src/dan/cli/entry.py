"""What the command ``dan`` starts with: Ctrl-C is dealt with before anything slow is imported."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


def main() -> None:
    """Run the command line of ``sys.argv``; see :func:`dan.cli.main.main`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else: nohup, or a caller's
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from dan.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C: KeyboardInterrupt, but while something is imported the end, at once.

    A library's start-up code that is interrupted reports errors of its own, swallows the interrupt,
    or leaves a half of the module behind.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
