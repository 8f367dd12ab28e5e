"""The old training script; see docs/legacy.md."""

import sys

from dan.cli.legacy.dan_v2 import main

if __name__ == "__main__":
    sys.exit(main())
