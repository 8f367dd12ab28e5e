"""Tables as CSV files."""

import csv
import math
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from dan.core.files import replacing
from dan.core.types import FilePath


def save_csv(path: FilePath, table: Mapping[str, npt.NDArray[Any]], *, decimals: int = 4) -> None:
    """Write columns of the same length, by name; NaN becomes an empty field.

    Raises:
        DataError: naming the path, if it cannot be written.
    """
    columns = []
    for values in table.values():
        is_float = values.dtype.kind == "f"
        plain = (values.astype("float64").round(decimals) if is_float else values).tolist()
        columns.append([None if is_float and math.isnan(value) else value for value in plain])
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = zip(*columns, strict=True)
        csv.writer(file, lineterminator="\n").writerows([list(table), *rows])
