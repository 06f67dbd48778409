"""Filters on texts by name: equals, contains, starts_with, ends_with, regex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..expr import col

if TYPE_CHECKING:
    from .stream import Stream

S = TypeVar("S", bound="TextFilters")


class TextFilters:
    """What a stream says about texts. Each keeps the rows whose text meets it; NULL never does."""

    def _keep(self, predicate: Any) -> "Stream":
        return self.filter(predicate)  # type: ignore[attr-defined, no-any-return]

    def filter_equals(self, column: str, text: str, ignore_case: bool = False) -> "Stream":
        """Texts that are this one."""
        if ignore_case:
            return self._keep(col(column).str.lower() == text.lower())
        return self._keep(col(column) == text)

    def filter_contains(self, column: str, text: str, ignore_case: bool = False) -> "Stream":
        """Texts with this one inside.

        >>> import gristmill as gm
        >>> s = gm.Stream.from_pylist([{"t": "Apple pie"}, {"t": "pear"}, {"t": None}])
        >>> s.filter_contains("t", "apple", ignore_case=True).collect().to_pydict()
        {'t': ['Apple pie']}
        """
        if ignore_case:
            return self._keep(col(column).str.lower().str.contains(text.lower()))
        return self._keep(col(column).str.contains(text))

    def filter_starts_with(self, column: str, text: str, ignore_case: bool = False) -> "Stream":
        """Texts that begin with this one."""
        if ignore_case:
            return self._keep(col(column).str.lower().str.starts_with(text.lower()))
        return self._keep(col(column).str.starts_with(text))

    def filter_ends_with(self, column: str, text: str, ignore_case: bool = False) -> "Stream":
        """Texts that end with this one."""
        if ignore_case:
            return self._keep(col(column).str.lower().str.ends_with(text.lower()))
        return self._keep(col(column).str.ends_with(text))

    def filter_regex(self, column: str, pattern: str, ignore_case: bool = False) -> "Stream":
        """Texts in which the pattern (RE2) is found.

        >>> import gristmill as gm
        >>> gm.Stream.from_pylist([{"t": "a1"}, {"t": "B2"}, {"t": "cc"}]).filter_regex("t", "^[a-b][0-9]$", ignore_case=True).collect().to_pydict()
        {'t': ['a1', 'B2']}
        """
        return self._keep(col(column).str.regex_contains(f"(?i:{pattern})" if ignore_case else pattern))
