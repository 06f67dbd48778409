"""Frames over files, and what all formats have in common about where files lie."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from . import _engine, hints
from .frame import Frame

StorageOptions = Mapping[str, Any]
Paths = str | os.PathLike | Sequence[str | os.PathLike]


def _paths(source: Paths) -> list[str]:
    return [os.fspath(source)] if isinstance(source, (str, os.PathLike)) else [os.fspath(p) for p in source]



def _storage(options: StorageOptions | None) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in (options or {}).items()}


_EVOLUTIONS = (None, "first", "union")
SchemaEvolution = Literal["first", "union"]


def _file_options(storage_options: StorageOptions | None, hive_partitioning: bool | str, hive_schema: Mapping[str, str] | None,
                  schema_evolution: str | None = None) -> _engine.FileOptions:
    if schema_evolution not in _EVOLUTIONS:
        raise ValueError(f'schema_evolution must be None, "first" or "union", got {schema_evolution!r}')
    if hive_partitioning not in ("auto", True, False):
        raise ValueError(f'hive_partitioning must be "auto", True or False, got {hive_partitioning!r}')
    out = _engine.FileOptions()
    out.storage = _storage(storage_options)
    if hive_partitioning != "auto":
        out.hive_partitioning = bool(hive_partitioning)
    out.hive_schema = list((hive_schema or {}).items())
    out.set_schema_evolution(_EVOLUTIONS.index(schema_evolution))
    return out


@hints.told(hints.READING)
def scan_parquet(path: Paths, *, storage_options: StorageOptions | None = None,
                 hive_partitioning: bool | Literal["auto"] = "auto", hive_schema: Mapping[str, str] | None = None,
                 schema_evolution: SchemaEvolution | None = None) -> Frame:
    """Parquet files: a path, a glob, a directory, a URL or several, read lazily, in byte order of their names.

    `storage_options` (all formats): endpoint, region, access_key, secret_key, session_token, bearer_token (of http), path_style, anonymous, ca_file, timeout_ms,
    connect_timeout_ms, retries; what is not named comes from the environment.

    Folders named key=value become columns; a filter over them alone decides which files are opened. "auto" does so when all files have
    the same keys and were not named one by one. `hive_schema` gives types of keys; else they are int64, date or string.

    Files whose columns differ are an error, or with `schema_evolution` one table: "first" has the columns of the first file, "union" those of
    all; what a file has not is null, and narrower types are widened.

    >>> import gristmill as gm, pathlib, tempfile
    >>> lake = pathlib.Path(tempfile.mkdtemp())
    >>> for year in (2023, 2024):
    ...     (lake / f"year={year}").mkdir()
    ...     _ = gm.from_pydict({"fare": [year / 100]}).sink_parquet(lake / f"year={year}" / "part.parquet")
    >>> gm.scan_parquet(lake).filter(gm.col("year") > 2023).collect().to_pydict()
    {'fare': [20.24], 'year': [2024]}
    """
    return Frame(_engine.scan_parquet(_paths(path), _file_options(storage_options, hive_partitioning, hive_schema, schema_evolution)))


@hints.told(hints.READING)
def scan_ipc(path: Paths, *, storage_options: StorageOptions | None = None,
             hive_partitioning: bool | Literal["auto"] = "auto", hive_schema: Mapping[str, str] | None = None,
             schema_evolution: SchemaEvolution | None = None) -> Frame:
    """Arrow IPC files and streams: a path, a glob, a directory, a URL or several. Options as of scan_parquet()."""
    return Frame(_engine.scan_ipc(_paths(path), _file_options(storage_options, hive_partitioning, hive_schema, schema_evolution)))
