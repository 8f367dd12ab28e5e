"""The old preprocessing script; see docs/legacy.md."""

import sys

if __name__ == "__main__":
    from dan.cli.legacy.preprocessing import main  # here, as worker processes read this file too

    sys.exit(main())
