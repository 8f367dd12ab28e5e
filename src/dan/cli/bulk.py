"""``dan bulk``: landmarks of millions of pictures, on one machine or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dan.cli import options as opt
from dan.cli.application import Group, add_commands, group
from dan.cli.common import console, counted, error_console, progress_bar

if TYPE_CHECKING:
    from dan.bulk.runs.parts import Part
    from dan.bulk.worker import AlignBatch

ANY_CLUSTER = "auto"


class _BulkGroup(Group):
    """``dan bulk SOURCE…`` is ``dan bulk run SOURCE…``; ``--ray`` may go without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's
        return super().parse_args(ctx, self.spelled_out(args))

    def spelled_out(self, words: Sequence[str]) -> list[str]:
        """The words with all that may be left out."""
        is_whole = not words or words[0] in {*self.commands, "-h", "--help"}
        full = [] if is_whole else ["run"]
        for word, following in zip(words, [*words[1:], "-"], strict=True):
            full.append(word)
            if word == "--ray" and following.startswith("-"):
                full.append(ANY_CLUSTER)
        return full


app = group("Millions of pictures: on one machine, or on a Ray cluster.")
app.info.cls = _BulkGroup


@opt.with_options
def run(
    sources: opt.BulkSourcesArgument,
    out: opt.BulkOutOption,
    *,
    ray: opt.RayOption = None,
    workers: opt.WorkersOption = None,
    gpus: opt.GpusOption = None,
    part_size: opt.PartSizeOption = 512,
    pool: opt.PoolOption = None,
    options: opt.AlignerOptions,
    passes: opt.PassesOption = 1,
) -> None:
    """Find landmarks of pictures anywhere; the same command goes on after any interruption.

    'dan bulk SOURCE… -o OUT' does the same.
    """
    from dan.bulk.outcomes import options_of
    from dan.bulk.runs.on_ray import check_ray, run_on_ray
    from dan.bulk.runs.places import check_apart_from
    from dan.bulk.runs.run_folder import RunFolder
    from dan.bulk.runs.tasks import list_tasks
    from dan.core.errors import ConfigError

    if ray is None and (workers is not None or gpus is not None):
        raise ConfigError("--workers and --gpus: expected --ray, to which they add")
    address = None if ray == ANY_CLUSTER else ray
    if ray is not None:
        check_ray(address)
    folder = RunFolder(out)
    check_apart_from(folder.place, sources)
    worker = _worker(options, passes, pool, is_alone=ray is None)
    # On a cluster it is loaded here to be checked; workers may have what this machine lacks.
    checked = worker if ray is None else replace(worker, provider="cpu")
    options.check_certainty(checked.network)
    what = options_of(
        checked.aligner, options.detector_name, (), draw=False, certainty=options.certainty
    ) | {"sources": sources, "part_size": part_size}
    folder.prepare(what, list_tasks(sources, part_size))
    lines, n_done = folder.left_and_done()
    if n_done:
        error_console.print(f"{counted(n_done, 'part')} done before")
    if ray is None:
        parts: Iterable[Part] = (folder.do(line, worker) for line in lines)
    else:
        share = float(options.provider == "cuda") if gpus is None else gpus
        parts = run_on_ray(
            folder.place.uri, lines, worker, address=address, workers=workers, gpus=share
        )
    _take(parts, len(lines))
    folder.remove_remains()


def _worker(
    options: opt.AlignerOptions, passes: int, pool: int | None, *, is_alone: bool
) -> AlignBatch:
    from dan.bulk.worker import AlignBatch
    from dan.core.cores import usable_cores
    from dan.inference.aligner import BATCH_FACES

    return AlignBatch(
        model=options.model,
        detector=options.detector_name,
        detector_size=options.detector_size,
        passes=passes,
        max_faces=options.max_faces,
        min_confidence=options.min_confidence,
        certainty=options.certainty,
        threads=options.threads or (usable_cores() if is_alone else 1),
        provider=options.provider,
        pool_faces=pool or (BATCH_FACES if options.provider == "cpu" else 3 * BATCH_FACES),
    )


def _take(parts: Iterable[Part], n_parts: int) -> None:
    """Wait for the parts, and say what they have come to."""
    import time

    from dan.bulk.runs.parts import totals

    done, started = [], time.perf_counter()
    with progress_bar("parts", n_parts) as on_part:
        for part in parts:
            done.append(part)
            on_part()
    whole, counts = totals(done)
    seconds = max(time.perf_counter() - started, 1e-9)
    unreadable = f", {whole.n_unreadable} unreadable" if whole.n_unreadable else ""
    error_console.print(
        f"{counted(whole.n_pictures, 'picture')}{unreadable}, {counted(whole.n_faces, 'face')}, "
        f"{whole.n_pictures / seconds:.1f} pictures/s, {counts.mean_batch:.1f} faces at a time "
        "through the network"
    )


def merge(folders: opt.FoldersArgument, out: opt.MergedOption) -> None:
    """One table of several folders: runs of dan bulk, or shards of dan align -f parquet."""
    from dan.bulk.runs.merging import merge as merge_folders
    from dan.core.files import check_outputs

    check_outputs([out])
    n_rows = merge_folders(folders, out)
    console.print(f"{counted(n_rows, 'row')}: {out}")


add_commands(app, {"run": run, "merge": merge})
