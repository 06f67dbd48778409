"""Data that a query produced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _engine

if TYPE_CHECKING:
    from .frame import Frame


class Table:
    """Columns in memory, Arrow inside. Immutable.

    Any Arrow-aware library takes it (the PyCapsule interface), and the methods below convert.
    """

    def __init__(self, data: pa.Table, statistics: str = "") -> None:
        self._data = data
        self._statistics = statistics

    def to_arrow(self) -> pa.Table:
        """The pyarrow table itself, no copy."""
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
        from .frame import from_arrow

        return from_arrow(self._data)

    @property
    def schema(self) -> pa.Schema:
        return self._data.schema

    @property
    def columns(self) -> list[str]:
        return self._data.column_names

    @property
    def num_rows(self) -> int:
        return self._data.num_rows

    @property
    def shape(self) -> tuple[int, int]:
        return self._data.shape

    def get_stats(self) -> dict[str, Any]:
        """What the run did: workers, morsels, time, rows per operator, peak memory. Empty for data from elsewhere."""
        return json.loads(self._statistics) if self._statistics else {}

    def column(self, name: str) -> pa.ChunkedArray:
        return self._data.column(name)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self._data.column(name)

    def __len__(self) -> int:
        return self._data.num_rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self._data.equals(other._data)

    __hash__ = None  # type: ignore[assignment]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._data.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self._data.schema.__arrow_c_schema__()

    def __repr__(self) -> str:
        return _engine.table_text(self._data.__arrow_c_stream__(), 10)

    __str__ = __repr__
