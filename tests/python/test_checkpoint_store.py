"""Folders of checkpoints: what is complete, what a crash leaves, damage, two writers, stores that fail; and the command's verbs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
import s3_server
from fault_proxy import fault_proxy

import gristmill as gm
from gristmill import _engine

SEED = 20260131
NOW = 1_767_225_600_000_000


def store(path: Any, **storage: str) -> Any:
    return _engine.CheckpointStore(str(path), storage)


def parts_of(epoch: int, size: int = 1000) -> list[tuple[str, bytes]]:
    rng = random.Random(epoch)
    return [("window.0/group 1", rng.randbytes(size)), ("window.0/group 2", b""), ("positions", b"epoch %d" % epoch)]


def write(s: Any, epoch: int, commit: bool = True, size: int = 1000) -> None:
    s.write(epoch, parts_of(epoch, size), {"stream": "orders", "workers": "2"}, NOW + epoch, commit)


def epochs(s: Any) -> list[int]:
    return [c["epoch"] for c in s.list()[0]]


def check(s: Any, epoch: int, size: int = 1000) -> None:
    c = s.inspect(epoch)
    assert [(n, b) for n, b in c["parts"]] == [(n, len(b)) for n, b in parts_of(epoch, size)]
    assert c["facts"] == {"stream": "orders", "workers": "2"} and c["created_micros"] == NOW + epoch
    for name, bytes_ in parts_of(epoch, size):
        assert bytes(s.read(epoch, name)) == bytes_


def test_two_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    s = store(tmp_path / "deep" / "state")
    assert s.newest(1 << 62)["epoch"] == 0 and epochs(s) == []
    for epoch in range(1, 6):
        write(s, epoch)
    assert epochs(s) == [4, 5]
    check(s, 4)
    check(s, 5)
    assert s.newest(1 << 62)["epoch"] == 5 and s.newest(4)["epoch"] == 4 and s.newest(3)["epoch"] == 0
    with pytest.raises(gm.IoError, match="no checkpoint of epoch 3.*the newest is of epoch 5"):
        s.inspect(3)
    s.remove_after(4)
    assert epochs(s) == [4]


def test_without_its_manifest_a_checkpoint_is_not_there(tmp_path: Path) -> None:
    s = store(tmp_path)
    write(s, 1)
    write(s, 2, commit=False)
    assert epochs(store(tmp_path)) == [1]
    (tmp_path / "epoch-000000000003").mkdir()
    (tmp_path / "epoch-000000000003" / "state").write_bytes(b"half")
    assert epochs(store(tmp_path)) == [1] and store(tmp_path).newest(1 << 62)["epoch"] == 1
    write(s, 3)  # over what was left
    check(s, 3)
    write(s, 4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-000000000003", "epoch-000000000004", "owner"]


def test_damage_is_an_error_and_never_a_result(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    s = store(tmp_path)
    write(s, 1)
    write(s, 2)
    state = tmp_path / "epoch-000000000002" / "state"
    whole = state.read_bytes()
    first = parts_of(2)[0]
    for _ in range(20):
        broken = bytearray(whole)
        broken[rng.randrange(len(first[1]))] ^= 1 << rng.randrange(8)
        state.write_bytes(broken)
        with pytest.raises(gm.IoError, match="damaged"):
            s.read(2, first[0])
    state.write_bytes(whole[:500])
    with pytest.raises(gm.GristmillError):
        s.read(2, first[0])
    state.write_bytes(whole)
    check(s, 2)
    manifest = tmp_path / "epoch-000000000002" / "manifest.json"
    text = manifest.read_text()
    for wrong in (text[: len(text) // 2], "", "[]", text.replace('"offset":0', '"offset":7'), text.replace('"epoch":2', '"epoch":3'),
                  text.replace("gristmill checkpoint", "something")):
        manifest.write_text(wrong)
        with pytest.raises(gm.IoError):
            s.inspect(2)
        listed, damaged = s.list()
        assert [c["epoch"] for c in listed] == [1] and len(damaged) == 1
    manifest.write_text(text.replace('"version":1', '"version":2'))
    with pytest.raises(gm.IoError, match="has version 2 of the form; this program knows version 1"):
        s.inspect(2)


def test_whoever_opens_a_folder_for_writing_takes_it_over(tmp_path: Path) -> None:
    old, new = store(tmp_path), store(tmp_path)
    write(old, 1)
    new.take_over()
    with pytest.raises(gm.IoError, match="another run writes its checkpoints"):
        write(old, 2)
    write(new, 2)
    assert epochs(store(tmp_path)) == [1, 2]


CHILD = """
import sys
from gristmill import _engine
s = _engine.CheckpointStore(sys.argv[1], {})
first = int(sys.argv[2])
print("ready", flush=True)
for epoch in range(first, first + 100000):
    s.write(epoch, [("a", bytes([epoch % 256]) * 300000), ("b", b"%d" % epoch)], {}, 1, True)
"""


def test_a_process_killed_while_it_writes_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    newest = 0
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(newest + 1)], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline()
        time.sleep(rng.random() * 0.1)
        child.send_signal(signal.SIGKILL)
        child.wait()
        s = store(tmp_path)
        found = s.newest(1 << 62)["epoch"]
        assert found >= newest
        newest = found
        for epoch in epochs(s):
            assert bytes(s.read(epoch, "a")) == bytes([epoch % 256]) * 300000 and bytes(s.read(epoch, "b")) == b"%d" % epoch
    assert newest > 0


def test_a_disk_that_is_full_says_so_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        s = store(small / "state")
        write(s, 1, size=300_000)
        with pytest.raises(gm.IoError, match="disk full"):
            write(s, 2, size=2_000_000)
        assert epochs(store(small / "state")) == [1]
        check(store(small / "state"), 1, 300_000)
        write(s, 3, size=300_000)
        assert epochs(store(small / "state")) == [1, 3]
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.fixture(scope="module")
def server() -> Iterator[s3_server.S3Server]:
    with s3_server.s3_server() as made:
        made.files().create_dir("state")
        yield made


def test_in_a_store(server: s3_server.S3Server) -> None:
    s = store("s3://state/job", **server.options)
    assert s.newest(1 << 62)["epoch"] == 0
    for epoch in range(1, 5):
        write(s, epoch)
    assert epochs(s) == [3, 4]
    check(s, 4)
    assert server.keys("state") == [f"state/job/epoch-00000000000{e}/{f}" for e in (3, 4) for f in ("manifest.json", "state")] + ["state/job/owner"]
    s.remove_after(3)
    assert epochs(store("s3://state/job", **server.options)) == [3]


def test_in_a_store_that_fails_now_and_then(server: s3_server.S3Server) -> None:
    print("seed", SEED)
    done = []
    with fault_proxy(server.port, SEED, 0.15, faults=("error", "slow_down", "reset")) as proxy:
        s = store("s3://state/faulty", **{**server.options, "endpoint": f"http://127.0.0.1:{proxy.port}"})
        for epoch in range(1, 8):
            try:
                write(s, epoch)
                done.append(epoch)
            except gm.IoError:
                pass  # more faults than retries: then there is no such checkpoint, or a whole one
    assert proxy.injected and done
    clean = store("s3://state/faulty", **server.options)
    found = epochs(clean)
    assert found and found[-1] >= done[-1]
    for epoch in found:
        check(clean, epoch)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "gristmill"
    return subprocess.run([str(program), *arguments], capture_output=True, text=True)


def test_the_command_lists_inspects_and_goes_back(tmp_path: Path) -> None:
    s = store(tmp_path)
    for epoch in (1, 2):
        write(s, epoch)
    rows = [json.loads(line) for line in command("checkpoint", "list", str(tmp_path), "--json").stdout.splitlines()]
    assert [(r["epoch"], r["stream"], r["parts"], r["bytes"]) for r in rows] == [(1, "orders", 3, 1007), (2, "orders", 3, 1007)]
    rows = [json.loads(line) for line in command("checkpoint", "inspect", str(tmp_path), "--json").stdout.splitlines()]
    assert [(r["kind"], r["name"], r["value"]) for r in rows][1:] == [
        ("fact", "stream", "orders"), ("fact", "workers", "2"), ("part", "window.0/group 1", "whole"), ("part", "window.0/group 2", "whole"), ("part", "positions", "whole")]
    (tmp_path / "epoch-000000000002" / "state").write_bytes(b"x" * 1007)
    assert "damaged" in command("checkpoint", "inspect", str(tmp_path), "2").stdout
    refused = command("checkpoint", "restore", str(tmp_path), "2")
    assert refused.returncode == 1 and "damaged" in refused.stderr and epochs(s) == [1, 2]
    done = command("checkpoint", "restore", str(tmp_path), "1")
    assert done.returncode == 0 and "goes on from epoch 1" in done.stderr and epochs(s) == [1]
    with pytest.raises(gm.IoError, match="another run writes"):
        write(s, 2)  # the run that went on meanwhile is stopped
    for wrong in (["checkpoint"], ["checkpoint", "look", "x"], ["checkpoint", "restore", str(tmp_path)], ["checkpoint", "list", str(tmp_path), "1"],
                  ["checkpoint", "inspect", str(tmp_path), "one"]):
        assert command(*wrong).returncode == 2, wrong
    assert command("checkpoint", "inspect", str(tmp_path / "nothing")).returncode == 1
