"""Data that a query produced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _engine

if TYPE_CHECKING:
    from .frame import Frame


class _Schema:
    """What pyarrow asks a schema of."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> Any:
        return self._capsule


class Table:
    """Columns in memory, Arrow inside. Immutable.

    Any Arrow-aware library takes it (the PyCapsule interface), and the methods below convert.
    """

    def __init__(self, data: Any) -> None:
        self._table = data if isinstance(data, _engine.Table) else _engine.table(data.__arrow_c_stream__())
        self._arrow: pa.Table | None = None

    @property
    def _data(self) -> pa.Table:
        if self._arrow is None:
            self._arrow = pa.RecordBatchReader._import_from_c_capsule(self._table.arrow()).read_all()
        return self._arrow

    def to_arrow(self) -> pa.Table:
        """The pyarrow table. Text is converted by the first call; everything else is shared, not copied."""
        return self._data

    def to_pandas(self, **options: Any) -> Any:
        """A pandas DataFrame; nulls become what pandas uses for them."""
        return self._data.to_pandas(**options)

    def to_polars(self) -> Any:
        """A polars DataFrame."""
        import polars

        return polars.from_arrow(self._data)

    def to_numpy(self) -> dict[str, Any]:
        """A dict of numpy arrays, one a column; nulls in numbers become NaN."""
        return {name: column.to_numpy() for name, column in zip(self._data.column_names, self._data.columns)}

    def to_pylist(self) -> list[dict[str, Any]]:
        """A list of dicts, one a row."""
        return self._data.to_pylist()

    def to_pydict(self) -> dict[str, list[Any]]:
        """A dict of lists, one a column."""
        return self._data.to_pydict()

    def lazy(self) -> "Frame":
        """A frame over this data, to go on with."""
        from .frame import Frame

        return Frame(self._table.lazy())

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return pa.schema(_Schema(self._table.schema()))

    @property
    def columns(self) -> list[str]:
        """The names, in order."""
        return self.schema.names

    @property
    def num_rows(self) -> int:
        return self._table.num_rows()

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.num_rows, len(self.columns)

    def get_stats(self) -> dict[str, Any]:
        """What the run did: workers, morsels, time, rows per operator, peak memory. Empty for data from elsewhere."""
        return json.loads(self._table.statistics() or "{}")

    def column(self, name: str) -> pa.ChunkedArray:
        return self._data.column(name)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self._data.column(name)

    def __len__(self) -> int:
        return self.num_rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._data.equals(other._data)

    __hash__ = None  # type: ignore[assignment]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._data.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        return self._table.text(10)

    __str__ = __repr__
