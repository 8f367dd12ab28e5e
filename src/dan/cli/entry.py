"""What the command ``dan`` starts with: Ctrl-C ends it quietly, also while it imports."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line of ``sys.argv``; see :func:`dan.cli.main.main`."""
    try:
        gc.disable()  # modules are no garbage: looking for some costs a tenth of the start
        from dan.cli.main import main as run_command_line

        gc.freeze()
        gc.enable()
        run_command_line()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells have it: 128 and the number of SIGINT


if __name__ == "__main__":
    main()
