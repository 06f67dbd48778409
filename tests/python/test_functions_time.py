"""Dates and times against Python's datetime, zoneinfo and DuckDB."""

from __future__ import annotations

import calendar
import datetime as dt
import random
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

import gristmill as gm
from function_shapes import choices, each, evaluate, expect
from gristmill import col

ODD_DAYS = [dt.date(2024, 2, 29), dt.date(2000, 2, 29), dt.date(1900, 2, 28), dt.date(1999, 12, 31), dt.date(2021, 1, 1), dt.date(2020, 12, 31), dt.date(1970, 1, 1),
            dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2023, 1, 31), dt.date(1969, 12, 31), dt.date(2001, 1, 1), dt.date(2000, 12, 31), dt.date(1582, 10, 10)]
UNITS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"]


def data(seed: int) -> tuple[pa.Table, dict[str, list]]:
    rng = random.Random(seed)
    n = 120
    day = lambda: rng.choice(ODD_DAYS) if rng.random() < 0.5 else dt.date.fromordinal(rng.randrange(dt.date(1800, 1, 1).toordinal(), dt.date(2200, 1, 1).toordinal()))  # noqa: E731
    moment = lambda: dt.datetime.combine(day(), dt.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.choice([0, 250000, 999999, 1])))  # noqa: E731
    c = {"d": [None if rng.random() < 0.1 else day() for _ in range(n)], "t": [None if rng.random() < 0.1 else moment() for _ in range(n)],
         "u": [None if rng.random() < 0.1 else moment() for _ in range(n)], "n": choices(rng, n, [0, 1, -1, 2, 11, -13, 24, 100])}
    types = {"d": pa.date32(), "t": pa.timestamp("us"), "u": pa.timestamp("us"), "n": pa.int64()}
    return pa.table({k: pa.array(v, types[k]) for k, v in c.items()}), c


def plus_months(t: dt.date, months: int) -> dt.date | None:
    year, month = divmod(t.year * 12 + t.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    return t.replace(year=year, month=month + 1, day=min(t.day, calendar.monthrange(year, month + 1)[1]))


@pytest.mark.parametrize("seed", [2, 77])
def test_parts_agree_with_python(seed: int) -> None:
    t, c = data(seed)
    for name in ("d", "t"):
        x, v = col(name).dt, c[name]
        cases = [(x.week(), each(lambda d: d.isocalendar()[1], v)), (x.iso_year(), each(lambda d: d.isocalendar()[0], v)), (x.weekday(), each(lambda d: d.isoweekday(), v)),
                 (gm.call("dt.dow", col(name)), each(lambda d: d.isoweekday() % 7, v)), (x.days_in_month(), each(lambda d: calendar.monthrange(d.year, d.month)[1], v)),
                 (x.is_leap_year(), each(lambda d: calendar.isleap(d.year), v)), (x.day_of_year(), each(lambda d: d.timetuple().tm_yday, v)),
                 (x.last_day(), each(lambda d: dt.date(d.year, d.month, calendar.monthrange(d.year, d.month)[1]), v))]
        for expr, expected in cases:
            expect(t, expr, expected, seed)
    x, v = col("t").dt, c["t"]
    expect(t, x.millisecond(), each(lambda d: d.microsecond // 1000, v), seed)
    expect(t, x.microsecond(), each(lambda d: d.microsecond, v), seed)
    expect(t, x.nanosecond(), each(lambda d: d.microsecond * 1000, v), seed)
    gap = (col("t") - col("u")).dt
    whole = lambda unit: each(lambda a, b: (abs(a - b) // unit) * (1 if a > b else -1), v, c["u"])  # noqa: E731
    expect(t, gap.total_days(), whole(dt.timedelta(days=1)), seed)
    expect(t, gap.total_hours(), whole(dt.timedelta(hours=1)), seed)
    expect(t, gap.total_milliseconds(), whole(dt.timedelta(milliseconds=1)), seed)


@pytest.mark.parametrize("seed", [2, 77])
def test_moves_agree_with_python(seed: int) -> None:
    t, c = data(seed)
    inside = (col("d") > dt.date(200, 1, 1)) & (col("d") < dt.date(9000, 1, 1))
    days = [d if d is not None and dt.date(200, 1, 1) < d < dt.date(9000, 1, 1) else None for d in c["d"]]
    d = gm.when(inside).then(col("d"))
    expect(t, d.dt.add(col("n"), "month"), each(plus_months, days, c["n"]), seed)
    expect(t, d.dt.add_months(col("n")), each(plus_months, days, c["n"]), seed)
    expect(t, d.dt.add(col("n"), "years"), each(lambda a, n: plus_months(a, 12 * n), days, c["n"]), seed)
    expect(t, d.dt.add(col("n"), "week"), each(lambda a, n: a + dt.timedelta(weeks=n), days, c["n"]), seed)
    monday = lambda a: a - dt.timedelta(days=a.weekday())  # noqa: E731
    near = each(lambda a, n: (monday(a) - monday(a + dt.timedelta(days=n))).days // 7, days, c["n"])  # DuckDB counts whole weeks
    expect(t, d.dt.diff(d.dt.add(col("n"), "day"), "week"), near, seed)
    midnight = lambda a: dt.datetime.combine(a, dt.time())  # noqa: E731
    expect(t, d.dt.add(col("n"), "hour"), each(lambda a, n: midnight(a) + dt.timedelta(hours=n), days, c["n"]), seed)
    expect(t, d.dt.add(col("n"), "microsecond"), each(lambda a, n: midnight(a) + dt.timedelta(microseconds=n), days, c["n"]), seed)


@pytest.mark.parametrize("seed", [2, 77])
def test_sql_agrees_with_duckdb(seed: int) -> None:
    t, _ = data(seed)
    fields = ["year", "quarter", "month", "week", "isoyear", "day", "dow", "isodow", "doy", "hour", "minute", "millisecond", "microsecond", "decade", "century", "millennium"]
    sqls = [f"extract({f} from t)" for f in fields] + [f"date_trunc('{u}', t)" for u in UNITS + ["decade"]]
    sqls += [f"date_diff('{u}', t, u)" for u in UNITS if u != "week"] + [f"date_diff('{u}', d, d + 40)" for u in UNITS[:3]]
    sqls += ["last_day(t)", "make_date(2024, 2, 29)", "dayname(t)", "monthname(d)", "weekofyear(d)", "dayofweek(t)", "t + interval '1 month'", "t - interval '36 hours'",
             "d + interval '2 weeks'", "make_timestamp(2024, 2, 29, 12, 30, 15.25)", "strftime(t, '%Y-%m-%d %H:%M:%S.%f|%j|%y|%b %B|%a %A|%I %p|%u|%w|%U|%W|%V|%G|%%')",
             "strptime(strftime(t, '%d.%m.%Y %H:%M:%S.%f'), '%d.%m.%Y %H:%M:%S.%f')"]
    for sql in sqls:
        guarded = f"case when t between timestamp '0100-01-01' and timestamp '9900-01-01' and d between date '0100-01-01' and date '9900-01-01' then {sql} end"
        ours = gm.sql(f"select {guarded} as x from t", t=t).collect().to_arrow().column("x").to_pylist()
        theirs = duckdb.sql(f"select {guarded} as x from t").arrow().read_all().column("x").to_pylist()
        as_day = lambda v: v.date() if isinstance(v, dt.datetime) and v.time() == dt.time() else v  # noqa: E731
        wrong = [(t.slice(i, 1).to_pylist(), a, b) for i, (a, b) in enumerate(zip(ours, theirs)) if as_day(a) != as_day(b)]
        assert not wrong, f"seed {seed}: {sql}: {wrong[:3]}"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_columns(unit: str) -> None:
    values = [dt.datetime(2024, 2, 29, 12, 30, 15), dt.datetime(1969, 12, 31, 23, 59, 59), None]
    t = pa.table({"t": pa.array(values, pa.timestamp(unit))})
    assert evaluate(t, col("t").dt.strftime("%F %T")) == ["2024-02-29 12:30:15", "1969-12-31 23:59:59", None]
    assert evaluate(t, col("t").dt.add(1, "day").dt.strftime("%F %T")) == ["2024-03-01 12:30:15", "1970-01-01 23:59:59", None]
    assert evaluate(t, col("t").dt.add(1, "millisecond").dt.strftime("%T.%L")) == ["12:30:15.001", "23:59:59.001", None]
    assert evaluate(t, col("t").dt.microsecond()) == [0, 0, None]
    assert evaluate(t, col("t").dt.diff(col("t").dt.add(-1, "hour"), "minute")) == [60, 60, None]


@pytest.mark.parametrize("pattern, text, expected", [
    ("%Y-%m-%d", "2024-02-29", dt.datetime(2024, 2, 29)), ("%d/%m/%y", "1/2/69", dt.datetime(1969, 2, 1)), ("%d/%m/%y", "1/2/68", dt.datetime(2068, 2, 1)),
    ("%b %d %Y %I:%M %p", "feb 3 2021 12:05 am", dt.datetime(2021, 2, 3, 0, 5)), ("%A, %B %e, %Y", "Monday, March  4, 2024", dt.datetime(2024, 3, 4)),
    ("%Y-%j", "2024-366", dt.datetime(2024, 12, 31)), ("%H:%M:%S.%f", "01:02:03.5", dt.datetime(1900, 1, 1, 1, 2, 3, 500000)), ("%s", "86400", dt.datetime(1970, 1, 2)),
    ("%F %T%z", "2024-01-01 00:30:00+0130", dt.datetime(2023, 12, 31, 23, 0, tzinfo=dt.timezone.utc)), ("%FT%TZ", "2024-01-01T00:00:00Z", dt.datetime(2024, 1, 1)),
    ("%Y-%m-%d", "2023-02-29", None), ("%Y-%m-%d", "2024-02-29 ", None), ("%Y-%m-%d", "2024-2", None), ("%Y-%j", "2023-366", None), ("%H", "24", None), ("%m", "13", None),
    ("%b", "Foo", None), ("%p", "xm", None), ("%z", "+25:99", None), ("%d%%", "5%", dt.datetime(1900, 1, 5)),
])
def test_reading(pattern: str, text: str, expected: dt.datetime | None) -> None:
    t = pa.table({"s": [text, None, ""]})
    got = evaluate(t, col("s").str.try_strptime(pattern))
    assert got[:2] == [expected, None]
    if expected is None:
        with pytest.raises(gm.DataError, match="cannot read"):
            gm.from_arrow(t.slice(0, 1)).select(col("s").str.strptime(pattern)).collect()


@pytest.mark.parametrize("seed", [4])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_zones_agree_with_zoneinfo(zone: str, seed: int) -> None:
    rng = random.Random(seed)
    start = dt.datetime(1975, 1, 1)
    v = [None if rng.random() < 0.1 else start + dt.timedelta(minutes=rng.randrange(60 * 365 * 24 * 60)) for _ in range(200)]
    v += [dt.datetime(2024, 3, 31, 1, 59), dt.datetime(2024, 10, 27, 1, 0), dt.datetime(2024, 11, 3, 6, 30)]
    t = pa.table({"t": pa.array(v, pa.timestamp("us"))})
    there = each(lambda a: a.replace(tzinfo=dt.timezone.utc).astimezone(ZoneInfo(zone)), v)
    instant = col("t").dt.localize("UTC").dt.convert_zone(zone)
    expect(t, instant, there, seed)
    expect(t, instant.dt.wall_time(), each(lambda a: a.replace(tzinfo=None), there), seed)
    expect(t, instant.dt.hour(), each(lambda a: a.hour, there), seed)
    expect(t, instant.dt.strftime("%F %T %z"), each(lambda a: a.strftime("%Y-%m-%d %H:%M:%S %z"), there), seed)
    sound = [None if a is None or a.replace(tzinfo=ZoneInfo(zone)).astimezone(dt.timezone.utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != a else a for a in v]
    local = pa.table({"t": pa.array(sound, pa.timestamp("us"))})
    expect(local, col("t").dt.localize(zone), each(lambda a: a.replace(tzinfo=ZoneInfo(zone)), sound), seed)
    expect(t, gm.call("timezone", zone, col("t").dt.localize("UTC")), each(lambda a: a.replace(tzinfo=None), there), seed)


def test_days_move_the_wall_clock_and_hours_the_instant() -> None:
    berlin = pa.table({"t": pa.array([dt.datetime(2024, 3, 30, 1, 30)], pa.timestamp("s", "Europe/Berlin"))})  # 02:30 there, the day before the change
    assert evaluate(berlin, col("t").dt.add(2, "day").dt.strftime("%T %z")) == ["02:30:00 +0200"]
    assert evaluate(berlin, col("t").dt.add(48, "hour").dt.strftime("%T %z")) == ["03:30:00 +0200"]
    assert evaluate(berlin, col("t").dt.add_months(1).dt.strftime("%F %T %z")) == ["2024-04-30 02:30:00 +0200"]


def test_durations() -> None:
    t = pa.table({"n": [1, None, -2]})
    assert evaluate(t, gm.duration(hours=col("n"), minutes=30)) == [dt.timedelta(hours=1, minutes=30), None, dt.timedelta(hours=-2, minutes=30)]
    assert evaluate(t, gm.duration(days=col("n")).dt.total_hours()) == [24, None, -48]
    assert evaluate(t, gm.from_epoch(col("n") + 0.5)) == [dt.datetime(1970, 1, 1, 0, 0, 1, 500000, dt.timezone.utc), None, dt.datetime(1969, 12, 31, 23, 59, 58, 500000, dt.timezone.utc)]


@pytest.mark.parametrize("expr, error, message", [
    (gm.make_date(2023, 2, col("n")), gm.DataError, "make_date\\(2023, 2, 29\\): there is no such day"), (gm.make_timestamp(2024, 1, 1, col("n")), gm.DataError, "no such time"),
    (col("t").dt.add(col("n") * 10**15, "year"), gm.DataError, "time out of range"), (col("t").dt.add(1, "fortnight"), gm.PlanError, "name of a unit, got \"fortnight\""),
    (col("t").dt.strftime("%Q"), gm.PlanError, "holds %Q, which cannot be written"), (col("s").str.strptime("%V"), gm.PlanError, "holds %V, which cannot be read"),
    (col("t").dt.localize("Mars/Base"), gm.PlanError, 'no time zone "Mars/Base"'), (col("t").dt.convert_zone("UTC"), gm.PlanError, "takes a timestamp with a time zone"),
    (gm.duration(months=1), gm.PlanError, "no months or years"), (gm.from_epoch(1e300), gm.DataError, "time out of range"),
])
def test_errors(expr: gm.Expr, error: type[Exception], message: str) -> None:
    t = pa.table({"t": pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us")), "n": [29], "s": ["x"]})
    with pytest.raises(error, match=message):
        gm.from_arrow(t).select(expr.alias("r")).collect()


def test_patterns_of_postgresql() -> None:
    t = pa.table({"t": pa.array([dt.datetime(2024, 2, 9, 15, 4, 5, 60000), None], pa.timestamp("us")), "s": ["09/02/2024 03:04 PM", None]})
    got = gm.sql("""select to_char(t, 'YYYY-MM-DD"T"HH24:MI:SS.MS') as a, to_char(t, 'FMDay, DD Mon YY; HH12 AM; Q IYYY-IW') as b, to_date(s, 'DD/MM/YYYY HH:MI PM') as c,
                    to_timestamp(s, 'DD/MM/YYYY HH12:MI AM') as d from t""", t=t).collect().to_pylist()
    assert got[0] == {"a": "2024-02-09T15:04:05.060", "b": "Friday, 09 Feb 24; 03 PM; 1 2024-06", "c": dt.date(2024, 2, 9), "d": dt.datetime(2024, 2, 9, 15, 4)}
    assert set(got[1].values()) == {None}
