"""Functions of dates, timestamps and durations, by Python's calendar."""

from __future__ import annotations

import calendar
import datetime
import re
from typing import Any, Callable

import pyarrow as pa

from meaning import BOOL, DATE, INT32, INT64, STRING, OneOf, Within, first_type, meaning
from values import UNITS, kind

MICROS, INSTANT = pa.timestamp("us"), pa.timestamp("us", "UTC")

DAY = 86400


def date_of(days: int) -> datetime.date:
    return datetime.date.fromordinal(days + 719163)


def days_since(d: datetime.date) -> int:
    return d.toordinal() - 719163


def per_second(t: pa.DataType) -> int:
    return 1 if kind(t) == "date" else UNITS[t.unit]


def seconds_and_rest(v: int, t: pa.DataType) -> tuple[int, int]:
    """Of dates and of timestamps without a zone or in UTC."""
    return (v * DAY, 0) if kind(t) == "date" else divmod(v, UNITS[t.unit])


def part_of_day(f: Callable[[datetime.date], Any]) -> Callable[..., Any]:
    return lambda types: lambda v: f(date_of(seconds_and_rest(v, types[0])[0] // DAY))


for _name, _f in {"dt.week": lambda d: d.isocalendar()[1], "dt.iso_year": lambda d: d.isocalendar()[0], "dt.dow": lambda d: d.isoweekday() % 7,
                  "dt.days_in_month": lambda d: calendar.monthrange(d.year, d.month)[1], "dt.decade": lambda d: d.year // 10,
                  "dt.century": lambda d: (d.year - 1) // 100 + 1, "dt.millennium": lambda d: (d.year - 1) // 1000 + 1}.items():
    meaning(_name, ("moment",), INT32, part_of_day(_f), typed=True)
meaning("dt.is_leap_year", ("moment",), BOOL, part_of_day(lambda d: calendar.isleap(d.year)), typed=True)
meaning("dt.last_day", ("moment",), DATE, part_of_day(lambda d: days_since(d.replace(day=calendar.monthrange(d.year, d.month)[1]))), typed=True)


def within_second(unit: int, with_seconds: bool = False) -> Callable[..., Any]:
    def of(types: list[pa.DataType]) -> Callable[[int], int]:
        def value(v: int) -> int:
            seconds, rest = seconds_and_rest(v, types[0])
            return rest * unit // per_second(types[0]) + (seconds % 60 * unit if with_seconds else 0)
        return value
    return of


meaning("dt.millisecond", ("moment",), INT32, within_second(10**3), typed=True)
meaning("dt.microsecond", ("moment",), INT32, within_second(10**6), typed=True)
meaning("dt.nanosecond", ("moment",), INT32, within_second(10**9), typed=True)
meaning("sql_milliseconds", ("moment",), INT32, within_second(10**3, True), typed=True)
meaning("sql_microseconds", ("moment",), INT32, within_second(10**6, True), typed=True)


def moved(types: list[pa.DataType]) -> Callable[..., int]:
    t = types[0]

    def later(v: int, n: int, unit: str = "month") -> int:
        seconds, rest = seconds_and_rest(v, t)
        if unit in ("month", "year"):
            d = date_of(seconds // DAY)
            year, month = divmod(d.year * 12 + d.month - 1 + (n if unit == "month" else 12 * n), 12)
            d = datetime.date(year, month + 1, min(d.day, calendar.monthrange(year, month + 1)[1]))
            seconds = days_since(d) * DAY + seconds % DAY
        else:
            seconds += n * {"week": 7 * DAY, "day": DAY, "hour": 3600, "second": 1}[unit]
        return seconds // DAY if kind(t) == "date" else seconds * UNITS[t.unit] + rest
    return later


meaning("dt.add", ("moment", Within(-13, 24), OneOf(("month", "year", "week", "day"))), first_type, moved, typed=True)
meaning("dt.add_months", ("moment", Within(-13, 24)), first_type, moved, typed=True)


def begins(types: list[pa.DataType]) -> Callable[..., int]:
    def between(a: int, b: int, unit: str) -> int:
        def index(v: int) -> int:
            days = seconds_and_rest(v, types[0])[0] // DAY
            d = date_of(days)
            return {"day": days, "week": (days + 3) // 7, "month": d.year * 12 + d.month, "year": d.year}[unit]
        return index(a) - index(b)
    return between


meaning("dt.diff", ("moment", "moment like the first", OneOf(("day", "week", "month", "year"))), INT64, begins, typed=True)


def written(types: list[pa.DataType]) -> Callable[..., str]:
    def text(v: int, pattern: str) -> str:
        seconds = seconds_and_rest(v, types[0])[0]
        d, s = date_of(seconds // DAY), seconds % DAY
        parts = {"%Y": f"{d.year:04d}", "%m": f"{d.month:02d}", "%d": f"{d.day:02d}", "%H": f"{s // 3600:02d}", "%M": f"{s // 60 % 60:02d}", "%S": f"{s % 60:02d}",
                 "%j": f"{d.timetuple().tm_yday:03d}", "%a": calendar.day_abbr[d.weekday()], "%B": calendar.month_name[d.month]}
        return re.sub("%.", lambda m: parts[m[0]], pattern)
    return text


MOMENT_PATTERN = "%Y-%m-%d %H:%M:%S"
meaning("dt.strftime", ("moment", OneOf(("%Y-%m-%d", "%H:%M:%S", "%j", "%a %d %B", MOMENT_PATTERN))), STRING, written, typed=True)


def read(s: str, pattern: str) -> int | None:
    m = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)", s, re.ASCII)
    if m is None:
        return None
    year, month, day, hour, minute, second = map(int, m.groups())
    return (days_since(datetime.date(year, month, day)) * DAY + hour * 3600 + minute * 60 + second) * 10**6


meaning("str.strptime", ("moment text", OneOf((MOMENT_PATTERN,))), MICROS, read)
meaning("str.try_strptime", ("maybe moment text", OneOf((MOMENT_PATTERN,))), MICROS, read)


def offset(v: int, t: pa.DataType, zone: str) -> int:
    from reference import local_seconds

    seconds = v // UNITS[t.unit]
    return local_seconds(v, pa.timestamp(t.unit, zone)) - seconds


meaning("dt.localize", ("timestamp", OneOf(("UTC",))), lambda types: pa.timestamp(types[0].unit, "UTC"), lambda v, zone: v)
meaning("dt.convert_zone", ("instant", OneOf(("Europe/Berlin",))), lambda types: pa.timestamp(types[0].unit, "Europe/Berlin"), lambda v, zone: v)
meaning("dt.wall_time", ("instant in Berlin",), lambda types: pa.timestamp(types[0].unit),
        lambda types: lambda v: v + offset(v, types[0], "Europe/Berlin") * UNITS[types[0].unit], typed=True)
meaning("timezone", (OneOf(("Europe/Berlin", "America/New_York")), "instant"), lambda types: pa.timestamp(types[1].unit),
        lambda types: lambda zone, v: v + offset(v, types[1], zone) * UNITS[types[1].unit], typed=True)
meaning("from_epoch", (Within(-50, 49),), INSTANT, lambda s: s * 10**6)
meaning("make_date", (Within(1960, 2059), Within(1, 12), Within(1, 28)), DATE, lambda y, m, d: days_since(datetime.date(y, m, d)))
meaning("make_timestamp", (Within(1960, 2059), Within(1, 12), Within(1, 28), Within(0, 23), Within(0, 59), Within(0, 59)), MICROS,
        lambda y, m, d, h, i, s: (days_since(datetime.date(y, m, d)) * DAY + h * 3600 + i * 60 + s) * 10**6)
meaning("make_duration", (Within(-50, 49), OneOf(("hour", "minute", "second"))), pa.duration("us"),
        lambda n, unit: n * {"hour": 3600, "minute": 60, "second": 1}[unit] * 10**6)
for _name, _size in {"days": DAY * 10**9, "hours": 3600 * 10**9, "minutes": 60 * 10**9, "seconds": 10**9, "milliseconds": 10**6}.items():
    meaning(f"dt.total_{_name}", ("duration",), INT64, lambda types, size=_size: lambda v: (abs(v) * (10**9 // UNITS[types[0].unit]) // size) * (1 if v >= 0 else -1), typed=True)
for _name, _many in {"microseconds": 10**6, "nanoseconds": 10**9}.items():
    meaning(f"dt.total_{_name}", ("short duration",), INT64, lambda types, many=_many: lambda v: v * many // UNITS[types[0].unit], typed=True)
