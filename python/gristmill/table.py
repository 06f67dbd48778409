"""Data that a query produced."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Iterator, Sequence

import pyarrow as pa

from . import _engine, hints
from .config import Config
from .table_methods import TableMethods

if TYPE_CHECKING:
    from .frame import Frame


class _Schema:
    """What pyarrow asks a schema of."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> Any:
        return self._capsule


def _from_ipc(data: bytes) -> "Table":
    return Table(pa.ipc.open_stream(data).read_all())


class Table(TableMethods):
    """Columns in memory, Arrow inside. Immutable.

    Any Arrow-aware library takes it (the PyCapsule interface), and the methods below convert. The methods of frames are here too and
    run at once.

    >>> import gristmill as gm
    >>> t = gm.from_pydict({"a": [1, 2, 3], "b": ["x", "y", "z"]}).collect()
    >>> t.filter(gm.col("a") > 1).to_pydict(), t[0], t["a"].to_pylist(), t[1:].num_rows
    ({'a': [2, 3], 'b': ['y', 'z']}, {'a': 1, 'b': 'x'}, [1, 2, 3], 2)
    """

    def __init__(self, data: Any) -> None:
        self._table = data if isinstance(data, _engine.Table) else _engine.table(data.__arrow_c_stream__())
        self._arrow: pa.Table | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_table(self, name)

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

    to_dict = to_pydict

    def rows(self) -> list[tuple[Any, ...]]:
        """A list of tuples, one a row."""
        columns = [c.to_pylist() for c in self._data.columns]
        return list(zip(*columns)) if columns else [()] * self.num_rows

    def item(self) -> Any:
        """The value of a table of one row and one column."""
        if self.shape != (1, 1):
            raise ValueError(f"item() needs one row and one column, this table has {self.num_rows} and {len(self.columns)}")
        return self._data.column(0)[0].as_py()

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

    def __getitem__(self, key: Any) -> Any:
        """A column by name, some columns by a list of names, a row (a dict) by its number, rows by a slice."""
        if isinstance(key, str):
            return self._data.column(key)
        if isinstance(key, slice):
            start, stop, step = key.indices(self.num_rows)
            part = self._data.slice(start, max(0, stop - start)) if step == 1 else self._data.take(pa.array(range(start, stop, step), pa.int64()))
            return Table(part)
        if isinstance(key, int):
            at = key + self.num_rows if key < 0 else key
            if not 0 <= at < self.num_rows:
                raise IndexError(f"no row {key} in a table of {self.num_rows}")
            return self._data.slice(at, 1).to_pylist()[0]
        if isinstance(key, (list, tuple)):
            return Table(self._data.select(list(key)))
        raise TypeError(f"a table is indexed by names, numbers and slices, not by {type(key).__name__}")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Its rows as dicts."""
        for batch in self._data.to_batches():
            yield from batch.to_pylist()

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def equals(self, other: Any, *, check_order: bool = True) -> bool:
        """Whether the other table (or Arrow data) has the same columns, types and rows; NaN equals NaN. Without check_order the rows may
        come in any order.

        >>> import gristmill as gm
        >>> a, b = gm.from_pydict({"x": [1, 2]}).collect(), gm.from_pydict({"x": [2, 1]}).collect()
        >>> a.equals(b), a.equals(b, check_order=False)
        (False, True)
        """
        if not isinstance(other, Table):
            other = Table(other)
        if self.schema != other.schema or self.num_rows != other.num_rows:
            return False
        if check_order:
            return all(_same_values(a, b) for a, b in zip(self._data.columns, other._data.columns))
        return sorted(map(repr, self.rows())) == sorted(map(repr, other.rows()))

    def to_ipc(self) -> bytes:
        """The table as an Arrow IPC stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._data.schema) as writer:
            writer.write_table(self._data)
        return sink.getvalue().to_pybytes()

    def __reduce__(self) -> tuple:
        return _from_ipc, (self.to_ipc(),)

    def __copy__(self) -> "Table":
        return self

    def __deepcopy__(self, memo: Any) -> "Table":
        return self

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
        return self._table.text(Config.get("table_rows")).rstrip("\n")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        most = Config.get("html_rows")
        schema, rows = self.schema, self.num_rows
        head = "".join(f"<th>{html.escape(f.name)}<br><small>{html.escape(_type_name(f.type))}</small></th>" for f in schema)
        if rows <= most:
            body = _html_rows(self._data)
        else:
            first = (most + 1) // 2
            body = (_html_rows(self._data.slice(0, first)) + "<tr>" + "<td>…</td>" * len(schema) + "</tr>"
                    + _html_rows(self._data.slice(rows - (most - first))))
        return (f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
                f"<small>{rows:,} row{'s' * (rows != 1)}, {len(schema)} column{'s' * (len(schema) != 1)}</small>")


_TYPE_NAMES = {"double": "float64", "float": "float32", "date32[day]": "date", "date64[ms]": "date64", "string_view": "string",
               "large_string": "string", "binary_view": "binary", "large_binary": "binary"}


def _type_name(t: pa.DataType) -> str:
    """A type as the engine's texts call it: what cast() and schema= take."""
    if pa.types.is_timestamp(t):
        return f"timestamp({t.unit},{t.tz})" if t.tz else f"timestamp({t.unit})"
    if pa.types.is_time(t) or pa.types.is_duration(t):
        return f"{'time' if pa.types.is_time(t) else 'duration'}({t.unit})"
    if pa.types.is_decimal(t):
        return f"decimal({t.precision},{t.scale})"
    if pa.types.is_struct(t):
        return f"struct<{','.join(f'{f.name}:{_type_name(f.type)}' for f in t)}>"
    if pa.types.is_map(t):
        return f"map<{_type_name(t.key_type)},{_type_name(t.item_type)}>"
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t):
        return f"list<{_type_name(t.value_type)}>"
    return _TYPE_NAMES.get(str(t), str(t))


def _html_rows(data: pa.Table) -> str:
    columns: Sequence[list[Any]] = [c.to_pylist() for c in data.columns]
    cells = ([f"<td>{'<i>null</i>' if v is None else html.escape(str(v))}</td>" for v in row] for row in zip(*columns))
    return "".join("<tr>" + "".join(row) + "</tr>" for row in cells)


def _same_values(a: pa.ChunkedArray, b: pa.ChunkedArray) -> bool:
    if a.equals(b):
        return True
    if not pa.types.is_floating(a.type) or a.null_count != b.null_count:
        return False
    import numpy as np

    return bool((a.is_null().combine_chunks() == b.is_null().combine_chunks())) and np.array_equal(a.to_numpy(), b.to_numpy(), equal_nan=True)
