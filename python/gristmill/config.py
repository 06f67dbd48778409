"""Settings of the package: how tables are shown, whether progress is, and what runs use that say nothing themselves."""

from __future__ import annotations

import contextvars
from typing import Any

_DEFAULTS: dict[str, Any] = {"table_rows": 10, "html_rows": 20, "progress": None, "num_workers": 0, "memory_limit": 0}
_process: dict[str, Any] = dict(_DEFAULTS)
_scoped: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("gristmill_config", default={})


def _check(settings: dict[str, Any]) -> None:
    for name in settings:
        if name not in _DEFAULTS:
            raise TypeError(f"unknown setting {name!r}; known: {', '.join(_DEFAULTS)}")
    if "memory_limit" in settings:
        from .options import parse_bytes

        parse_bytes(settings["memory_limit"])


class Config:
    """Settings within a `with` block (for this thread or task); Config.set() sets them for the process.

    table_rows: rows of a table shown as text. html_rows: in a notebook. progress: True or False; None shows it in terminals and notebooks
    when a query takes long. num_workers, memory_limit: of runs that do not say.

    >>> import gristmill as gm
    >>> with gm.Config(num_workers=1, table_rows=3):
    ...     gm.Config.get("table_rows")
    3
    >>> gm.Config.get("table_rows")
    10
    """

    def __init__(self, **settings: Any) -> None:
        _check(settings)
        self._settings = settings
        self._token: contextvars.Token[dict[str, Any]] | None = None

    def __enter__(self) -> "Config":
        self._token = _scoped.set({**_scoped.get(), **self._settings})
        return self

    def __exit__(self, *_: Any) -> None:
        if self._token is not None:
            _scoped.reset(self._token)

    @staticmethod
    def set(**settings: Any) -> None:
        """For the whole process; a `with` block wins over it."""
        _check(settings)
        _process.update(settings)

    @staticmethod
    def reset() -> None:
        """Back to the defaults."""
        _process.update(_DEFAULTS)

    @staticmethod
    def get(name: str) -> Any:
        """What holds now."""
        _check({name: _DEFAULTS.get(name)})
        return _scoped.get().get(name, _process[name])
