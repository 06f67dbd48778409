"""Sinks of epochs other than topics: folders of files, local and in a store, and PostgreSQL. Processes are killed between flush and commit."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Iterator

import pyarrow as pa
import pytest
import s3_server
from postgres import PostgresServer
from test_kafka_sink import run_child
from topics import Sink

import gristmill as gm
from gristmill import _engine

FORMATS = {"parquet": ".parquet", "csv": ".csv", "ndjson": ".ndjson", "ipc": ".arrow"}


def rows_of(first: int, n: int) -> pa.Table:
    return pa.table({"id": pa.array(range(first, first + n), pa.int64()), "s": pa.array([f"row {i}" for i in range(n)], pa.string())})


def files(folder: Path, form: str = "parquet", name: str = "job", schema: pa.Schema | None = None) -> Sink:
    return Sink(_engine.EpochSink.files(str(folder), form, "", {}), name, schema or rows_of(0, 0).schema)


def read(folder: Path | str, ending: str) -> list[int]:
    scan = {".parquet": gm.scan_parquet, ".csv": gm.scan_csv, ".ndjson": gm.scan_ndjson, ".arrow": gm.scan_ipc}[ending]
    return scan(str(folder)).select("id").collect().to_arrow()["id"].to_pylist()


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


@pytest.mark.parametrize("form", list(FORMATS))
def test_files_appear_with_their_epoch(tmp_path: Path, form: str) -> None:
    ending = FORMATS[form]
    s = files(tmp_path, form)
    assert (s.committed, s.sink.exactly_once(), s.sink.keeps_flushed()) == (0, True, True)
    s.epoch(1, rows_of(0, 100_000))
    s.epoch(2, rows_of(0, 0))
    token = s.epoch(3, rows_of(100_000, 10), commit=False)
    assert visible(tmp_path) == [f"part-000000000001{ending}"]
    again = files(tmp_path, form)  # as after a crash: the snapshot has the token
    assert again.committed == 2
    again.sink.commit(3, token)
    again.sink.commit(3, token)  # any number of times
    assert visible(tmp_path) == [f"part-00000000000{i}{ending}" for i in (1, 3)]
    assert read(tmp_path, ending) == list(range(100_010))
    for epoch in (1, 2, 3):  # what counts already is skipped
        again.epoch(epoch, rows_of(7, 7))
    assert read(tmp_path, ending) == list(range(100_010))


def test_rows_of_an_epoch_that_comes_again_replace_those_that_never_counted(tmp_path: Path) -> None:
    s = files(tmp_path)
    s.epoch(1, rows_of(0, 10))
    s.epoch(2, rows_of(10, 10), commit=False)
    again = files(tmp_path)
    again.epoch(2, rows_of(10, 5))
    assert read(tmp_path, ".parquet") == list(range(15))
    assert not [p for p in (tmp_path / ".gristmill" / "job").iterdir() if p.name.startswith("part-")]
    again.sink.begin(3)
    again.write(rows_of(50, 5))
    again.sink.abort()
    assert read(tmp_path, ".parquet") == list(range(15))


def test_a_crash_between_the_manifest_and_the_rename_is_mended_by_opening(tmp_path: Path) -> None:
    s = files(tmp_path)
    s.epoch(1, rows_of(0, 10))
    os.rename(tmp_path / "part-000000000001.parquet", tmp_path / ".gristmill" / "job" / "part-000000000001.parquet")
    assert files(tmp_path).committed == 1
    assert read(tmp_path, ".parquet") == list(range(10))


def test_two_streams_share_a_folder_only_under_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(gm.PlanError, match="no slash"):
        files(tmp_path, name="a/b")
    with pytest.raises(gm.PlanError, match='unknown format of files "parqet".*did you mean "parquet"'):
        files(tmp_path, "parqet")


@pytest.mark.parametrize("die", ["before_flush", "before_commit", "after_commit"])
def test_a_process_killed_while_it_writes_files(tmp_path: Path, die: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert run_child("files", str(folder), 1, "never", "parquet")[0] == "committed 0"
    out = run_child("files", str(folder), 2, die, "parquet")
    counted = 2 if die == "after_commit" else 1
    assert read(folder, ".parquet") == list(range(1000, 1000 * (counted + 1)))
    s = files(folder, schema=pa.schema([("id", pa.int64())]))
    assert s.committed == counted
    token = [line[6:] for line in out if line.startswith("token ")]
    if token:  # the snapshot was durable: the epoch is finished from it
        s.sink.commit(2, token[0].encode())
    else:
        s.epoch(2, pa.table({"id": pa.array(range(2000, 3000), pa.int64())}))
    assert read(folder, ".parquet") == list(range(1000, 3000))


@pytest.fixture(scope="module")
def store() -> Iterator[s3_server.S3Server]:
    with s3_server.s3_server() as server:
        server.files().create_dir("epochs")
        yield server


def test_files_in_a_store(store: s3_server.S3Server) -> None:
    def sink() -> Sink:
        return Sink(_engine.EpochSink.files("s3://epochs/out", "parquet", "", store.options), "job", rows_of(0, 0).schema)

    def ids() -> list[int]:
        return gm.scan_parquet("s3://epochs/out", storage_options=store.options).select("id").collect().to_arrow()["id"].to_pylist()

    s = sink()
    s.epoch(1, rows_of(0, 1000))
    token = s.epoch(2, rows_of(1000, 1000), commit=False)
    assert ids() == list(range(1000))
    again = sink()
    assert again.committed == 1
    again.sink.commit(2, token)
    again.sink.commit(2, token)
    assert ids() == list(range(2000))
    again.epoch(3, rows_of(2000, 5), commit=False)
    last = sink()
    last.epoch(3, rows_of(2000, 1))
    assert ids() == list(range(2001))
    assert [k for k in store.keys("epochs") if "/.gristmill/" in k] == ["epochs/out/.gristmill/job/manifest.json"]


def postgres_sink(server: PostgresServer, table: str, mode: str = "append", key: list[str] | None = None, name: str = "job") -> Sink:
    return Sink(_engine.EpochSink.postgres(server.uri, table, mode, key or []), name, rows_of(0, 0).schema)


def test_postgres_keeps_the_epoch_with_the_rows(server: PostgresServer) -> None:
    server.sql("drop table if exists epochs_kept; drop table if exists gristmill_epochs")
    s = postgres_sink(server, "epochs_kept", "create")
    s.epoch(1, rows_of(0, 1000))
    assert server.sql("select sink, epoch from gristmill_epochs") == [("job", 1)]
    s.epoch(2, rows_of(1000, 0))
    s.epoch(3, rows_of(1000, 100), commit=False)
    assert server.sql("select count(*) from epochs_kept") == [(1000,)]
    del s
    again = postgres_sink(server, "epochs_kept", "create")
    assert (again.committed, again.sink.keeps_flushed()) == (2, False)
    again.epoch(2, rows_of(5, 5))
    again.epoch(3, rows_of(1000, 100))
    assert server.sql("select count(*), count(distinct id), max(id) from epochs_kept") == [(1100, 1100, 1099)]
    with pytest.raises(gm.GristmillError, match="was not flushed"):
        again.sink.commit(9, b"")


def test_a_run_that_was_replaced_cannot_commit(server: PostgresServer) -> None:
    server.sql("drop table if exists epochs_fenced")
    server.sql("create schema if not exists \"my.schema\"")
    server.sql("drop table if exists \"my.schema\".epochs_fenced; create table \"my.schema\".epochs_fenced (id bigint, s text)")
    table = '"my.schema".epochs_fenced'
    old = postgres_sink(server, table)
    old.epoch(1, rows_of(0, 10))
    old.sink.begin(2)
    old.write(rows_of(10, 10))
    new = postgres_sink(server, table)
    assert new.committed == 1
    with pytest.raises(gm.IoError, match="another run writes"):
        old.sink.flush(2)
    old.sink.abort()
    new.epoch(2, rows_of(10, 3))
    assert server.sql(f"select count(*) from {table}") == [(13,)]
    assert server.sql('select epoch from "my.schema".gristmill_epochs') == [(2,)]


def test_a_table_of_the_newest_row_by_key(server: PostgresServer) -> None:
    server.sql("drop table if exists epochs_upsert; create table epochs_upsert (id bigint primary key, s text)")
    s = postgres_sink(server, "epochs_upsert", "upsert", ["id"], "upserting")
    s.epoch(1, rows_of(0, 10))
    s.epoch(2, pa.table({"id": pa.array([3, 3, 50], pa.int64()), "s": ["x", "y", "z"]}))
    assert server.sql("select id, s from epochs_upsert where id in (3, 50) order by id") == [(3, "y"), (50, "z")]
    assert server.sql("select count(*) from epochs_upsert") == [(11,)]


@pytest.mark.parametrize("die", ["before_flush", "before_commit", "after_commit"])
def test_a_process_killed_while_it_writes_rows(server: PostgresServer, die: str) -> None:
    server.sql("drop table if exists epochs_killed; drop table if exists gristmill_epochs")
    assert run_child("postgres", server.uri, 1, "never", "epochs_killed")[0] == "committed 0"
    run_child("postgres", server.uri, 2, die, "epochs_killed")
    counted = 2 if die == "after_commit" else 1
    assert run_child("postgres", server.uri, 2, "never", "epochs_killed")[0] == f"committed {counted}"
    assert server.sql("select count(*), count(distinct id), min(id), max(id) from epochs_killed") == [(2000, 2000, 1000, 2999)]


def test_an_error_of_the_server_names_the_row_and_undoes_the_epoch(server: PostgresServer) -> None:
    server.sql("drop table if exists epochs_checked; create table epochs_checked (id bigint check (id < 15), s text)")
    s = postgres_sink(server, "epochs_checked", name="checked")
    s.epoch(1, rows_of(0, 10))
    with pytest.raises(gm.DataError, match="epochs_checked_id_check"):
        s.epoch(2, rows_of(10, 10))
    assert server.sql("select count(*) from epochs_checked") == [(10,)]
    assert postgres_sink(server, "epochs_checked", name="checked").committed == 1


def test_epochs_written_at_the_same_time_by_streams_of_their_own(server: PostgresServer) -> None:
    server.sql("drop table if exists epochs_many; create table epochs_many (id bigint, s text); drop table if exists gristmill_epochs")
    failed: list[BaseException] = []

    def one(i: int) -> None:
        try:
            s = postgres_sink(server, "epochs_many", name=f"job {i}")
            for epoch in range(1, 6):
                s.epoch(epoch, rows_of(1000 * i + 10 * epoch, 10))
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed
    assert server.sql("select count(*), count(distinct id) from epochs_many") == [(300, 300)]
    assert server.sql("select count(*), min(epoch), max(epoch) from gristmill_epochs") == [(6, 5, 5)]


def test_streams_without_names_share_a_database_but_not_a_table(server: PostgresServer, tmp_path: Path) -> None:
    server.sql("drop table if exists unnamed_a; drop table if exists unnamed_b; drop table if exists gristmill_epochs")

    def run(state: str, table: str) -> None:
        data = pa.table({"id": list(range(100))})
        gm.Stream.replay(data, 10).checkpoint(tmp_path / state, interval_seconds=0.01).write_postgres(server.uri, table, mode="create")

    run("a", "unnamed_a")
    run("b", "unnamed_b")
    run("a", "unnamed_a")  # it has ended: nothing comes twice
    assert server.sql("select (select count(*) from unnamed_a), (select count(*) from unnamed_b)") == [(100, 100)]
    with pytest.raises(gm.PlanError, match="holds rows of a stream without a name.*has no checkpoint of it") as e:
        run("c", "unnamed_a")
    assert "named(" in str(e.value)


def test_tokens_say_what_they_are(tmp_path: Path) -> None:
    s = files(tmp_path)
    token = json.loads(s.epoch(1, rows_of(0, 1), commit=False))
    assert token == {"version": 1, "epoch": 1, "files": ["part-000000000001.parquet"]}
    with pytest.raises(gm.IoError, match="cannot read what an epoch left"):
        s.sink.commit(1, b"{}")
    os.unlink(tmp_path / ".gristmill" / "job" / "part-000000000001.parquet")
    with pytest.raises(gm.IoError, match="the file of epoch 1 is gone"):
        s.sink.commit(1, json.dumps(token).encode())
