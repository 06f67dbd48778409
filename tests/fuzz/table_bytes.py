"""A table as bytes, to say that two answers are the same in every bit."""

from __future__ import annotations

import io

import pyarrow as pa


def as_bytes(table: pa.Table) -> bytes:
    """Texts and dictionaries as plain text: where views point to may differ."""
    def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column

    table = pa.table([plain(c) for c in table.columns], names=[str(i) for i in range(table.num_columns)]).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
