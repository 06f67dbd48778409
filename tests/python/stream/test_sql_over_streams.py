"""SQL over streams: the same text over the same rows as a table gives the same rows, however many workers there are."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from kafka_server import KafkaServer
from topics import produce

import gristmill as gm

WORKERS = (1, 2, 3, 8)
USERS = gm.from_pydict({"uid": [0, 1, 2, 3, 4, 9], "city": ["A", "B", "A", None, "C", "A"]})
SCHEMA = pa.schema({"ts": pa.timestamp("us"), "uid": pa.int64(), "page": pa.string(), "amount": pa.float64()})


def clicks(seed: int, n: int = 4000) -> pa.Table:
    """Rows at most 30 seconds behind the latest one, none late for a watermark with that delay."""
    print("seed", seed)
    rng = random.Random(seed)
    now, rows = 1_700_000_000_000_000, []
    for _ in range(n):
        now += rng.choice((0, 200_000, 900_000, 2_000_000, 40_000_000 if rng.random() < 0.02 else 100_000))
        rows.append({"ts": now - rng.randrange(30_000_000), "uid": rng.choice((None, *range(6))), "page": rng.choice("abc"),
                     "amount": rng.choice((None, rng.randrange(-400, 400) / 16))})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def as_stream(table: pa.Table, rows: int, workers: int) -> gm.Stream:
    return gm.Stream.replay(table, rows).with_watermark("ts", delay="30s").parallel(workers, threshold=0)


def sorted_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


QUERIES = [
    "select ts, uid, amount * 2 as twice from clicks where amount > 3 and page <> 'b'",
    "select window_start, window_end, uid, count(*) as n, sum(amount) as total, min(page) as first_page from tumble(clicks, ts, interval '1 minute')"
    " group by window_start, window_end, uid",
    "select uid, window_end, count(distinct page) as pages from tumble(table clicks, descriptor(ts), interval '90' second, interval '7' second)"
    " where amount is not null group by window_end, uid having count(*) > 1",
    "select window_start, avg(amount) filter (where page = 'a') as mean from hop(clicks, ts, interval '20 seconds', interval '1 minute') group by 1",
    "select window_start, window_end, page, count(*) as n from hop(clicks, ts, interval '1 minute', interval '10 seconds') group by all",
    "select uid, window_start, window_end, count(*) as n, sum(amount) as total from session(clicks, ts, interval '10 seconds') group by 1, 2, 3",
    "select tumble_start(ts, interval '1 minute') as start, upper(page) as page, count(*) as n from clicks group by tumble(ts, interval '1 minute'), upper(page)",
    "select session(ts, interval '8 seconds') as w, uid, max(amount) - min(amount) as span from clicks where uid > 1 group by w, uid",
    "select window_start, city, count(*) as n from tumble(clicks, ts, interval '1 minute') c join users u on c.uid = u.uid group by window_start, city",
    "select c.ts, c.page, u.city from users u right join clicks c on c.uid = u.uid and u.city <> 'B'",
    "select ts, city from users, clicks where users.uid = clicks.uid and page = 'a'",
    "select ts, page from clicks where uid in (select uid from users where city = 'A') union all select ts, 'many' from clicks2 where amount > 20",
    "select window_end, count(*) as n from tumble((select ts, page from clicks union all select ts, page from clicks2), ts, interval '1 minute')"
    " group by window_end",
    "select distinct page, uid from clicks",
    "with minutes as (select window_end, uid, count(*) as n from tumble(clicks, ts, interval '1 minute') group by window_end, uid)"
    " select window_start, uid, sum(n) as n, count(*) as minutes from tumble(minutes, window_end, interval '1 hour') group by window_start, uid",
    "select window_start, uid, count(*) as n from tumble(clicks, ts, interval '1 minute') where window_start >= timestamp '2023-11-14 22:20:00'"
    " group by window_start, uid",
    "select window_start, window_end, amount from tumble(clicks, ts, interval '1 minute') where amount > 10",
    "select c.ts, c.uid, d.page, d.ts as other from clicks c join clicks2 d on c.uid = d.uid and d.ts between c.ts - interval '5 seconds' and c.ts + interval '20 seconds'",
    "select c.ts, d.amount from clicks c, clicks2 d where c.uid = d.uid and d.ts - c.ts < interval '1 minute' and d.ts > c.ts and c.page <> d.page",
    "select c.page, d.ts from clicks2 d join clicks c on upper(c.page) = upper(d.page) and c.uid = d.uid and c.ts <= d.ts and c.ts + interval '2' second * 4 > d.ts"
    " where c.amount > 0",
    "select c.uid, d.amount from clicks c join clicks2 d on c.uid = d.uid where d.ts - c.ts <= interval '40 seconds' and c.ts - d.ts <= interval '1 second'",
    "select window_start, page, count(*) as n from tumble((select c.ts, d.page from clicks c join clicks2 d on c.uid = d.uid"
    " and d.ts between c.ts and c.ts + interval '10 seconds'), ts, interval '1 minute') group by window_start, page",
    "select c.ts, c.uid, d.amount from clicks c left join clicks2 d on c.uid = d.uid and c.page = d.page and d.ts between c.ts and c.ts + interval '3 seconds'"
    " where c.amount > 0",
    "select c.ts, c.amount, d.ts as other, d.uid from clicks c right join clicks2 d on c.uid = d.uid and c.page = d.page"
    " and d.ts between c.ts and c.ts + interval '3 seconds'",
    "select c.ts, c.uid, d.ts as other, d.uid as uid2, d.amount from clicks c full join clicks2 d on c.uid = d.uid and c.page = d.page"
    " and c.ts - d.ts between interval '-1 second' and interval '4 seconds'",
    "select c.ts, u.city from clicks c join clicks2 d on c.uid = d.uid and d.ts between c.ts and c.ts + interval '3 seconds' join users u on u.uid = c.uid",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_over_streams_gives_what_it_gives_over_tables(query: str) -> None:
    table, other = clicks(11), clicks(12, 1500)
    expected = sorted_rows(gm.sql(query, clicks=table, clicks2=other, users=USERS).collect().to_arrow())
    assert expected
    answers = []
    for workers in WORKERS:
        rows = 97 * workers
        made = gm.Stream.from_sql(query, clicks=as_stream(table, rows, workers), clicks2=as_stream(other, rows + 5, workers), users=USERS)
        out = made.parallel(workers, threshold=0).collect().to_arrow()
        assert out.column_names == gm.sql(query, clicks=table, clicks2=other, users=USERS).collect().to_arrow().column_names
        assert sorted_rows(out) == expected
        answers.append(out)
    if "clicks2" not in query:  # which of two streams is first is nobody's promise
        assert all(answer.equals(answers[0]) for answer in answers)


def test_windows_of_tables_are_those_of_plain_python() -> None:
    table = clicks(21, 800)
    rows = [(ts, page) for ts, page in zip(table["ts"].cast(pa.int64()).to_pylist(), table["page"].to_pylist())]
    hops: dict[int, int] = {}
    for ts, _ in rows:
        start = ts // 20_000_000 * 20_000_000
        while start > ts - 60_000_000:
            hops[start] = hops.get(start, 0) + 1
            start -= 20_000_000
    got = gm.sql("select window_start, count(*) as n from hop(t, ts, interval '20 seconds', interval '1 minute') group by 1", t=table).collect().to_arrow()
    assert dict(zip(got["window_start"].cast(pa.int64()).to_pylist(), got["n"].to_pylist())) == hops
    sessions: list[tuple[str, int, int, int]] = []
    for page in "abc":
        times = sorted(ts for ts, p in rows if p == page)
        run = [times[0]]
        for t in times[1:]:
            if t - run[-1] >= 3_000_000:
                sessions.append((page, run[0], run[-1] + 3_000_000, len(run)))
                run = []
            run.append(t)
        sessions.append((page, run[0], run[-1] + 3_000_000, len(run)))
    got = gm.sql("select page, window_start, window_end, count(*) as n from t group by session(ts, interval '3 seconds'), page", t=table).collect().to_arrow()
    assert sorted(zip(got["page"].to_pylist(), got["window_start"].cast(pa.int64()).to_pylist(), got["window_end"].cast(pa.int64()).to_pylist(),
                      got["n"].to_pylist())) == sorted(sessions)


def test_rows_without_a_time_have_no_window_in_a_table() -> None:
    t = gm.from_pydict({"ts": [5, None, 14], "x": [1, 2, 3]})
    assert gm.sql("select window_start, sum(x) as x from tumble(t, ts, 10) group by 1 order by 1").collect().to_pydict() == {
        "window_start": [0, 10, None], "x": [1, 3, 2]}
    assert gm.sql("select window_start, x from hop(t, ts, 5, 10) order by 2, 1").collect().to_pydict() == {
        "window_start": [0, 5, None, 5, 10], "x": [1, 1, 2, 3, 3]}
    assert gm.sql("select window_start, window_end, x from tumble(t, ts, 10, 4)").collect().to_pydict() == {
        "window_start": [4, None, 14], "window_end": [14, None, 24], "x": [1, 2, 3]}
    assert gm.sql("select window_start, window_end, count(*) as n from session(t, ts, 5) group by 1, 2 order by 1").collect().to_pydict() == {
        "window_start": [5, 14, None], "window_end": [10, 19, None], "n": [1, 1, 1]}


def never_ending() -> gm.Stream:
    """A stream over a topic that is never opened: only its plan is looked at."""
    return gm.Stream.from_kafka("clicks", "localhost:1", schema={"ts": "timestamp(us)", "uid": "int64", "amount": "float64"})


@pytest.mark.parametrize(("query", "error"), [
    ("select uid, count(*) from clicks group by uid", 'GROUP BY or an aggregate without a window over the stream "clicks", which never ends'),
    ("select sum(amount) from clicks", 'GROUP BY or an aggregate without a window over the stream "clicks"'),
    ("select * from clicks order by amount", 'ORDER BY over the stream "clicks", which never ends'),
    ("select row_number() over (order by ts) from clicks", 'a window function .OVER. over the stream "clicks"'),
    ("select * from clicks a join clicks2 b on a.uid = b.uid", 'a join of the stream "clicks" with the stream "clicks2"'),
    ("select * from clicks right join users on clicks.uid = users.uid", 'a RIGHT or FULL JOIN with a table over the stream "clicks"'),
    ("select * from users where uid in (select uid from clicks)", 'IN or EXISTS with a subquery over the stream "clicks"'),
    ("select * from clicks limit 5 offset 2", 'OFFSET over the stream "clicks"'),
    ("select uid, count(*) from tumble(clicks, ts, interval '1 minute') group by uid", "put window_start and window_end of tumble"),
    ("select count(*) from tumble(clicks, ts, interval '1 minute') group by date_trunc('hour', window_start)", "computed of a window's start or end"),
    ("select * from session(clicks, ts, interval '1 minute')", "a session is of the rows of a group"),
    ("select window_start, count(*) from tumble(clicks, amount, interval '1 minute') group by 1", "not a timestamp or int64"),
    ("select window_start, count(*) from tumble(clicks, ts, interval '1 month') group by 1", "months and years have no fixed length"),
    ("select tumble_start(ts, interval '1 minute') from clicks", "needs tumble.*in GROUP BY"),
    ("select * from clicks union all select * from clicks", "read in two places"),
    ("select uid from clicks intersect select uid from clicks2", "join of the stream"),
    ("select a.uid from clicks a join clicks2 b on a.uid = b.uid and b.ts >= a.ts", "join them within a time"),
    ("select a.uid from clicks a join clicks2 b on a.uid = b.uid and b.ts between a.ts and a.ts + interval '1 month'", 'a join of the stream "clicks"'),
])
def test_what_cannot_work_over_an_endless_stream_names_it(query: str, error: str) -> None:
    with pytest.raises(gm.GristmillError, match=error):
        gm.Stream.from_sql(query, clicks=never_ending().with_watermark("ts", delay="1s"), clicks2=never_ending(), users=USERS)


def test_two_endless_streams_are_joined_within_a_time() -> None:
    streams = {name: never_ending().with_watermark("ts", delay="1s") for name in ("clicks", "clicks2")}
    on = "c.uid = d.uid and d.ts between c.ts and c.ts + interval '10 minutes'"
    for query, join in ((f"select c.ts, d.amount from clicks c join clicks2 d on {on}", "interval_join"),
                        *((f"select c.ts, d.amount from clicks c {kind} join clicks2 d on {on}", "interval_join") for kind in ("left", "right", "full"))):
        made = gm.Stream.from_sql(query, **streams)
        assert made.endless and join in made.explain() and made.schema.names == ["ts", "amount"]


def test_a_window_needs_the_watermark_of_its_time() -> None:
    query = "select window_start, count(*) as n from tumble(clicks, ts, interval '1 minute') group by window_start"
    with pytest.raises(gm.GristmillError, match='over the stream "clicks" needs its watermark'):
        gm.Stream.from_sql(query, clicks=never_ending())
    other = never_ending().with_columns(other=gm.col("ts")).with_watermark("other")
    with pytest.raises(gm.GristmillError, match='watermark of the stream "clicks", which is of "other"'):
        gm.Stream.from_sql(query, clicks=other)


def test_a_stream_is_no_table() -> None:
    with pytest.raises(gm.GristmillError, match='"clicks" is a stream'):
        gm.sql("select * from clicks", clicks=never_ending()).collect()
    session = gm.connect()
    session.register("clicks", never_ending())
    session.execute("create view few as select ts from clicks where uid = 1")
    with pytest.raises(gm.GristmillError, match='"clicks" is a stream'):
        session.execute("create table t as select * from few")
    assert session.stream("select * from few").schema.names == ["ts"]


def test_no_row_of_a_union_is_late_because_another_stream_is_ahead() -> None:
    ahead = pa.table({"ts": pa.array(range(1000, 2000), pa.int64())})
    behind = pa.table({"ts": pa.array(range(0, 1000), pa.int64())})
    for workers in WORKERS:
        streams = [gm.Stream.replay(t, rows).with_watermark("ts").parallel(workers, threshold=0) for t, rows in ((ahead, 1000), (behind, 10))]
        made = gm.Stream.from_sql("select window_start, count(*) as n from tumble((select * from a union all select * from b), ts, 100) group by 1",
                                  a=streams[0], b=streams[1])
        assert sorted_rows(made.collect().to_arrow()) == sorted(((start, 100) for start in range(0, 2000, 100)), key=repr)


def test_windows_of_a_union_close_when_every_topic_has_come_so_far(broker: KafkaServer) -> None:
    """Each topic's own watermark judges its rows: one that is far ahead makes none of the other late."""
    topics = {"ahead": range(1000, 2001), "behind": range(0, 1001)}
    streams = {}
    for name, times in topics.items():
        topic = broker.create(f"union-{name}", 2)
        produce(broker, topic, [{"partition": t % 2, "value": b'{"ts": %d}' % t} for t in times])
        streams[name] = gm.Stream.from_kafka(topic, broker.servers, schema={"ts": "int64"}).with_watermark("ts", idle_after="10m")
    query = "select window_start, count(*) as n from tumble((select * from ahead union all select * from behind), ts, 100) group by 1"
    for workers in (1, 3):
        made = gm.Stream.from_sql(query, **streams).parallel(workers, threshold=0).take(9)
        assert made.to_pydict() == {"window_start": list(range(0, 900, 100)), "n": [100] * 9}


def test_a_query_over_a_stream_goes_on_at_its_checkpoint(tmp_path: Any) -> None:
    table = clicks(31, 3000)
    query = "select window_start, uid, count(*) as n, sum(amount) as total from tumble(clicks, ts, interval '1 minute') group by window_start, uid"
    expected = sorted_rows(gm.sql(query, clicks=table).collect().to_arrow())
    folder = str(tmp_path / "state")

    def made(workers: int) -> gm.Stream:
        return gm.Stream.from_sql(query, clicks=as_stream(table, 100, workers)).checkpoint(folder, interval_seconds=0.01).parallel(workers, threshold=0)

    first = made(2)
    got = []
    for batch in first:
        got.append(batch)
        if sum(b.num_rows for b in got) > 300:
            first.stop()
    got += list(made(3))
    rows = sorted_rows(pa.Table.from_batches(got))
    assert sorted(set(rows), key=rows.index) == expected  # by iteration rows come at least once
