"""``dan import-theano``: the authors' .npz -> a model of ours."""

from __future__ import annotations

from dan.cli.common import check_imported, write_imported
from dan.cli.options import ImportedOption, StagesOption, TheanoArgument


def import_theano(
    weights: TheanoArgument, out: ImportedOption, *, stages: StagesOption = None
) -> None:
    """Read weights of the reference implementation (Theano)."""
    check_imported(out, [weights])
    from dan.model.importing import load_theano

    write_imported(out, load_theano(weights, stages))
