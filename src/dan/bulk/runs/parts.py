"""Rows of pictures as Parquet, by pyarrow, the extra ``parquet``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dan.bulk.runs.places import Place, reason_of
from dan.bulk.worker import Counts
from dan.core.errors import DataError

ABOUT = b"dan"
"""Key of what a file says of itself, JSON: ``scheme``, and what the part has come to."""


@dataclass(frozen=True)
class Part:
    """What a finished task has come to; ``seconds`` from its first picture to its file."""

    number: int
    n_pictures: int
    n_unreadable: int
    n_faces: int
    n_runs: int
    n_crops: int
    seconds: float

    @classmethod
    def empty(cls, number: int) -> Part:
        """Nothing done yet."""
        return cls(number, 0, 0, 0, 0, 0, 0.0)


def totals(parts: Iterable[Part]) -> tuple[Part, Counts]:
    """Sums of some parts; ``number`` is how many there are."""
    values = [asdict(part) for part in parts]
    sums = {name: sum(each[name] for each in values) for name in asdict(Part.empty(0))}
    whole = Part(**(sums | {"number": len(values)}))
    return whole, Counts(whole.n_runs, whole.n_crops)


def row_schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    """The ``pyarrow.Schema`` of the rows: the columns of :class:`dan.bulk.worker.AlignBatch`.

    Lists are of the faces of a picture, and what they hold is that of a face.
    """
    import pyarrow as pa

    number = pa.float32()
    return pa.schema(
        [
            ("name", pa.string()),
            ("file", pa.string()),
            ("error", pa.string()),
            ("size_wh", pa.list_(pa.int32())),
            ("score", pa.list_(number)),
            ("confidence", pa.list_(number)),
            ("box_xyxy", pa.list_(pa.list_(number))),
            ("search_box_xyxy", pa.list_(pa.list_(number))),
            ("points_xy", pa.list_(pa.list_(number))),
            ("yaw_pitch_roll_deg", pa.list_(pa.list_(number))),
            ("covariance", pa.list_(pa.list_(number))),
            ("visibility", pa.list_(pa.list_(number))),
        ]
    )


def about(scheme: str, **counts: float) -> dict[bytes, str]:
    """What a file says of itself, as metadata of its schema."""
    return {ABOUT: json.dumps({"scheme": scheme, **counts})}


def part_bytes(rows: Sequence[Mapping[str, Any]], scheme: str, part: Part) -> bytes:
    """The Parquet file of a part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [{**row, **{key: _text(row[key]) for key in ("name", "file", "error")}} for row in rows]
    table = pa.Table.from_pylist(texts, row_schema()).replace_schema_metadata(
        about(scheme, **asdict(part))
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _text(value: str | None) -> str | None:
    """A name that is no proper text, as the names of files may be, with its odd bytes escaped."""
    return None if value is None else value.encode(errors="backslashreplace").decode()


def read_part(place: Place) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The ``pyarrow.Table`` of a part.

    Raises:
        DataError: naming it, if it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with place.files.open_input_file(place.path) as file:
            return pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{place.shown}: expected a part: {reason_of(error)}") from error


def scheme_of_part(table: Any) -> str:  # noqa: ANN401
    """The name of the scheme of a part's points."""
    return str(json.loads(table.schema.metadata[ABOUT])["scheme"])
