"""The old preprocessing script; see docs/legacy.md."""

import sys

from dan.legacy.preprocessing import main

if __name__ == "__main__":
    sys.exit(main())
