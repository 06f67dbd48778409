"""TPC-H tables as Parquet, written by tpchgen-cli (installed on demand)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .tables import DATA

_GENERATOR = "tpchgen-cli==4.0.0"


def _generator() -> str:
    beside = Path(sys.executable).with_name("tpchgen-cli")
    if not beside.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", _GENERATOR], check=True)
    return str(beside)


def _plain(source: Path, target: Path) -> None:
    """The same rows with strings as plain utf8 instead of string views."""
    with pq.ParquetFile(source) as file:
        fields = [f.with_type(pa.string()) if pa.types.is_string_view(f.type) else f for f in file.schema_arrow]
        schema = pa.schema(fields)
        with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as out:
            for group in range(file.num_row_groups):
                out.write_table(file.read_row_group(group).cast(schema))


def folder(scale_factor: str, strings: str) -> Path:
    """The folder of the eight files; generated when it is not there."""
    views = DATA / f"tpch_sf{scale_factor}"
    if not views.exists():
        unfinished = views.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        subprocess.run([_generator(), "parquet", "-s", scale_factor, "-c", "ZSTD(1)", "-o", str(unfinished)], check=True, stdout=subprocess.DEVNULL)
        unfinished.rename(views)
    if strings == "view":
        return views
    plain = DATA / f"tpch_sf{scale_factor}_utf8"
    if not plain.exists():
        unfinished = plain.with_suffix(".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        for source in sorted(views.glob("*.parquet")):
            _plain(source, unfinished / source.name)
        unfinished.rename(plain)
    return plain
