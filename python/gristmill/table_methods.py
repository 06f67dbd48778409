"""The methods of frames on tables: they run at once and give tables. For more than one step lazy() is faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import hints

if TYPE_CHECKING:
    from .frame import Frame
    from .table import Table


class TableMethods:
    """Mixed into Table; each method takes what Frame's method of the same name takes."""

    def lazy(self) -> "Frame":
        raise NotImplementedError

    def filter(self, *predicates: Any, **equal: Any) -> "Table": return self.lazy().filter(*predicates, **equal).collect()
    def select(self, *exprs: Any, **named: Any) -> "Table": return self.lazy().select(*exprs, **named).collect()
    def with_columns(self, *exprs: Any, **named: Any) -> "Table": return self.lazy().with_columns(*exprs, **named).collect()
    @hints.told(hints.DROPPING)
    def drop(self, *columns: Any) -> "Table": return self.lazy().drop(*columns).collect()
    @hints.told(hints.RENAMING)
    def rename(self, names: Any) -> "Table": return self.lazy().rename(names).collect()
    def sort(self, *by: Any, **options: Any) -> "Table": return self.lazy().sort(*by, **options).collect()
    def join(self, other: "Frame | Table", *args: Any, **options: Any) -> "Table": return self.lazy().join(other, *args, **options).collect()
    def head(self, n: int = 5) -> "Table": return self.lazy().head(n).collect()
    def limit(self, n: int = 5) -> "Table": return self.head(n)
    def tail(self, n: int = 5) -> "Table": return self.lazy().tail(n).collect()
    def slice(self, offset: int, length: int | None = None) -> "Table": return self.lazy().slice(offset, length).collect()
    def reverse(self) -> "Table": return self.lazy().reverse().collect()
    def distinct(self, subset: Any = None, **options: Any) -> "Table": return self.lazy().distinct(subset, **options).collect()
    def unique(self, subset: Any = None, **options: Any) -> "Table": return self.lazy().distinct(subset, **options).collect()
    def explode(self, *columns: str) -> "Table": return self.lazy().explode(*columns).collect()
    def sample(self, n: int | None = None, **options: Any) -> "Table": return self.lazy().sample(n, **options).collect()
    def with_row_index(self, name: str = "index", offset: int = 0) -> "Table": return self.lazy().with_row_index(name, offset).collect()
    @hints.told(hints.PIVOTING)
    def pivot(self, on: str, **options: Any) -> "Table": return self.lazy().pivot(on, **options).collect()
    def unpivot(self, on: Any = None, **options: Any) -> "Table": return self.lazy().unpivot(on, **options).collect()
    def value_counts(self, column: str, **options: Any) -> "Table": return self.lazy().value_counts(column, **options).collect()
    def null_count(self) -> "Table": return self.lazy().null_count().collect()
    def drop_nulls(self, subset: Any = None) -> "Table": return self.lazy().drop_nulls(subset).collect()
    @hints.told(hints.FILLING)
    def fill_null(self, value: Any) -> "Table": return self.lazy().fill_null(value).collect()
    def top_k(self, k: int, by: Any) -> "Table": return self.lazy().top_k(k, by).collect()
    def bottom_k(self, k: int, by: Any) -> "Table": return self.lazy().bottom_k(k, by).collect()
    def describe(self, percentiles: Any = (0.25, 0.5, 0.75)) -> "Table": return self.lazy().describe(percentiles)

    def sink_parquet(self, path: Any, *args: Any, **options: Any) -> int: return self.lazy().sink_parquet(path, *args, **options)
    def sink_csv(self, path: Any, *args: Any, **options: Any) -> int: return self.lazy().sink_csv(path, *args, **options)
    def sink_ndjson(self, path: Any, *args: Any, **options: Any) -> int: return self.lazy().sink_ndjson(path, *args, **options)
    def sink_ipc(self, path: Any, *args: Any, **options: Any) -> int: return self.lazy().sink_ipc(path, *args, **options)
    def sink_postgres(self, *args: Any, **options: Any) -> int: return self.lazy().sink_postgres(*args, **options)
    def union(self, *others: "Frame | Table") -> "Table": return self.lazy().union(*others).collect()
    def cross_join(self, other: "Frame | Table", suffix: str = "_right") -> "Table": return self.lazy().cross_join(other, suffix).collect()
    def join_asof(self, other: "Frame | Table", *args: Any, **options: Any) -> "Table": return self.lazy().join_asof(other, *args, **options).collect()
    def crosstab(self, index: str, on: str, **options: Any) -> "Table": return self.lazy().crosstab(index, on, **options).collect()
    def outliers(self, columns: Any, **options: Any) -> "Table": return self.lazy().outliers(columns, **options).collect()

    def group_by(self, *keys: Any, **named: Any) -> "EagerGroupBy":
        """Groups; agg() gives a table."""
        return EagerGroupBy(self.lazy().group_by(*keys, **named))


class EagerGroupBy:
    """Rows of a table grouped by keys, waiting for agg()."""

    def __init__(self, groups: Any) -> None:
        self._groups = groups

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise hints.of_groups(self, name)

    def agg(self, *aggregates: Any, **named: Any) -> "Table":
        """One row a group: the keys, then these aggregates."""
        return self._groups.agg(*aggregates, **named).collect()


def _lazy(other: Any) -> "Frame":
    return other.lazy() if hasattr(other, "lazy") else other
