"""Topics of Kafka as streams, and streams into topics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Mapping, Sequence

from .. import _engine

if TYPE_CHECKING:
    from .stream import Stream

Metadata = Literal["key", "partition", "offset", "timestamp", "headers", "topic"]
_ALL: tuple[Metadata, ...] = ("key", "partition", "offset", "timestamp", "headers", "topic")


def _columns(schema: Mapping[str, str] | Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    if schema is None:
        return []
    return list(schema.items()) if isinstance(schema, Mapping) else [(n, t) for n, t in schema]


def from_kafka(topic: str, servers: str, *, format: Literal["json", "avro", "ipc", "raw", "text"] = "json",
               schema: Mapping[str, str] | Sequence[tuple[str, str]] | None = None, metadata: bool | Sequence[Metadata] = False,
               keys: Literal["text", "raw"] = "text", start: str | int = "earliest", until: Literal["end"] | None = None, group: str = "",
               balance: bool = False, on_error: Literal["fail", "skip", "dead_letter"] = "fail", dead_letters: str | os.PathLike[str] = "",
               extra_fields: bool = True, try_parse_dates: bool = False, avro_schema: str = "",
               avro_framing: Literal["none", "registry", "single_object"] = "none", properties: Mapping[str, str] | None = None) -> "Stream":
    """The messages of a topic as a stream that does not end; with `until="end"` up to what the topic holds now.

    - `format`: "json" (`schema` says the columns, or they are guessed), "avro" (`avro_schema`), "ipc", "raw" or "text"
    - `metadata`: True, or some of key, partition, offset, timestamp, headers, topic: columns _key, _partition, ...
    - `start` without a checkpoint: "earliest", "latest", "committed" (of `group`), or a time
    - `on_error` of a message that cannot be read: "fail", "skip", or "dead_letter" into the file `dead_letters`
    - `balance`: the group deals partitions out among processes; for streams without state and checkpoint
    - `properties`: settings of librdkafka as they are
    """
    from .stream import Stream

    wanted: list[str] = list(_ALL) if metadata is True else list(metadata or ())
    if keys not in ("text", "raw"):
        raise ValueError(f'keys are read as "text" or "raw", not {keys!r}')
    if until not in ("end", None):
        raise ValueError(f'until is "end" or None, not {until!r}')
    return Stream(_engine.stream_from_kafka(topic, {
        "servers": servers, "format": format, "schema": _columns(schema), "metadata": wanted, "text_keys": keys == "text", "start": str(start),
        "until_end": until == "end", "group": group, "balance": balance, "on_error": on_error, "dead_letters": os.fspath(dead_letters),
        "extra_fields": extra_fields, "try_parse_dates": try_parse_dates, "avro_schema": avro_schema, "avro_framing": avro_framing,
        "properties": {k: str(v) for k, v in (properties or {}).items()}}))


def to_kafka(stream: "Stream", topic: str, servers: str, *, format: Literal["json", "avro", "ipc", "raw"] = "json", key: str = "",
             partition: str = "", timestamp: str = "", headers: str = "", only_metadata: bool = False, exactly_once: bool = True,
             transactional_id: str = "", omit_nulls: bool = False, avro_schema: str = "", avro_framing: Literal["none", "registry"] = "none",
             registry_id: int = 0, ipc_rows: int = 1000, properties: Mapping[str, str] | None = None) -> None:
    """Runs a stream into a topic, a message a row (Arrow IPC: `ipc_rows` a message).

    `key`, `partition`, `timestamp` and `headers` name columns. With `exactly_once` the rows between two checkpoints are a transaction.
    """
    options = {
        "servers": servers, "format": format, "key": key, "partition": partition, "timestamp": timestamp, "headers": headers,
        "only_metadata": only_metadata, "exactly_once": exactly_once, "transactional_id": transactional_id, "omit_nulls": omit_nulls,
        "avro_schema": avro_schema, "avro_framing": avro_framing, "registry_id": registry_id, "ipc_rows": ipc_rows,
        "properties": {k: str(v) for k, v in (properties or {}).items()}}
    stream._run(lambda control: _engine.stream_write_kafka(stream._s, topic, options, control))
