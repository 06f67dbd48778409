"""What other engines answer: DuckDB in this process, PostgreSQL as a server of the fuzz's own. Rows are compared as multisets of canonical values."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent / "servers"))

from sql_expressions import SQL_TYPES  # noqa: E402

DIGITS = 10


class Refused(Exception):
    """The judge does not answer this query."""


def canonical(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (float, Decimal)):
        if value == value.__trunc__():
            return str(value.__trunc__())
        return f"{float(value):.{DIGITS}g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return str(value.date())
    return f"'{value}'" if isinstance(value, str) else str(value)


def canonical_rows(rows: list[tuple]) -> list[tuple[str, ...]]:
    return sorted(tuple(canonical(v) for v in row) for row in rows)


def rows_of(table: pa.Table) -> list[tuple[str, ...]]:
    return canonical_rows(list(zip(*[c.to_pylist() for c in table.columns])))


class DuckDBJudge:
    name = "DuckDB"

    def answer(self, query: str, tables: dict[str, pa.Table]) -> list[tuple[str, ...]]:
        with duckdb.connect() as db:
            db.execute("set threads = 1; set integer_division = true; set order_by_non_integer_literal = true; set default_null_order = 'nulls_last_on_asc_first_on_desc'")
            for name, table in tables.items():
                db.register(name, table)
            try:
                return rows_of(db.sql(query).to_arrow_table())
            except (duckdb.Error, pa.ArrowException) as e:
                raise Refused(str(e)) from None

    def close(self) -> None:
        pass


class PostgresJudge:
    """Tables are temporary and gone with the transaction of their case."""

    name = "PostgreSQL"

    def __init__(self) -> None:
        import psycopg
        from postgres import PostgresServer

        self._errors = psycopg.Error
        self._server = PostgresServer()
        try:
            self._connection = psycopg.connect(self._server.address)
            self._connection.execute("set statement_timeout = '10s'; set jit = off")
            self._connection.commit()
        except BaseException:
            self._server.stop()
            raise

    def answer(self, query: str, tables: dict[str, pa.Table]) -> list[tuple[str, ...]]:
        cursor = self._connection.cursor()
        try:
            for name, table in tables.items():
                columns = ", ".join(f"{f.name} {SQL_TYPES[kind_of(f.type)]}" for f in table.schema)
                cursor.execute(f"create temporary table {name} ({columns}) on commit drop")
                with cursor.copy(f"copy {name} from stdin") as copy:
                    for row in zip(*[c.to_pylist() for c in table.columns]):
                        copy.write_row(row)
            return canonical_rows(cursor.execute(query).fetchall())
        except self._errors as e:
            raise Refused(str(e)) from None
        finally:
            self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
        self._server.stop()


def kind_of(dtype: pa.DataType) -> str:
    if pa.types.is_boolean(dtype):
        return "bool"
    if pa.types.is_integer(dtype):
        return "int"
    if pa.types.is_decimal(dtype):
        return "dec"
    if pa.types.is_date(dtype):
        return "date"
    return "float" if pa.types.is_floating(dtype) else "text"
