"""Files: read lazily, only the columns and rows a query needs; write results complete or not at all."""

import tempfile
from pathlib import Path

import gristmill as gm
from gristmill import col
from gristmill import selectors as cs

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder)
    for month in (1, 2, 3):
        rows = [{"id": 1000 * month + i, "month": month, "amount": i * 1.25, "note": f"row {i}"} for i in range(1000)]
        gm.from_pylist(rows).sink_parquet(path / f"sales-{month}.parquet")

    sales = gm.scan_parquet(path / "sales-*.parquet")  # a glob is one table
    large = sales.filter(col("amount") > 1200).select(cs.integer(), "amount")
    print(large.explain())  # the filter and the columns went into the scan
    print(large.collect())

    # Straight from file to file, in bounded memory.
    written = large.sink_ipc(path / "large.arrow")
    assert gm.read_ipc(path / "large.arrow").num_rows == written

    # Or batch by batch while the query runs.
    print(sum(batch.num_rows for batch in sales.collect_batches()), "rows in batches")

    # Does the data keep its promises?
    report = sales.validate(not_null=["id", "amount"], unique="id", range={"amount": (0, 1000)}, on_failure="report")
    print(report)
