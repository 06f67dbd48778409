"""Writing into a real PostgreSQL: types, modes, order, all or nothing, errors that name the row, a server that dies; transactions."""

from __future__ import annotations

import datetime as dt
import math
import random
import threading
import time
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest
from postgres import PostgresServer

import gristmill as gm

SEED = 4711
UTC = dt.timezone.utc


def odd_table(rows: int, seed: int) -> pa.Table:
    rng = random.Random(seed)
    print("seed", seed)
    times = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(2000, 1, 1)]
    texts = ["", "a", "twelve bytes", "thirteen byte", "žluťoučký 🐴", "x" * 5000, 'quo"te\\', "tab\t\nline"]
    floats = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 0.1]
    columns = {
        "b": (pa.bool_(), [True, False]), "i8": (pa.int8(), [-128, 127, 0]), "i16": (pa.int16(), [-32768, 32767]),
        "i32": (pa.int32(), [-(2**31), 2**31 - 1]), "i64": (pa.int64(), [-(2**63), 2**63 - 1, 0]), "u8": (pa.uint8(), [0, 255]),
        "u16": (pa.uint16(), [0, 65535]), "u32": (pa.uint32(), [0, 2**32 - 1]), "u64": (pa.uint64(), [0, 2**64 - 1, 10**19]),
        "f32": (pa.float32(), [0.5, math.inf, math.nan, -0.0]), "f64": (pa.float64(), floats),
        "d": (pa.decimal128(20, 5), [Decimal("0.00001"), Decimal("-123456789012345.67890"), Decimal("10000"), Decimal(0)]),
        "d38": (pa.decimal128(38, 0), [Decimal(10**38 - 1), Decimal(-(10**38) + 1)]),
        "s": (pa.string(), texts), "ls": (pa.large_string(), texts), "y": (pa.binary(), [b"", b"\x00\xff", b"z" * 3000]),
        "day": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1970, 1, 1)]),
        "tm": (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999999)]), "ts": (pa.timestamp("us"), times),
        "tss": (pa.timestamp("s"), [t.replace(microsecond=0) for t in times]), "tz": (pa.timestamp("ms", "UTC"), [dt.datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]),
        "dur": (pa.duration("us"), [dt.timedelta(days=-400, microseconds=1), dt.timedelta(0)]),
        "li": (pa.list_(pa.int32()), [[], [1, None, -3], None]), "lt": (pa.list_(pa.string()), [["", None, "longer than twelve bytes"], []]),
        "ld": (pa.list_(pa.decimal128(6, 2)), [[Decimal("1.25"), None]]), "nothing": (pa.null(), [None]),
    }
    data = {n: pa.array([None if rng.random() < 0.2 else rng.choice(v) for _ in range(rows)], type=t) for n, (t, v) in columns.items()}
    data["dict"] = pa.array([rng.choice(["red", "green", None]) for _ in range(rows)]).dictionary_encode()
    return pa.table({"id": pa.array(range(rows), pa.int64()), **data})


def plain(value: object) -> object:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(UTC)
    return [plain(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("workers, batch, chunk", [(1, 0, 0), (2, 13, 50), (8, 1, 7), (3, 100, 0)])
def test_every_type_comes_back(server: PostgresServer, workers: int, batch: int, chunk: int) -> None:
    table = odd_table(700, SEED)
    rows = gm.from_arrow(table).sink_postgres(server.uri, "public.sunk", mode="replace", num_workers=workers, batch_rows=batch, chunk_rows=chunk,
                                              min_parallel_rows=0)
    assert rows == 700
    got = server.sql("select * from sunk")  # no order by: rows lie as they were sent
    for i, name in enumerate(table.column_names):
        assert [plain(r[i]) for r in got] == [plain(v) for v in table[name].to_pylist()], name
    kinds = dict(server.sql("select attname::text, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'sunk'::regclass and attnum > 0"))
    assert kinds["u64"] == "numeric(20,0)" and kinds["ld"] == "numeric(6,2)[]" and kinds["u8"] == "smallint" and kinds["dur"] == "interval"
    back = gm.scan_postgres(server.uri, "select * from sunk").drop("dur", "nothing") if False else gm.scan_postgres(server.uri, "select id, f64, d38, li, s from sunk")
    assert plain(back.collect().to_pydict()["f64"]) == plain(table["f64"].to_pylist())


def test_a_large_table_keeps_its_order_under_a_memory_limit(server: PostgresServer) -> None:
    n = 400_000
    frame = gm.from_arrow(pa.table({"id": pa.array(range(n)), "t": pa.array([f"some text number {i}" for i in range(n)])}))
    assert frame.sink_postgres(server.uri, "large", mode="fail", num_workers=3, memory_limit=96 << 20) == n
    assert server.sql("select count(*), sum(id), bool_and(t = 'some text number ' || id) from large") == [(n, n * (n - 1) // 2, True)]
    assert server.sql("select count(*) from (select id, lag(id) over (order by ctid) as before from large) x where before > id") == [(0,)]


def test_floats_go_to_numeric_as_the_server_casts_them(server: PostgresServer) -> None:
    rng = random.Random(SEED)
    values = [rng.uniform(-1, 1) * 10 ** rng.randint(-14, 15) for _ in range(3000)]
    values += [0.0, -0.0, 5e-16, 4.99999999999999e-16, 1e-15, 0.1, 2.5, 999999999999999.9, 1e17, 123456789012345678.0, 1 / 3]
    server.sql("create table cast_numbers (id int, n numeric(33,15), u numeric, x float8)")
    frame = gm.from_arrow(pa.table({"id": pa.array(range(len(values)), pa.int32()), "n": values, "u": values, "x": values}))
    frame.sink_postgres(server.uri, "cast_numbers")
    assert server.sql("select id, x, n, x::numeric(33,15) from cast_numbers where n::text <> x::numeric(33,15)::text") == []
    assert server.sql("select id, x, u, x::numeric from cast_numbers where u <> x::numeric") == []
    gm.from_pydict({"u": [math.nan, math.inf, -math.inf]}).sink_postgres(server.uri, "cast_numbers")
    assert server.sql("select array_agg(u::text order by u) from cast_numbers where u::text ~ 'N|I'") == [(["-Infinity", "Infinity", "NaN"],)]


def test_conversions_to_the_columns_that_are_there(server: PostgresServer) -> None:
    server.sql("create type hue as enum ('red', 'blue')")
    server.sql("create domain short as varchar(5) check (value <> 'never')")
    server.sql("create table there (n2 smallint, n8 bigint, r real, q numeric(5,1), u uuid, j json, jb jsonb, h hue, s short, hs hue[], us uuid[], made text default 'x', "
               "\"Odd Name\"\"s\" text)")
    frame = gm.from_arrow(pa.table({
        "n8": pa.array([7], pa.uint64()), "n2": pa.array([-5], pa.int64()), "r": pa.array([0.1], pa.float64()), "q": pa.array([1234], pa.int32()),
        "u": ["a0eebc99-9C0B4ef8bb6d6bb9bd380a11"], "j": ['{"a" : 1}'], "jb": ['{"a" : 1}'], "h": ["blue"], "s": ["abcde"], "hs": [["red", None]],
        "us": [["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]], 'Odd Name"s': ["y"]}))
    frame.sink_postgres(server.uri, '"public"."there"')
    assert server.sql("select n2, n8, r::text, q::text, u::text, j::text, jb::text, h, s, hs::text, us::text, made, \"Odd Name\"\"s\" from there") == [
        (-5, 7, "0.1", "1234.0", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"a" : 1}', '{"a": 1}', "blue", "abcde", "{red,NULL}",
         "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "x", "y")]


BAD = [
    (pa.string(), "text", "a\0b", "NUL"), (pa.uint64(), "bigint", 2**63, "bigint"), (pa.int64(), "smallint", 32768, "smallint"),
    (pa.int64(), "double precision", 2**53 + 1, "double precision"), (pa.decimal128(20, 2), "numeric(5,2)", Decimal("1000.00"), r"numeric\(5,2\)"),
    (pa.float64(), "numeric(33,15)", 1e18, r"numeric\(33,15\)"), (pa.float64(), "numeric(5,2)", math.inf, "numeric"), (pa.float64(), "real", 1e39, "real"),
    (pa.timestamp("ns"), "timestamp", 1001, "microseconds"), (pa.timestamp("s"), "timestamp", -(2**62) // 10**6, "outside"),
    (pa.date32(), "date", -2_500_000, "outside"), (pa.string(), "uuid", "a0eebc99-9c0b", "no uuid"), (pa.list_(pa.string()), "text[]", ["a\0"], "NUL"),
    (pa.time64("us"), "time", 86_400_000_001, "time of day"),
]


@pytest.mark.parametrize("kind, column, bad, said", BAD)
def test_what_postgres_cannot_hold_names_row_column_and_value(server: PostgresServer, kind: pa.DataType, column: str, bad: object, said: str) -> None:
    server.sql("drop table if exists holds")
    server.sql(f"create table holds (id integer, x {column})")
    server.sql("insert into holds values (-1, null)")
    physical = {pa.timestamp("ns"): pa.int64(), pa.timestamp("s"): pa.int64(), pa.date32(): pa.int32(), pa.time64("us"): pa.int64()}.get(kind)
    values = [None] * 1000
    values[613] = bad
    values[800] = bad
    x = pa.array(values, physical or kind)
    frame = gm.from_arrow(pa.table({"id": pa.array(range(1000), pa.int32()), "x": x.view(kind) if physical else x}))
    for workers, batch in [(1, 0), (4, 10)]:
        with pytest.raises(gm.DataError, match=said) as failed:
            frame.sink_postgres(server.uri, "holds", mode="replace", num_workers=workers, batch_rows=batch, chunk_rows=batch * 2, min_parallel_rows=0)
        assert (failed.value.row, failed.value.column) == (613, "x") and failed.value.value
    assert server.sql("select * from holds") == [(-1, None)]


def test_the_first_error_is_the_servers_when_its_row_comes_first(server: PostgresServer) -> None:
    server.sql("create table first_error (id integer not null check (id <> 150), x smallint)")
    frame = gm.from_arrow(pa.table({"id": pa.array(range(3000), pa.int32()), "x": pa.array([70000 if i == 2900 else 1 for i in range(3000)])}))
    for workers, batch in [(1, 0), (4, 10)]:
        settings = dict(num_workers=workers, batch_rows=batch, chunk_rows=batch * 2, min_parallel_rows=0)
        with pytest.raises(gm.DataError, match="SQLSTATE 23514") as failed:
            frame.sink_postgres(server.uri, "first_error", **settings)
        assert failed.value.row == 150
        with pytest.raises(gm.DataError, match="smallint") as failed:
            frame.filter(gm.col("id") > 150).sink_postgres(server.uri, "first_error", **settings)
        assert failed.value.row == 2900
        bad = frame.with_columns((gm.lit(1) // (gm.col("id") - 2000)).cast(pa.int16()).alias("x"))
        with pytest.raises(gm.DataError, match="SQLSTATE 23514"):
            bad.sink_postgres(server.uri, "first_error", **settings)
        with pytest.raises(gm.DataError, match="zero"):
            bad.filter(gm.col("id") > 150).sink_postgres(server.uri, "first_error", **settings)
    assert server.sql("select count(*) from first_error") == [(0,)]


def test_modes(server: PostgresServer) -> None:
    two = gm.from_pydict({"id": [1, 2], "t": ["a", "b"]})
    with pytest.raises(gm.IoError, match='no table "modes"') as failed:
        two.sink_postgres(server.uri, "modes")
    assert "create" in failed.value.hint
    assert two.sink_postgres(server.uri, "modes", mode="fail") == 2
    with pytest.raises(gm.IoError, match="exists already"):
        two.sink_postgres(server.uri, "modes", mode="fail")
    two.sink_postgres(server.uri, "modes", mode="create")
    two.sink_postgres(server.uri, "modes")
    assert server.sql("select count(*) from modes") == [(6,)]
    server.sql("create index modes_id on modes (id)")
    two.sink_postgres(server.uri, "modes", mode="replace")
    assert server.sql("select * from modes") == [(1, "a"), (2, "b")]
    assert server.sql("select count(*) from pg_indexes where tablename = 'modes'") == [(1,)]
    assert two.filter(gm.col("id") > 5).sink_postgres(server.uri, "modes", mode="replace") == 0
    assert server.sql("select * from modes") == []
    with pytest.raises(ValueError, match="unknown mode"):
        two.sink_postgres(server.uri, "modes", mode="overwrite")
    with pytest.raises(gm.PlanError, match='no column "idd".*did you mean "id"'):
        two.rename({"id": "idd"}).sink_postgres(server.uri, "modes")
    with pytest.raises(gm.PlanError, match='"id" of type bool cannot be written to bigint'):
        two.with_columns((gm.col("id") > 1).alias("id")).sink_postgres(server.uri, "modes")
    with pytest.raises(gm.PlanError, match="to_json"):
        gm.from_pydict({"s": [{"a": 1}]}).sink_postgres(server.uri, "structs", mode="create")
    with pytest.raises(gm.PlanError, match="no name of a table"):
        two.sink_postgres(server.uri, 'a"b')
    with pytest.raises(gm.IoError, match='schema "nowhere" does not exist'):
        two.sink_postgres(server.uri, "nowhere.t", mode="create")


def test_upsert_replaces_by_key_and_the_last_row_counts(server: PostgresServer) -> None:
    server.sql("create table kept (a int, b text, v int, untouched text default 'new', unique (a, b))")
    server.sql("insert into kept values (1, 'x', 10, 'old'), (2, 'x', 20, 'old'), (1, null, 30, 'old')")
    frame = gm.from_pydict({"b": ["x", "y", "x", None, "y"], "a": [1, 1, 1, 1, 3], "v": [11, 12, 13, 14, 15]})
    assert frame.sink_postgres(server.uri, "kept", mode="upsert", key=["a", "b"]) == 5
    assert server.sql("select * from kept order by a, b, v") == [
        (1, "x", 13, "old"), (1, "y", 12, "new"), (1, None, 14, "new"), (1, None, 30, "old"), (2, "x", 20, "old"), (3, "y", 15, "new")] or \
        sorted(map(str, server.sql("select * from kept"))) == sorted(map(str, [
            (1, "x", 13, "old"), (1, "y", 12, "new"), (1, None, 14, "new"), (1, None, 30, "old"), (2, "x", 20, "old"), (3, "y", 15, "new")]))
    with pytest.raises(gm.IoError, match="SQLSTATE 42P10"):
        frame.sink_postgres(server.uri, "kept", mode="upsert", key="a")
    with pytest.raises(gm.PlanError, match="go together"):
        frame.sink_postgres(server.uri, "kept", mode="upsert")


def test_a_server_that_dies_leaves_nothing_half_written() -> None:
    own = PostgresServer()
    try:
        own.sql("create table target (id bigint, t text)")
        own.sql("insert into target values (-1, 'before')")
        failure: list[BaseException] = []
        started = threading.Event()

        def batches() -> "pa.RecordBatchReader":
            schema = pa.schema({"id": pa.int64(), "t": pa.string()})

            def make():
                for i in range(2000):
                    if i == 20:
                        started.set()
                    if i > 20:
                        time.sleep(0.002)
                    yield pa.record_batch({"id": pa.array(range(i * 1000, i * 1000 + 1000)), "t": ["x" * 100] * 1000}, schema=schema)

            return pa.RecordBatchReader.from_batches(schema, make())

        def work() -> None:
            try:
                with gm.PostgresTransaction(own.uri) as tx:
                    failure.append(tx)  # type: ignore[arg-type]
                    tx.copy("target", batches())
            except BaseException as e:  # noqa: BLE001
                failure.append(e)

        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        own.kill()
        thread.join(60)
        assert isinstance(failure[1], gm.IoError) and "PostgreSQL" in str(failure[1]), failure
        assert failure[0].retry_safe  # type: ignore[attr-defined]
        own.start()
        assert own.sql("select * from target") == [(-1, "before")]

        slow = gm.from_pydict({"id": list(range(300_000))}).with_columns(gm.lit("x" * 300).alias("t"))
        killer = threading.Timer(0.15, own.kill)
        killer.start()
        with pytest.raises(gm.IoError):
            for _ in range(200):
                slow.sink_postgres(own.uri, "target")
        killer.join()
        own.start()
        count = own.sql("select count(*) from target where id >= 0")[0][0]
        assert count % 300_000 == 0
    finally:
        own.stop()


def test_cancelling_a_sink_leaves_nothing(server: PostgresServer) -> None:
    server.sql("create table untouched (id bigint)")
    frame = gm.from_pydict({"id": list(range(200_000))})
    with psycopg.connect(server.address) as other:
        other.execute("lock table untouched in access exclusive mode")
        with pytest.raises(gm.TimeoutError):
            frame.sink_postgres(server.uri, "untouched", options=gm.ParallelOptions(timeout=0.3))
    assert server.sql("select count(*) from untouched") == [(0,)]


# Transactions


def test_a_transaction_is_all_or_nothing(server: PostgresServer) -> None:
    server.sql("create table account (id int primary key, v numeric(33,15), note text default 'none')")
    with gm.PostgresTransaction(server.uri) as tx:
        assert tx.execute("insert into account (id, v) values ($1, $2), ($3, null)", [1, "2.5", 2]).affected == 2
        assert tx.copy("account", gm.from_pydict({"id": [3, 4], "v": [0.1, None]})) == 2
        assert tx.execute("select v::text, note from account order by id").rows == [
            ["2.500000000000000", "none"], [None, "none"], ["0.100000000000000", "none"], [None, "none"]]
        assert server.sql("select count(*) from account") == [(0,)]
    assert server.sql("select count(*) from account") == [(4,)]
    assert not tx.retry_safe
    with pytest.raises(gm.PlanError, match="has ended"):
        tx.execute("select 1")

    with pytest.raises(ZeroDivisionError), gm.PostgresTransaction(server.uri) as tx:
        tx.execute("delete from account")
        raise ZeroDivisionError
    tx = gm.PostgresTransaction(server.uri)
    assert tx.execute("select 1 as a, 2 as b; delete from account where id = 1; select 3 as c where false").columns == ["c"]
    assert tx.execute("select 1 as a; select 'x' as b, null as c, '' as d").rows == [["x", None, ""]]
    assert tx.execute("select 1; delete from account") == (3, [], [])
    del tx
    time.sleep(0.1)
    assert server.sql("select count(*) from account") == [(4,)]


def test_errors_of_a_transaction(server: PostgresServer) -> None:
    server.sql("create table strict (id int primary key, t varchar(3), d int references strict deferrable initially deferred)")
    tx = gm.PostgresTransaction(server.uri)
    with pytest.raises(gm.DataError, match="SQLSTATE 23505") as failed:
        tx.copy("strict", gm.from_pydict({"id": [5, 6, 5]}))
    assert failed.value.row is not None and tx.retry_safe
    with pytest.raises(gm.PlanError, match="has failed"):
        tx.execute("select 1")
    with pytest.raises(gm.PlanError, match="has failed"):
        tx.commit()
    tx.rollback()
    for data, message, row, column in [
        ({"id": [1, None]}, "SQLSTATE 23502", 1, None), ({"id": [1, 2], "t": ["abc", "abcd"]}, "SQLSTATE 22001", 1, "t"),
        ({"id": [1, 2**40]}, "does not fit integer", 1, "id"), ({"id": [1], "t": ["\0"]}, "NUL", 0, "t")]:
        tx = gm.PostgresTransaction(server.uri)
        with pytest.raises(gm.DataError, match=message) as failed:
            tx.copy("strict", gm.from_pydict(data))
        assert failed.value.row == row and (column is None or failed.value.column == column)
        tx.rollback()
    tx = gm.PostgresTransaction(server.uri)
    tx.execute("insert into strict values (1, 'a', 99)")
    with pytest.raises(gm.DataError, match="SQLSTATE 23503"):
        tx.commit()
    assert tx.retry_safe, "the server said that it undid everything"
    tx = gm.PostgresTransaction(server.uri)
    with pytest.raises(gm.PlanError, match="ended the PostgreSQL transaction"):
        tx.execute("commit")
    with pytest.raises(gm.IoError, match="SQLSTATE 42601"):
        gm.PostgresTransaction(server.uri).execute("selekt")
    with pytest.raises(gm.DataError, match="NUL"):
        gm.PostgresTransaction(server.uri).execute("select $1", ["a\0"])
    with pytest.raises(gm.PlanError, match="COPY"):
        gm.PostgresTransaction(server.uri).execute("copy strict to stdout")
    with pytest.raises(gm.IoError, match="too many rows"):
        gm.PostgresTransaction(server.uri).execute("select generate_series(1, 1100000)")
    assert server.sql("select count(*) from strict") == [(0,)]


def test_advisory_locks_hold_until_the_end(server: PostgresServer) -> None:
    first, second = gm.PostgresTransaction(server.uri), gm.PostgresTransaction(server.uri)
    first.lock("source/2025-10")
    first.lock(77)
    assert not second.try_lock("source/2025-10") and not second.try_lock(77) and second.try_lock("source/2025-11")
    taken = threading.Event()
    waiter = threading.Thread(target=lambda: (second.lock("source/2025-10"), taken.set()))
    waiter.start()
    assert not taken.wait(0.3)
    first.rollback()
    assert taken.wait(10)
    waiter.join()
    second.commit()


def test_a_long_wait_can_be_interrupted(server: PostgresServer) -> None:
    import signal

    def late(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            gm.PostgresTransaction(server.uri).execute("select pg_sleep(60)")
        assert time.monotonic() - begin < 20
    finally:
        signal.signal(signal.SIGALRM, before)
