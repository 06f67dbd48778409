"""pandas: one thread by nature; strings as its Arrow-backed type."""

from __future__ import annotations

from typing import Any, Callable

import pandas as pd
import pyarrow as pa

from .engine import Engine


class Pandas(Engine):
    name = "pandas"

    def load(self, alias: str, table: pa.Table) -> None:
        setattr(self.tables, alias, table.to_pandas())

    def run(self, query: Callable[[Any], pd.DataFrame], mode: str) -> pd.DataFrame:
        return query(self.tables)

    def arrow(self, result: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(result, preserve_index=False)


ENGINE = Pandas
