"""What the command ``dan`` starts with: Ctrl-C ends it quietly, also while it imports."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of ``sys.argv``; see :func:`dan.cli.main.main`."""
    try:
        from dan.cli.main import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells have it: 128 and the number of SIGINT


if __name__ == "__main__":
    main()
