"""Functions of one kind of value, behind `.str` and `.dt`."""

from __future__ import annotations

from .hints import Namespace
from .expr import Expr, IntoExpr, _call

def _optional(name: str, *args: IntoExpr) -> Expr:
    """Without the last argument if it is None."""
    return _call(name, *(args if args[-1] is not None else args[:-1]))


class StringNamespace(Namespace):
    """Functions on text; lengths and positions count code points, positions start at 0."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def join(self, separator: str = "") -> Expr:
        """An aggregate: the values that are not NULL as text with the separator, in the order of the rows.

        >>> import gristmill as gm
        >>> gm.from_pydict({"s": ["b", None, "a"]}).select(gm.col("s").str.join("-")).collect().to_pydict()
        {'s': ['b-a']}
        """
        return self._expr._aggregate("string_agg", separator=separator)

    def upper(self) -> Expr: return _call("str.upper", self._expr)
    def lower(self) -> Expr: return _call("str.lower", self._expr)
    def trim(self, characters: IntoExpr = None) -> Expr: return _optional("str.trim", self._expr, characters)
    def length(self) -> Expr: return _call("str.length", self._expr)
    def octet_length(self) -> Expr: return _call("str.octet_length", self._expr)
    def contains(self, literal: IntoExpr) -> Expr: return _call("str.contains", self._expr, literal)
    def starts_with(self, prefix: IntoExpr) -> Expr: return _call("str.starts_with", self._expr, prefix)
    def ends_with(self, suffix: IntoExpr) -> Expr: return _call("str.ends_with", self._expr, suffix)
    def like(self, pattern: IntoExpr) -> Expr: return _call("str.like", self._expr, pattern)
    def substring(self, start: IntoExpr, length: IntoExpr = None) -> Expr:
        return _call("str.substring", self._expr, start) if length is None else _call("str.substring", self._expr, start, length)
    def replace(self, old: IntoExpr, new: IntoExpr) -> Expr: return _call("str.replace", self._expr, old, new)
    def concat(self, other: IntoExpr) -> Expr: return _call("str.concat", self._expr, other)
    def trim_start(self, characters: IntoExpr = None) -> Expr: return _optional("str.trim_start", self._expr, characters)
    def trim_end(self, characters: IntoExpr = None) -> Expr: return _optional("str.trim_end", self._expr, characters)
    def ilike(self, pattern: IntoExpr) -> Expr: return _call("str.ilike", self._expr, pattern)
    def pad_start(self, length: IntoExpr, fill: IntoExpr = None) -> Expr: return _optional("str.pad_start", self._expr, length, fill)
    def pad_end(self, length: IntoExpr, fill: IntoExpr = None) -> Expr: return _optional("str.pad_end", self._expr, length, fill)
    def zfill(self, length: IntoExpr) -> Expr: return _call("str.zfill", self._expr, length)
    def repeat(self, times: IntoExpr) -> Expr: return _call("str.repeat", self._expr, times)
    def reverse(self) -> Expr: return _call("str.reverse", self._expr)
    def title(self) -> Expr: return _call("str.title", self._expr)
    def code_point(self) -> Expr: return _call("str.code_point", self._expr)
    def left(self, count: IntoExpr) -> Expr: return _call("str.left", self._expr, count)
    def right(self, count: IntoExpr) -> Expr: return _call("str.right", self._expr, count)
    def strip_prefix(self, prefix: IntoExpr) -> Expr: return _call("str.strip_prefix", self._expr, prefix)
    def strip_suffix(self, suffix: IntoExpr) -> Expr: return _call("str.strip_suffix", self._expr, suffix)
    def count(self, literal: IntoExpr) -> Expr: return _call("str.count", self._expr, literal)
    def translate(self, characters: IntoExpr, by: IntoExpr) -> Expr: return _call("str.translate", self._expr, characters, by)
    def levenshtein(self, other: IntoExpr) -> Expr: return _call("str.levenshtein", self._expr, other)

    def find(self, literal: IntoExpr) -> Expr:
        """Position of the first occurrence, from 0; NULL if there is none."""
        return _call("str.find", self._expr, literal)

    def split(self, separator: IntoExpr) -> Expr:
        """The fields between separators, as a list.

        >>> import gristmill as gm
        >>> gm.from_pydict({"s": ["a,b", ""]}).select(gm.col("s").str.split(",")).collect().to_pylist()
        [{'s': ['a', 'b']}, {'s': ['']}]
        """
        return _call("str.split", self._expr, separator)

    def split_part(self, separator: IntoExpr, index: IntoExpr) -> Expr:
        """One field between separators, from 0, or from the end when negative; empty beyond the last."""
        return _call("str.split_part", self._expr, separator, index)

    def encode(self, encoding: str) -> Expr:
        """Text or bytes as "hex" or "base64" text."""
        return _call("str.encode", self._expr, encoding)

    def decode(self, encoding: str) -> Expr:
        """The bytes of "hex" or "base64" text; other text is a DataError."""
        return _call("str.decode", self._expr, encoding)

    def regex_contains(self, pattern: str) -> Expr:
        """Whether the pattern (RE2's dialect) matches somewhere; a bad one is a PlanError."""
        return _call("str.regex_contains", self._expr, pattern)

    def regex_full_match(self, pattern: str) -> Expr: return _call("str.regex_full_match", self._expr, pattern)

    def regex_replace(self, pattern: str, replacement: str) -> Expr:
        r"""Every match replaced; \1 to \9 in the replacement are groups.

        >>> import gristmill as gm
        >>> gm.from_pydict({"s": ["a1b22"]}).select(gm.col("s").str.regex_replace("([0-9]+)", r"<\1>")).collect().to_pylist()
        [{'s': 'a<1>b<22>'}]
        """
        return _call("str.regex_replace", self._expr, pattern, replacement)

    def regex_replace_first(self, pattern: str, replacement: str) -> Expr:
        return _call("str.regex_replace_first", self._expr, pattern, replacement)

    def regex_extract(self, pattern: str, group: int = 0) -> Expr:
        """A group (0: the whole match) of the first match; NULL without a match."""
        return _call("str.regex_extract", self._expr, pattern, group)

    def regex_extract_all(self, pattern: str, group: int = 0) -> Expr:
        """A group (0: the whole match) of every match, as a list."""
        return _call("str.regex_extract_all", self._expr, pattern, group)

    def regex_find(self, pattern: str) -> Expr:
        """Where the first match begins, from 0; NULL without a match."""
        return _call("str.regex_find", self._expr, pattern)

    def regex_count(self, pattern: str) -> Expr: return _call("str.regex_count", self._expr, pattern)
    def regex_split(self, pattern: str) -> Expr: return _call("str.regex_split", self._expr, pattern)

    def pairs_to_object(self, pairs: str, key_and_value: str, removed_from_keys: str = "") -> Expr:
        """Text such as 'k:v|k:v' as a JSON object; pieces without exactly one key separator are passed over."""
        return _call("str.pairs_to_object", self._expr, pairs, key_and_value, removed_from_keys)

    def strptime(self, pattern: str) -> Expr:
        """The timestamp that the text is by a pattern as in C; other text is a DataError."""
        return _call("str.strptime", self._expr, pattern)

    def try_strptime(self, pattern: str) -> Expr:
        """As strptime, but NULL for text that the pattern does not fit."""
        return _call("str.try_strptime", self._expr, pattern)


class TemporalNamespace(Namespace):
    """Functions on dates, timestamps and durations; weeks and weekdays are ISO (Monday = 1)."""

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def year(self) -> Expr: return _call("dt.year", self._expr)
    def month(self) -> Expr: return _call("dt.month", self._expr)
    def day(self) -> Expr: return _call("dt.day", self._expr)
    def hour(self) -> Expr: return _call("dt.hour", self._expr)
    def minute(self) -> Expr: return _call("dt.minute", self._expr)
    def second(self) -> Expr: return _call("dt.second", self._expr)
    def quarter(self) -> Expr: return _call("dt.quarter", self._expr)
    def weekday(self) -> Expr: return _call("dt.weekday", self._expr)
    def day_of_year(self) -> Expr: return _call("dt.dayofyear", self._expr)
    def date(self) -> Expr: return _call("dt.date", self._expr)
    def epoch(self) -> Expr: return _call("dt.epoch", self._expr)

    def add_months(self, months: IntoExpr) -> Expr:
        """The same day so many months later, or the last of that month."""
        return _call("dt.add_months", self._expr, months)

    def truncate(self, unit: str) -> Expr:
        """Start of the millennium, century, decade, year, quarter, month, week, day, hour, minute, second, millisecond or microsecond."""
        return _call("dt.truncate", self._expr, unit)

    def week(self) -> Expr: return _call("dt.week", self._expr)
    def iso_year(self) -> Expr: return _call("dt.iso_year", self._expr)
    def days_in_month(self) -> Expr: return _call("dt.days_in_month", self._expr)
    def is_leap_year(self) -> Expr: return _call("dt.is_leap_year", self._expr)
    def last_day(self) -> Expr: return _call("dt.last_day", self._expr)
    def millisecond(self) -> Expr: return _call("dt.millisecond", self._expr)
    def microsecond(self) -> Expr: return _call("dt.microsecond", self._expr)
    def nanosecond(self) -> Expr: return _call("dt.nanosecond", self._expr)
    def total_days(self) -> Expr: return _call("dt.total_days", self._expr)
    def total_hours(self) -> Expr: return _call("dt.total_hours", self._expr)
    def total_minutes(self) -> Expr: return _call("dt.total_minutes", self._expr)
    def total_seconds(self) -> Expr: return _call("dt.total_seconds", self._expr)
    def total_milliseconds(self) -> Expr: return _call("dt.total_milliseconds", self._expr)
    def total_microseconds(self) -> Expr: return _call("dt.total_microseconds", self._expr)
    def total_nanoseconds(self) -> Expr: return _call("dt.total_nanoseconds", self._expr)

    def add(self, amount: IntoExpr, unit: str) -> Expr:
        """So many units ("year" ... "nanosecond") later; a month without the day takes its last one.

        >>> import datetime, gristmill as gm
        >>> gm.from_pydict({"d": [datetime.date(2024, 1, 31)]}).select(gm.col("d").dt.add(1, "month")).collect().to_pylist()
        [{'d': datetime.date(2024, 2, 29)}]
        """
        return _call("dt.add", self._expr, amount, unit)

    def diff(self, start: IntoExpr, unit: str) -> Expr:
        """How many begins of the unit lie between `start` and this moment."""
        return _call("dt.diff", self._expr, start, unit)

    def strftime(self, pattern: str) -> Expr:
        """The moment as text by a pattern as in C: "%Y-%m-%d %H:%M:%S.%f"."""
        return _call("dt.strftime", self._expr, pattern)

    def localize(self, zone: str) -> Expr:
        """A timestamp without zone as the clock on the wall of one."""
        return _call("dt.localize", self._expr, zone)

    def convert_zone(self, zone: str) -> Expr:
        """The same instant in another zone."""
        return _call("dt.convert_zone", self._expr, zone)

    def wall_time(self) -> Expr:
        """What the clock on the wall shows, without the zone."""
        return _call("dt.wall_time", self._expr)
