"""Frames over files, and what all formats have in common about where files lie."""

from __future__ import annotations

import os
from typing import Any, Literal, Mapping

from . import _engine
from .frame import Frame

StorageOptions = Mapping[str, Any]


def _storage(options: StorageOptions | None) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in (options or {}).items()}


def _file_options(storage_options: StorageOptions | None, hive_partitioning: bool | str, hive_schema: Mapping[str, str] | None) -> _engine.FileOptions:
    if hive_partitioning not in ("auto", True, False):
        raise ValueError(f'hive_partitioning must be "auto", True or False, got {hive_partitioning!r}')
    out = _engine.FileOptions()
    out.storage = _storage(storage_options)
    if hive_partitioning != "auto":
        out.hive_partitioning = bool(hive_partitioning)
    out.hive_schema = list((hive_schema or {}).items())
    return out


def _sink_options(storage_options: StorageOptions | None) -> _engine.SinkOptions:
    out = _engine.SinkOptions()
    out.storage = _storage(storage_options)
    return out


def scan_parquet(path: str | os.PathLike, *, storage_options: StorageOptions | None = None,
                 hive_partitioning: bool | Literal["auto"] = "auto", hive_schema: Mapping[str, str] | None = None) -> Frame:
    """Parquet files: a path, a glob, a directory or a URL, read lazily, in byte order of their names.

    `storage_options` (all formats): endpoint, region, access_key, secret_key, session_token, path_style, anonymous, ca_file, timeout_ms,
    connect_timeout_ms, retries; what is not named comes from the environment.

    Folders named key=value become columns; a filter over them alone decides which files are opened. "auto" does so when all files have
    the same keys and were not named one by one. `hive_schema` gives types of keys; else they are int64, date or string.

    >>> import gristmill as gm, pathlib, tempfile
    >>> lake = pathlib.Path(tempfile.mkdtemp())
    >>> for year in (2023, 2024):
    ...     (lake / f"year={year}").mkdir()
    ...     _ = gm.from_pydict({"fare": [year / 100]}).sink_parquet(lake / f"year={year}" / "part.parquet")
    >>> gm.scan_parquet(lake).filter(gm.col("year") > 2023).collect().to_pydict()
    {'fare': [20.24], 'year': [2024]}
    """
    return Frame(_engine.scan_parquet(os.fspath(path), _file_options(storage_options, hive_partitioning, hive_schema)))


def scan_ipc(path: str | os.PathLike, *, storage_options: StorageOptions | None = None,
                 hive_partitioning: bool | Literal["auto"] = "auto", hive_schema: Mapping[str, str] | None = None) -> Frame:
    """Arrow IPC files and streams: a path, a glob, a directory or a URL."""
    return Frame(_engine.scan_ipc(os.fspath(path), _file_options(storage_options, hive_partitioning, hive_schema)))
