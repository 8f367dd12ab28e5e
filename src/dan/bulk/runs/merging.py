"""One table of the results of several runs: parts of a bulk run, or shards of ``dan align``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dan.bulk.result_folder import check_options
from dan.bulk.result_format import ResultFormat
from dan.bulk.result_tables import TABLES
from dan.bulk.runs.parts import about, read_part, scheme_of_part
from dan.bulk.runs.places import Place, check_apart_from, reason_of
from dan.bulk.runs.run_folder import PARTS, RUN, TASKS, RunFolder
from dan.core.errors import DataError
from dan.core.files import replacing, system_errors

FACES = TABLES[ResultFormat.PARQUET]


def merge(folders: Sequence[str], target: Path) -> int:
    """Write the rows of all folders as one Parquet file, whole or not at all; how many there are.

    Of bulk runs, a row a picture, in the order of the pictures: a part after the other, however
    many there are. Of ``dan align -f parquet``, a row a face, by file and number of the face.

    Raises:
        DataError: if a folder holds neither, a run is unfinished, options differ, a picture is in
            two of the folders, or the target is one of the files that are read.
    """
    places = [Place.of(folder) for folder in folders]
    read = ((place / name).uri for place in places for name in (RUN, TASKS, PARTS, FACES))
    check_apart_from(Place.of(target), read)
    _check_options(places)
    tables = _faces(places) if _are_shards(places) else _pictures(places)
    n_rows = 0
    with ExitStack() as stack:
        writer = None
        temporary = stack.enter_context(replacing(target))
        for table in tables:
            if writer is None:
                import pyarrow.parquet as pq

                writer = stack.enter_context(
                    pq.ParquetWriter(temporary, table.schema, compression="zstd")
                )
            with system_errors(target, "cannot be written"):
                writer.write_table(table)
            n_rows += len(table)
    return n_rows


def _are_shards(places: Sequence[Place]) -> bool:
    kinds = {bool((place / TASKS).kind()) for place in places}
    if len(kinds) > 1:
        raise DataError("expected folders of dan bulk, or of dan align, got both")
    return kinds == {False}


def _check_options(places: Sequence[Place]) -> None:
    """All were made with the same options, and none is there twice; what was read may differ."""
    first: dict[str, Any] = {}
    for number, place in enumerate(places):
        if place.shown in (other.shown for other in places[:number]):
            raise DataError(f"{place.shown}: expected each folder once, got it twice")
        if not (place / RUN).kind():
            raise DataError(f"{place.shown}: expected results of dan bulk or dan align, found none")
        noted = _text_of(place / RUN)
        first = first or json.loads(noted)
        check_options(place.shown, noted, first, leave_out=("sources", "shard"))


def _text_of(place: Place) -> str:
    try:
        return place.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{place.shown}: cannot be read: {reason_of(error)}") from error


def _pictures(places: Sequence[Place]) -> Iterator[Any]:
    for place in places:
        folder = RunFolder(place.uri)
        left = folder.left()
        if left:
            raise DataError(
                f"{place.shown}: expected a finished run, found {len(left)} parts missing; the "
                "same command goes on with it"
            )
        names = [name for name in (place / PARTS).names() if name.startswith("part-")]
        for name in names:
            table = read_part(place / PARTS / name)
            yield table.replace_schema_metadata(about(scheme_of_part(table)))


def _faces(places: Sequence[Place]) -> Iterator[Any]:
    """All faces in one table: they have to be sorted."""
    import pyarrow as pa

    tables = []
    for place in places:
        if not (place / FACES).kind():
            raise DataError(f"{place.shown}: expected {FACES}, which dan align -f parquet writes")
        tables.append(read_part(place / FACES))
    files = [set(table["file"].to_pylist()) for table in tables]
    for number, some in enumerate(files):
        for other in files[:number]:
            if twice := some & other:
                raise DataError(f"{min(twice)}: expected each picture in one folder, got it in two")
    yield pa.concat_tables(tables).sort_by([("file", "ascending"), ("face", "ascending")])
