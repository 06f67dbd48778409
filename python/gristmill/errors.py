"""Exceptions of the engine. Each carries what is known about the place: file, row, line, column, value, hint."""

from __future__ import annotations


class GristmillError(Exception):
    """Anything the engine reports; the classes below say what kind."""

    file: str | None = None
    row: int | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None
    hint: str | None = None


class PlanError(GristmillError):
    """The query itself is wrong: an unknown column, types that do not fit, a name twice."""


class DataError(GristmillError):
    """A value of the input: overflow, a bad cast, division by zero. Names the row."""


class IoError(GristmillError):
    """A file or connection: missing, truncated, foreign, a full disk."""


class MemoryLimitError(GristmillError):
    """The memory limit does not allow the query, not even with spilling."""


class CancelledError(GristmillError):
    """The query was cancelled from outside."""


class TimeoutError(GristmillError):  # noqa: A001 - the name users look for
    """The query ran longer than its timeout."""
