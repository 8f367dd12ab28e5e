"""What ``dan align`` is asked to do, checked before any work."""

from __future__ import annotations

from pathlib import Path

from dan.bulk.result_folder import is_result_folder
from dan.bulk.result_format import ROW_SUFFIXES, ResultFormat
from dan.bulk.sources import Source, find_sources
from dan.cli import options as opt
from dan.cli.align_output import with_standard_input
from dan.cli.common import tell_passed_over
from dan.core.errors import ConfigError


def sources_of(inputs: list[str], out: Path | None) -> list[Source]:
    """The pictures that the words name, but for those of an earlier run in the same folder."""
    words = with_standard_input(inputs)
    before = out.resolve() if out is not None and is_result_folder(out) else None
    tell_passed_over(words, leave_out=before)
    return find_sources(words, leave_out=before)


def check_outputs_of(
    formats: list[ResultFormat],
    options: opt.AlignerOptions,
    out: Path | None,
    *,
    draw: bool,
    axes: bool,
    as_json: bool,
) -> None:
    """Whether each option has an output to which it adds."""
    if axes and not draw:
        raise ConfigError("--axes: expected --draw, to which it adds")
    if out is None and (draw or formats):
        raise ConfigError("--draw and --format: expected a folder for them, -o OUT")
    if out is None and options.certainty and not as_json:
        raise ConfigError("--certainty: expected -o OUT or --json, to which it adds")


def check_video(video: str, formats: list[ResultFormat], *, is_odd: bool) -> None:
    """Whether the formats and options are those of videos."""
    if is_odd or not ROW_SUFFIXES.keys() >= set(formats):
        names = ", ".join(ROW_SUFFIXES)
        raise ConfigError(
            f"{video}: a video goes with -f {names} only, and without --boxes, --box-kind, "
            "--passes and --shard"
        )


def check_boxes(boxes: Path | None, box_kind: str, options: opt.AlignerOptions) -> None:
    """Whether the options go with boxes, or without."""
    if boxes is None and box_kind != "landmarks":
        raise ConfigError(f"--box-kind {box_kind}: expected --boxes FILE, whose kind it tells")
    for name, value in (
        ("--detector-size", options.detector_size),
        ("--detector", options.detector),
    ):
        if boxes is not None and value is not None:
            raise ConfigError(f"{name}: expected no --boxes, with which nothing is detected")


def parse_shard(word: str) -> tuple[int, int]:
    """The number of a shard, and how many there are.

    Raises:
        ConfigError: if the word is no such pair.
    """
    number, _, of = word.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ConfigError(f"--shard: expected I/N with I of 1..N, such as 3/16, got {word}")
    return int(number), int(of)
