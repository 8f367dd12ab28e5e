"""``dan scheme list``: the schemes that are known."""

from __future__ import annotations

import json

from dan.cli.common import console
from dan.cli.options import JsonOption


def list_schemes(*, as_json: JsonOption = False) -> None:
    """List the built-in schemes."""
    from rich.table import Table

    from dan.schemes import SCHEMES, SUMMARIES

    if as_json:
        rows = [
            {"name": name, "points": scheme.n_landmarks, "summary": SUMMARIES[name]}
            for name, scheme in SCHEMES.items()
        ]
        print(json.dumps(rows))
        return
    table = Table("scheme", "points", "flips", "what")
    for name, scheme in SCHEMES.items():
        flips = "no" if scheme.mirror is None else "yes"
        table.add_row(name, str(scheme.n_landmarks), flips, SUMMARIES[name])
    console.print(table)
