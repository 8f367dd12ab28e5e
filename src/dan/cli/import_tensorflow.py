"""``dan import-tensorflow``: a checkpoint of the TensorFlow port -> a model of ours."""

from __future__ import annotations

import glob

from dan.cli.common import check_imported, write_imported
from dan.cli.options import ImportedOption, StagesOption, TensorFlowArgument


def import_tensorflow(
    checkpoint: TensorFlowArgument, out: ImportedOption, *, stages: StagesOption = None
) -> None:
    """Read a checkpoint of the TensorFlow port's DAN_V2.py; TensorFlow is not needed."""
    check_imported(out, checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}.*"))
    from dan.model.importing import load_tensorflow

    write_imported(out, load_tensorflow(checkpoint, stages))
