"""Frames over files, and what all formats have in common about where files lie."""

from __future__ import annotations

import os
from typing import Any, Mapping

from . import _engine
from .frame import Frame

StorageOptions = Mapping[str, Any]


def _storage(options: StorageOptions | None) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in (options or {}).items()}


def _file_options(storage_options: StorageOptions | None) -> _engine.FileOptions:
    out = _engine.FileOptions()
    out.storage = _storage(storage_options)
    return out


def _sink_options(storage_options: StorageOptions | None) -> _engine.SinkOptions:
    out = _engine.SinkOptions()
    out.storage = _storage(storage_options)
    return out


def scan_parquet(path: str | os.PathLike, *, storage_options: StorageOptions | None = None) -> Frame:
    """Parquet files: a path, a glob, a directory or a URL, read lazily, in byte order of their names.

    `storage_options` (all formats): endpoint, region, access_key, secret_key, session_token, path_style, anonymous, ca_file, timeout_ms,
    connect_timeout_ms, retries; what is not named comes from the environment.
    """
    return Frame(_engine.scan_parquet(os.fspath(path), _file_options(storage_options)))


def scan_ipc(path: str | os.PathLike, *, storage_options: StorageOptions | None = None) -> Frame:
    """Arrow IPC files and streams: a path, a glob, a directory or a URL."""
    return Frame(_engine.scan_ipc(os.fspath(path), _file_options(storage_options)))
