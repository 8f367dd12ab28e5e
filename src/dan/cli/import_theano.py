"""``dan import-theano``: the authors' .npz -> a model of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import check_imported, write_imported
from dan.cli.options import ImportedOption, StagesOption


def import_theano(
    weights: Annotated[Path, typer.Argument(help="DAN.npz of the reference implementation.")],
    out: ImportedOption,
    *,
    stages: StagesOption = None,
) -> None:
    """Read weights of the reference implementation (Theano)."""
    check_imported(out, [weights])
    from dan.model.importing import load_theano

    write_imported(out, load_theano(weights, stages))
