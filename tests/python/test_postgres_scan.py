"""Reading from a real PostgreSQL: types, ranges under one snapshot, pushdown, errors, a server that dies."""

from __future__ import annotations

import datetime as dt
import json
import random
import threading
import time
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from postgres import PASSWORD, PostgresServer

import gristmill as gm

SEED = 20260
UTC = dt.timezone.utc

# Column -> (type, odd values as SQL, Arrow type).
TYPES: dict[str, tuple[str, list[str], pa.DataType]] = {
    "b": ("boolean", ["true", "false"], pa.bool_()),
    "i2": ("smallint", ["-32768", "32767", "0"], pa.int16()),
    "i4": ("integer", ["-2147483648", "2147483647", "-1"], pa.int32()),
    "i8": ("bigint", ["-9223372036854775808", "9223372036854775807", "0"], pa.int64()),
    "f4": ("real", ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1.17549435e-38", "3.4028235e38", "0.1"], pa.float32()),
    "f8": ("double precision", ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "5e-324", "1.7976931348623157e308", "0.1"], pa.float64()),
    "n": ("numeric(12,4)", ["0", "-0.0001", "99999999.9999", "-99999999.9999", "10000", "0.1000", "1234.5", "10000.0001"], pa.decimal128(12, 4)),
    "n38": ("numeric(38,10)", ["9999999999999999999999999999.9999999999", "-1e-10", "1e27", "100000000"], pa.decimal128(38, 10)),
    "n1": ("numeric(38,1)", ["9999999999999999999999999999999999999.9", "-9999999999999999999999999999999999999.5"], pa.decimal128(38, 1)),
    "nn": ("numeric", ["'NaN'", "'Infinity'", "'-Infinity'", "0", "0.00", "1e50", "-1e-50", "12345678901234567890.12345678901234567890", "10000", "0.0001"],
           pa.string()),
    "t": ("text", ["''", "'a'", "'twelve bytes'", "'thirteen byte'", "'žluťoučký kůň 🐴'", "repeat('long ', 2000)", "E'tab\\tnew\\nline\\\\'"], pa.string()),
    "v": ("varchar(20)", ["'x  '", "''"], pa.string()),
    "c": ("char(5)", ["'ab'", "''"], pa.string()),
    "nm": ("name", ["'pg_class'"], pa.string()),
    "qc": ('"char"', ["'x'"], pa.string()),
    "y": ("bytea", ["''", "'\\x00ff00'", "decode(repeat('ab', 5000), 'hex')"], pa.binary()),
    "d": ("date", ["'0001-01-01'", "'9999-12-31'", "'1970-01-01'", "'1969-12-31'", "'2000-02-29'"], pa.date32()),
    "tm": ("time", ["'00:00'", "'23:59:59.999999'", "'12:34:56.000001'"], pa.time64("us")),
    "ts": ("timestamp", ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'", "'2000-01-01'"], pa.timestamp("us")),
    "tz": ("timestamptz", ["'0001-01-01 00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'2024-03-31 02:30+01'"], pa.timestamp("us", "UTC")),
    "u": ("uuid", ["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], pa.string()),
    "j": ("json", ["'{\"a\" :  1}'", "'null'", "'[]'"], pa.string()),
    "jb": ("jsonb", ["'{\"b\": [1, 2], \"a\" : \"\\u00e9\"}'", "'1e3'", "'null'"], pa.string()),
    "e": ("mood", ["'sad'", "'very happy indeed'"], pa.string()),
    "dm": ("positive", ["1", "77"], pa.int32()),
    "o": ("oid", ["0", "4294967295"], pa.uint32()),
    "ai": ("integer[]", ["'{}'", "'{1,NULL,-3}'", "'[0:1]={5,6}'"], pa.list_(pa.int32())),
    "at": ("text[]", ["'{}'", "array['', null, 'longer than twelve bytes']"], pa.list_(pa.string())),
    "an": ("numeric(6,2)[]", ["'{1.25,-9999.99,NULL}'"], pa.list_(pa.decimal128(6, 2))),
    "ae": ("mood[]", ["array['sad']::mood[]"], pa.list_(pa.string())),
    "ab": ("boolean[]", ["'{t,f,NULL}'"], pa.list_(pa.bool_())),
    "ats": ("timestamptz[]", ["array['2024-01-01 00:00+00'::timestamptz, null]"], pa.list_(pa.timestamp("us", "UTC"))),
}


@pytest.fixture(scope="module")
def odd(server: PostgresServer) -> PostgresServer:
    rng = random.Random(SEED)
    print("seed", SEED)
    server.sql("create type mood as enum ('sad', 'very happy indeed')")
    server.sql("create domain positive as integer check (value > 0)")
    server.sql("create table odd (id integer, " + ", ".join(f"{n} {t}" for n, (t, _, _) in TYPES.items()) + ")")
    rows = []
    for i in range(400):
        values = ["null" if rng.random() < 0.2 else f"({rng.choice(v)})::{t}" for n, (t, v, _) in TYPES.items()]
        rows.append(f"({i}, {', '.join(values)})")
    server.sql("insert into odd values " + ", ".join(rows))
    return server


def plain(value: object) -> object:
    """A value as both sides can be compared: NaN by text, times in UTC."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def wanted(server: PostgresServer, table: str, columns: list[str], order: str = "id") -> dict[str, list]:
    """What psycopg reads; what it turns into objects of its own comes as text."""
    as_text = {"nn", "u", "j", "jb", "e", "c", "v", "nm", "qc"}
    select = ", ".join(f'"{c}"::text' if c in as_text else f'"{c}"::text[]' if c == "ae" else f'"{c}"::float8' if c == "f4" else f'"{c}"' for c in columns)
    rows = server.sql(f"select {select} from {table} order by {order}")
    out = {c: [plain(r[i]) for r in rows] for i, c in enumerate(columns)}
    if "c" in out:  # a cast to text strips what char(n) pads
        out["c"] = [None if v is None else v.ljust(5) for v in out["c"]]
    return out


def test_every_type_with_odd_values(odd: PostgresServer) -> None:
    columns = list(TYPES)
    expected = wanted(odd, "odd", columns)
    frame = gm.scan_postgres(odd.uri, "select * from odd order by id").select(*columns)
    assert frame.schema.types == [t for _, _, t in TYPES.values()]
    for workers, batch in [(1, 0), (2, 7), (8, 1)]:
        got = frame.collect(num_workers=workers, batch_rows=batch, chunk_rows=batch * 3, min_parallel_rows=0).to_pydict()
        for c in columns:
            assert [plain(v) for v in got[c]] == expected[c], (c, workers, batch)


def test_unbounded_numeric_as_float(odd: PostgresServer) -> None:
    got = gm.read_postgres(odd.uri, "select nn from odd order by id", unbounded_numeric="float64").to_pydict()["nn"]
    assert [plain(v) for v in got] == wanted(odd, "(select id, nn::float8 as x from odd) q", ["x"])["x"]
    with pytest.raises(gm.PlanError, match="unbounded_numeric"):
        gm.scan_postgres(odd.uri, "select 1", unbounded_numeric="decimal").schema


@pytest.mark.parametrize("value, said", [
    ("'infinity'::date", "infinity"), ("'-infinity'::timestamp", "-infinity"), ("'NaN'::text end)::numeric(5,2", "NaN"),
    ("array[[1,2],[3,4]]", "2 dimensions"), ("'24:00'::time", "24:00:00"), ("array['infinity'::timestamptz]", "infinity"),
])
def test_a_value_without_a_counterpart_is_named(server: PostgresServer, value: str, said: str) -> None:
    query = f"select i as id, (case when i = 777 then {value} end) as x from generate_series(0, 2000) i order by i"
    query = query.replace("(5,2 end)", "(5,2)")
    for workers, chunk in [(1, 0), (3, 100)]:
        with pytest.raises(gm.DataError) as failed:
            gm.scan_postgres(server.uri, query).collect(num_workers=workers, chunk_rows=chunk, min_parallel_rows=0)
        assert said in str(failed.value) and failed.value.row == 777 and failed.value.column == "x"


def test_types_that_are_not_carried_are_refused_by_name(server: PostgresServer) -> None:
    for kind in ["interval '1 month'", "point '(1,2)'", "inet '10.0.0.1'", "row(1,2)", "'1 12:00'::timetz", "tsvector 'a'"]:
        with pytest.raises(gm.PlanError, match='"x"') as failed:
            gm.scan_postgres(server.uri, f"select {kind.replace(chr(39) + '1 12:00' + chr(39), chr(39) + '12:00' + chr(39))} as x").schema
        assert failed.value.hint
    with pytest.raises(gm.PlanError, match='named "a"'):
        gm.scan_postgres(server.uri, "select 1 as a, 2 as a").schema


@pytest.fixture(scope="module")
def numbers(server: PostgresServer) -> PostgresServer:
    server.sql("create table numbers as select i as id, (i * 7919) % 1000 as k, 'name of ' || i as name, "
               "timestamptz '2024-01-01 00:00+00' + i * interval '61 seconds' as at, date '2024-01-01' + i / 40 as day from generate_series(1, 24000) i")
    server.sql("insert into numbers values (null, 5, 'no key', null, null), (null, 6, null, null, null)")
    server.sql("update numbers set at = 'infinity' where id = 24000")
    server.sql("analyze numbers")
    return server


@pytest.mark.parametrize("key", ["id", "k", "at", "day"])
def test_ranges_are_all_rows_in_the_order_of_the_key(numbers: PostgresServer, key: str) -> None:
    query = "select id, k, name, case when isfinite(at) then at end as at, day from numbers"
    columns = ["id", "name"]
    expected = sorted(map(str, numbers.sql("select id, name from numbers")))
    first = None
    for workers, parts in [(1, 5), (2, 5), (8, 5), (3, 1)]:
        table = gm.scan_postgres(numbers.uri, query, partition_on=key, partitions=parts).collect(num_workers=workers)
        got = table.to_pydict()
        rows = list(zip(*(got[c] for c in columns)))
        assert sorted(map(str, rows)) == expected
        if parts == 5:
            first = first or rows
            assert rows == first, "the same order at any number of workers"
    assert None not in got[key][:-3]


def test_infinite_keys_are_read_too(numbers: PostgresServer) -> None:
    frame = gm.scan_postgres(numbers.uri, "select id, at::text as text, at from numbers", partition_on="at", partitions=4).select("id", "text")
    assert frame.filter(gm.col("text") == "infinity").collect().to_pydict()["id"] == [24000]
    assert frame.select(gm.count()).collect().to_pydict() == {"count": [24002]}


def test_parallel_ranges_see_one_snapshot_while_rows_change(server: PostgresServer) -> None:
    server.sql("create table moving as select i as id, 100 as amount from generate_series(1, 20000) i")
    stop = threading.Event()

    def move() -> None:
        rng = random.Random(SEED)
        with psycopg.connect(server.address, autocommit=True) as c:
            while not stop.is_set():  # the sum stays, wherever one looks
                a, b = rng.randint(1, 20000), rng.randint(1, 20000)
                c.execute("update moving set amount = amount + case when id = %s then 1 else 0 end - case when id = %s then 1 else 0 end where id in (%s, %s)",
                          (a, b, a, b))

    threads = [threading.Thread(target=move) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(8):
            frame = gm.scan_postgres(server.uri, "select * from moving", partition_on="id", partitions=6)
            got = frame.select(gm.col("amount").sum(), gm.count(), gm.col("id").sum().alias("ids")).collect().to_pylist()
            assert got == [{"amount": 2_000_000, "count": 20000, "ids": 200_010_000}]
    finally:
        stop.set()
        for t in threads:
            t.join()


def statements(server: PostgresServer) -> list[str]:
    return [line for line in (server.folder / "log").read_text().splitlines() if "LOG:  statement: copy (select" in line]


def test_only_the_columns_and_rows_that_are_wanted_are_asked_for(numbers: PostgresServer) -> None:
    numbers.sql("alter system set log_statement = 'all'")
    numbers.sql("select pg_reload_conf()")
    time.sleep(0.3)
    try:
        before = len(statements(numbers))
        frame = gm.scan_postgres(numbers.uri, "select * from numbers -- a comment at the end\n;")
        assert frame.select("k").head(3).collect().num_rows == 3
        assert frame.filter(gm.col("k") == 5).select("k").head(3).collect().num_rows == 3
        assert frame.select(gm.count()).collect().to_pydict() == {"count": [24002]}
        limited, filtered, counted = (s.split("copy (select")[1] for s in statements(numbers)[before:])
        assert limited.startswith(' "k" from') and "limit 3" in (numbers.folder / "log").read_text()
        assert filtered.startswith(' "k" from') and counted.startswith("  from")
    finally:
        numbers.sql("alter system reset log_statement")
        numbers.sql("select pg_reload_conf()")


def test_the_result_is_never_whole_in_memory(numbers: PostgresServer) -> None:
    query = "select i as id, repeat('x', 1000) as text from generate_series(1, 200000) i"  # 200 MB
    out = gm.scan_postgres(numbers.uri, query).select(gm.col("text").str.octet_length().sum().alias("bytes")).collect(memory_limit=64 << 20)
    assert out.to_pydict() == {"bytes": [200_000_000]}
    assert out.get_stats().get("peak_memory_bytes", 0) < 64 << 20


def test_a_query_left_early_ends_at_the_server(numbers: PostgresServer) -> None:
    batches = gm.scan_postgres(numbers.uri, "select a.id, pg_sleep(case when a.k = 0 then 0.01 else 0 end)::text as s from numbers a, numbers b").collect_batches(chunk_rows=1000)
    next(batches)
    batches.close()
    for _ in range(100):
        busy = numbers.sql("select count(*) from pg_stat_activity where query like 'copy (select%%'")
        if busy == [(0,)]:
            return
        time.sleep(0.05)
    raise AssertionError("the statement still runs")


def test_what_is_wrong_is_said_without_the_password(server: PostgresServer) -> None:
    secret = "hunter2-sesame"
    with pytest.raises(gm.IoError, match="password authentication failed") as failed:
        gm.scan_postgres(f"host={server.socket} user=reader dbname=postgres password={secret}", "select 1").schema
    assert secret not in str(failed.value)
    with pytest.raises(gm.IoError, match="cannot connect .*nowhere.invalid"):
        gm.scan_postgres(f"postgresql://u:{secret}@nowhere.invalid:1/db?connect_timeout=3", "select 1").schema
    with pytest.raises(gm.IoError, match='relation "nope" does not exist .SQLSTATE 42P01'):
        gm.scan_postgres(server.uri, "select * from nope").schema
    with pytest.raises(gm.IoError, match='database "nope" does not exist'):
        gm.scan_postgres(f"host={server.socket} user=postgres dbname=nope", "select 1").schema
    for broken in [f"postgresql://u:{secret}%zz@h/db", f"postgresql://u:x@{secret}@h/db", f"host=h passw ord {secret}", f"mysql://u:{secret}@h/db",
                   f"postgresql://u:{secret}/@h:port/db"]:
        with pytest.raises((gm.PlanError, gm.IoError)) as failed:
            gm.scan_postgres(broken, "select 1").schema
        assert secret not in str(failed.value) and secret not in repr(failed.value.__dict__), broken
    with pytest.raises(gm.PlanError, match="empty"):
        gm.scan_postgres(server.uri, " ; ").schema
    with pytest.raises(gm.PlanError, match="gives no rows"):
        gm.scan_postgres(server.uri, "create table never (a int)").schema
    with pytest.raises(gm.PlanError, match="no column \"idd\""):
        gm.scan_postgres(server.uri, "select 1 as id", partition_on="idd").schema
    with pytest.raises(gm.PlanError, match="integers, dates or timestamps"):
        gm.scan_postgres(server.uri, "select 'a' as id", partition_on="id").schema


def test_a_password_works_and_stays_out_of_plans(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.parse

    uri = f"postgresql://reader:{urllib.parse.quote(PASSWORD, safe='')}@/postgres?host={server.socket}"
    frame = gm.scan_postgres(uri, "select 41 + 1 as x")
    assert frame.collect().to_pydict() == {"x": [42]}
    text = frame.serialize()
    for shown in [text, frame.explain(), repr(frame), frame.explain(analyze=True)]:
        assert PASSWORD not in shown and urllib.parse.quote(PASSWORD, safe="") not in shown and "s3cret" not in shown
    assert json.loads(text)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert gm.deserialize(text).collect().to_pydict() == {"x": [42]}


def test_columns_that_changed_since_the_plan_are_noticed(server: PostgresServer) -> None:
    server.sql("create table changing as select 1 as a, 'x' as b")
    frame = gm.scan_postgres(server.uri, "select * from changing")
    server.sql("alter table changing alter column a type bigint")
    with pytest.raises(gm.IoError, match="columns of the PostgreSQL query have changed"):
        frame.collect()


def test_an_error_of_the_query_comes_after_the_rows_before_it(server: PostgresServer) -> None:
    frame = gm.scan_postgres(server.uri, "select 100 / (5000 - i) as x from generate_series(1, 10000) i")
    with pytest.raises(gm.DataError, match="division by zero .SQLSTATE 22012"):
        frame.collect()
    with pytest.raises(gm.DataError, match="division by zero"):
        gm.scan_postgres(server.uri, "select i as id, 100 / (50 - i) as x from generate_series(1, 100) i", partition_on="id", partitions=3).collect()


def test_a_server_that_dies_in_the_middle_is_an_error(tmp_path: object) -> None:
    own = PostgresServer()
    try:
        own.sql("create table big as select i as id, repeat('x', 200) as t from generate_series(1, 50000) i")
        for options in [{}, {"partition_on": "id", "partitions": 3}]:
            query = "select *, pg_sleep(case when id % 1000 = 0 then 0.02 else 0 end)::text as s from big"
            batches = gm.scan_postgres(own.uri, query, **options).collect_batches(chunk_rows=500)
            next(batches)
            own.kill()
            with pytest.raises(gm.IoError, match="PostgreSQL"):
                for _ in batches:
                    pass
            own.start()
        assert gm.read_postgres(own.uri, "select count(*) as n from big").to_pydict() == {"n": [50000]}
    finally:
        own.stop()
    with pytest.raises(gm.IoError, match="cannot connect to PostgreSQL"):
        gm.scan_postgres(own.uri, "select 1").schema


def test_decimal_sums_stay_exact(odd: PostgresServer) -> None:
    got = gm.scan_postgres(odd.uri, "select n from odd").select(gm.col("n").sum()).collect().to_pydict()["n"]
    assert got == [Decimal(odd.sql("select sum(n)::text from odd")[0][0])]


def test_an_encrypted_connection_beside_parquet(tmp_path: Path) -> None:
    """libpq's TLS and the one that Arrow's Parquet brings live side by side in one process."""
    gm.from_pydict({"id": [1, 2]}).sink_parquet(tmp_path / "t.parquet")
    own = PostgresServer(tls=True)
    try:
        address = f"host=127.0.0.1 port={own.port} user=reader dbname=postgres sslmode=verify-full sslrootcert={own.folder}/server.crt"
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        with_password = f"{address} password='{quoted}'"
        got = gm.scan_postgres(with_password, "select 2 as id, repeat('x', 100000) as t, (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as encrypted")
        joined = gm.scan_parquet(tmp_path / "t.parquet").join(got, on="id").collect().to_pylist()
        assert joined == [{"id": 2, "t": "x" * 100000, "encrypted": True}]
        with pytest.raises(gm.IoError, match="certificate verify failed"):
            gm.scan_postgres(with_password.replace(f"sslrootcert={own.folder}/server.crt", "sslrootcert=/etc/ssl/certs/ca-certificates.crt"), "select 1").schema
        with pytest.raises(gm.IoError, match="no pg_hba.conf entry"):
            gm.scan_postgres(with_password.replace("verify-full", "disable"), "select 1").schema
    finally:
        own.stop()
