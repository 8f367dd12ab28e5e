"""Tables as Parquet files, by pyarrow, the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec
from types import TracebackType

from dan.core.errors import ConfigError
from dan.core.files import replacing, system_errors
from dan.core.types import FilePath

_ROWS_AT_ONCE = 1024


def need_pyarrow() -> None:
    """Say how to install pyarrow where it is missing.

    Raises:
        ConfigError: if it is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet files need pyarrow: pip install '.[parquet]'")


class ParquetTable(AbstractContextManager["ParquetTable"]):
    """Writes a table row by row; the file appears when it is complete, after an error not at all.

    Args:
        path: a file that is there is replaced.
        columns: name -> ``str``, ``int`` or ``float``; None is a value of each.

    Raises:
        ConfigError: if pyarrow is not installed.
        DataError: naming the path, if it cannot be written.
    """

    def __init__(self, path: FilePath, columns: Mapping[str, type]) -> None:
        need_pyarrow()
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._rows: list[Sequence[object]] = []
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(path))
            self._writer = stack.enter_context(pq.ParquetWriter(temporary, self._schema))
            stack.callback(self._flush)
            self._stack = stack.pop_all()

    def add(self, row: Sequence[object]) -> None:
        """Add a row, a value for each column."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self._rows, strict=True)  # none without rows
        typed = zip(columns, self._schema.types, strict=False)
        arrays = [pa.array(values, kind) for values, kind in typed]
        if arrays:
            with system_errors(self.path, "cannot be written"):
                self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
