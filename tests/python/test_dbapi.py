"""PEP 249: what a program that knows only the standard expects."""

from __future__ import annotations

import datetime as dt
import decimal

import pandas as pd
import pyarrow as pa
import pytest

from gristmill import dbapi


@pytest.fixture
def connection() -> dbapi.Connection:
    c = dbapi.connect()
    cursor = c.cursor()
    cursor.execute("create table trips (id bigint, zone text, fare decimal(8,2), day date, at timestamp, raw bytea)")
    cursor.executemany("insert into trips values (?, ?, ?, ?, ?, ?)", [
        (1, "A", decimal.Decimal("7.50"), dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12), b"x"), (2, None, None, None, None, None), (3, "C", 12, None, None, b"")])
    assert cursor.rowcount == 3
    return c


def test_module_globals() -> None:
    assert dbapi.apilevel == "2.0" and dbapi.threadsafety in (0, 1, 2, 3) and dbapi.paramstyle == "qmark"
    assert issubclass(dbapi.Warning, Exception) and issubclass(dbapi.Error, Exception)
    assert issubclass(dbapi.InterfaceError, dbapi.Error) and issubclass(dbapi.DatabaseError, dbapi.Error)
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"):
        assert issubclass(getattr(dbapi, name), dbapi.DatabaseError)
        assert getattr(dbapi.Connection, name) is getattr(dbapi, name)


def test_constructors_and_type_objects(connection: dbapi.Connection) -> None:
    assert dbapi.Date(2024, 2, 29) == dt.date(2024, 2, 29) and dbapi.Time(1, 2, 3) == dt.time(1, 2, 3)
    assert dbapi.Timestamp(2024, 2, 29, 1, 2, 3) == dt.datetime(2024, 2, 29, 1, 2, 3) and dbapi.Binary(b"x") == b"x"
    assert isinstance(dbapi.DateFromTicks(0), dt.date) and isinstance(dbapi.TimeFromTicks(0), dt.time) and isinstance(dbapi.TimestampFromTicks(0), dt.datetime)
    cursor = connection.cursor().execute("select id, zone, fare, day, at, raw from trips")
    types = [d[1] for d in cursor.description]
    assert types == [dbapi.NUMBER, dbapi.STRING, dbapi.NUMBER, dbapi.DATETIME, dbapi.DATETIME, dbapi.BINARY]
    assert types[0] != dbapi.STRING and types[0] != dbapi.ROWID
    assert [d[0] for d in cursor.description] == ["id", "zone", "fare", "day", "at", "raw"] and all(len(d) == 7 for d in cursor.description)
    assert cursor.description[2][4:6] == (8, 2)


def test_fetching(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("select id, zone from trips order by id")
    assert cursor.rowcount == 3 and cursor.fetchone() == (1, "A")
    assert cursor.fetchmany() == [(2, None)] and cursor.fetchmany(5) == [(3, "C")]
    assert cursor.fetchone() is None and cursor.fetchmany(2) == [] and cursor.fetchall() == []
    cursor.arraysize = 2
    cursor.execute("select id from trips order by id")
    assert cursor.fetchmany() == [(1,), (2,)] and cursor.fetchall() == [(3,)]
    assert [r for r in cursor.execute("select id from trips order by id desc")] == [(3,), (2,), (1,)]
    assert cursor.execute("select fare, day, at, raw from trips where id = ?", (1,)).fetchall() == [
        (decimal.Decimal("7.50"), dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12), b"x")]
    assert cursor.execute("select 1 as a, 2 as a").fetchall() == [(1, 2)]
    assert cursor.execute("select id from trips where id > 9").fetchall() == [] and cursor.rowcount == 0
    cursor.execute("select id from trips order by id")
    cursor.fetchone()
    assert cursor.fetch_arrow_table().equals(pa.table({"id": [2, 3]}))
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)


def test_parameters(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    assert cursor.execute("select id from trips where zone = :z", {"z": "C"}).fetchall() == [(3,)]
    assert cursor.execute("select id from trips where zone = $1 or id = $2 order by id", ("A", 2)).fetchall() == [(1,), (2,)]
    with pytest.raises(dbapi.ProgrammingError):
        cursor.execute("select ?", ())
    with pytest.raises(dbapi.InterfaceError):
        cursor.execute("select ?", (object(),))
    with pytest.raises(dbapi.ProgrammingError):
        cursor.executemany("select ?", [(1,)])


def test_statements_without_rows(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("insert into trips (id) values (4), (5)")
    assert cursor.rowcount == 2 and cursor.description is None
    with pytest.raises(dbapi.InterfaceError):
        cursor.fetchone()
    cursor.execute("drop table trips")
    assert cursor.rowcount == -1


def test_errors(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    for statement, kind in (("select nope from trips", dbapi.ProgrammingError), ("select from where", dbapi.ProgrammingError),
                            ("select 1 / (id - id) from trips", dbapi.DataError), ("select * from '/nowhere/x.parquet'", dbapi.OperationalError)):
        with pytest.raises(kind) as caught:
            cursor.execute(statement)
        assert caught.value.__cause__ is not None
    assert cursor.execute("select count(*) from trips").fetchone() == (3,)
    with pytest.raises(dbapi.NotSupportedError):
        connection.rollback()
    connection.commit()


def test_closing(connection: dbapi.Connection) -> None:
    cursor, other = connection.cursor(), connection.cursor()
    cursor.close()
    with pytest.raises(dbapi.Error):
        cursor.execute("select 1")
    assert other.execute("select 1").fetchone() == (1,)
    connection.close()
    for use in (connection.close, connection.commit, connection.cursor, lambda: other.execute("select 1")):
        with pytest.raises(dbapi.Error):
            use()


def test_the_caller_s_tables_and_pandas(connection: dbapi.Connection) -> None:
    frame = pa.table({"a": [1, 2, 3]})  # noqa: F841 - found by name
    assert connection.cursor().execute("select sum(a) from frame").fetchone() == (6,)
    with pytest.warns(UserWarning):
        out = pd.read_sql("select id, zone from trips order by id", connection)
    assert list(out["id"]) == [1, 2, 3]
