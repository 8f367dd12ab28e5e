"""``dan evaluate``: scores of a model on annotated images."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dan.cli import options as opt
from dan.cli.common import (
    console,
    error_console,
    load_model,
    parse_peers,
    tell_left_out,
)
from dan.cli.predicting import predict_parts
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.evaluation.metrics import Score
    from dan.evaluation.protocol import SubsetPredictions


@opt.with_options
def evaluate(
    model: opt.ModelArgument,
    data: opt.SourceArgument,
    *,
    boxes: opt.BoxesOption = "gt",
    every: opt.ScoredEveryOption = None,
    protocol: opt.ProtocolOption = None,
    out: opt.ReportOption = None,
    compare: opt.CompareOption = None,
    threshold: opt.ThresholdOption = 0.08,
    device: opt.PredictorDeviceOption = "cpu",
    as_json: opt.JsonOption = False,
    source: opt.SourceOptions,
) -> None:
    """Score a model: error after each stage, AUC and failure rate, for each normaliser."""
    from dan.evaluation.protocol import left_out_of
    from dan.evaluation.report import check_report_folder, scores_of, write_report
    from dan.evaluation.score import score_predictions

    peers = parse_peers(compare or [])
    if peers and out is None:
        raise ConfigError("--compare: expected a folder for the report, -o OUT")
    if protocol is not None and (source, every) != (opt.SourceOptions(), None):
        raise ConfigError(
            "--protocol 300w: expected the release's own folders, got options of other data"
        )
    if protocol is not None and boxes != "gt":
        raise ConfigError(f"--boxes {boxes}: expected none with --protocol 300w, which has its own")
    if out is not None:
        check_report_folder(out, [data, model, boxes])
    parts = predict_parts(
        load_model(model, device), data, source, boxes, protocol=protocol, every=every, out=out
    )
    tell_left_out(face.reason for face in left_out_of(parts))
    if protocol is None:
        scores = score_predictions(parts[0].predictions, parts[0].subset, threshold)
    else:
        scores = [score for part in parts for score in scores_of(part, threshold)]
    if as_json:
        print(json.dumps([score.to_dict() for score in scores], indent=2))
    else:
        _print_tables(parts, scores, threshold)
    if out is not None:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        start = boxes if protocol is None else "gt and det, as the tables say"
        about = {"model": model, "data": data.name, "boxes": start, "date": today}
        for path in write_report(out, parts, about, threshold=threshold, peers=peers):
            error_console.print(f"written: {path}")


def _print_tables(
    parts: Sequence[SubsetPredictions], scores: Sequence[Score], threshold: float
) -> None:
    """The scores, then by yaw and visibility what is not all seen, and what the model says."""
    from dan.evaluation.breakdown import group_table, scores_by_group
    from dan.evaluation.certainty import certainty_scores, certainty_table
    from dan.evaluation.metrics import render_table
    from dan.evaluation.tables import table_lines

    console.print(render_table(scores), end="")
    partly = [part for part in parts if not part.predictions.seen.all()]
    groups = [group for part in partly for group in scores_by_group(part, threshold)]
    for table in (group_table(groups), certainty_table(certainty_scores(parts))):
        if table.rows:
            heading = f"{table.title}: {table.note}"
            console.print("", heading, "", *table_lines(table), sep="\n")
