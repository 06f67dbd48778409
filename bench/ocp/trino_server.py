"""A Trino 435 server of one node, put together from Maven artifacts, and the job as its incumbent ran it there.

Needs a JDK 17, Maven and unzip; the first start downloads about 450 MB into .cache/trino. Tables lie over the generated Parquet files, the
metastore is a folder. The job writes a staging table in Parquet, adds the unallocated rows to it, and its rows go into PostgreSQL by COPY.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import zipfile
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

_HERE = Path(__file__).parent / "trino"
_STAND = Path(__file__).resolve().parents[2] / ".cache" / "trino"
VERSION = "435"
# The flags of this version's documented jvm.config, heap aside.
_FLAGS = ("-XX:+ExplicitGCInvokesConcurrent -XX:+ExitOnOutOfMemoryError -XX:-OmitStackTraceInFastThrow -XX:ReservedCodeCacheSize=512M "
          "-XX:PerMethodRecompilationCutoff=10000 -XX:PerBytecodeRecompilationCutoff=10000 -Djdk.attach.allowAttachSelf=true "
          "-Djdk.nio.maxCachedBufferSize=2000000 -XX:+UnlockDiagnosticVMOptions -XX:+UseAESCTRIntrinsics -XX:-G1UsePreventiveGC -Duser.timezone=UTC").split()


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stderr


def _assemble() -> None:
    if (_STAND / "done").exists():
        return
    shutil.rmtree(_STAND, ignore_errors=True)
    (_STAND / "classes").mkdir(parents=True)
    maven = ("mvn", "-B", "-q")
    _run(*maven, "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={_STAND / 'lib'}", cwd=_HERE)
    _run(*maven, "dependency:copy", f"-Dartifact=io.trino:trino-hive:{VERSION}:zip", f"-DoutputDirectory={_STAND}", cwd=_HERE)
    with zipfile.ZipFile(_STAND / f"trino-hive-{VERSION}.zip") as archive:
        archive.extractall(_STAND / "plugin")
    plugin = _STAND / "plugin" / "hive"
    (_STAND / "plugin" / f"trino-hive-{VERSION}").rename(plugin)
    _run("javac", "-cp", f"{_STAND}/lib/*", "-d", _STAND / "classes", _HERE / "TrinoBench.java")
    local = _STAND / "local"
    services = local / "META-INF" / "services"
    services.mkdir(parents=True)
    _run("javac", "-cp", f"{plugin}/*:{_STAND}/lib/*", "-d", local, _HERE / "HiveLocalPlugin.java")
    (services / "io.trino.spi.Plugin").write_text("HiveLocalPlugin\n")
    _run("jar", "-cf", plugin / "hive-local.jar", "-C", local, ".")
    (_STAND / f"trino-hive-{VERSION}.zip").unlink()
    (_STAND / "done").touch()


def _its_pattern(like: str | None) -> str | None:
    """The same for Trino, where a backslash before anything but %, _ and itself is an error; to PostgreSQL it says nothing there."""
    return like and re.sub(r"\\(.)", lambda m: m[0] if m[1] in "%_\\" else m[1], like, flags=re.DOTALL)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class TrinoServer:
    """`heap`: what the JVM may use for objects. `started` says how many seconds the start took until a query was answered."""

    def __init__(self, heap: str = "2g") -> None:
        _assemble()
        self.port = _free_port()
        etc, warehouse = _STAND / "etc", _STAND / "warehouse"
        shutil.rmtree(etc, ignore_errors=True)
        shutil.rmtree(warehouse, ignore_errors=True)
        (etc / "catalog").mkdir(parents=True)
        warehouse.mkdir()
        (etc / "config.properties").write_text(
            "node.environment=bench\nnode.id=bench-1\ncoordinator=true\nnode-scheduler.include-coordinator=true\n"
            f"http-server.http.port={self.port}\ndiscovery.uri=http://127.0.0.1:{self.port}\nhttp-server.log.enabled=false\n"
            f"plugin.dir={_STAND / 'plugin'}\ncatalog.config-dir={etc / 'catalog'}\n")
        (etc / "catalog" / "hive.properties").write_text(
            f"connector.name=hive_local\nhive.metastore=file\nhive.metastore.user=bench\nhive.metastore.catalog.dir=local://{warehouse}\nhive.security=allow-all\n"
            "hive.non-managed-table-writes-enabled=true\nhive.storage-format=PARQUET\nhive.compression-codec=SNAPPY\n")
        (etc / "log.properties").write_text("io.trino=INFO\n")
        begin = time.perf_counter()
        self.log = (_STAND / "server.log").open("w")
        self.process = subprocess.Popen(
            ["java", "-server", f"-Xmx{heap}", "-XX:G1HeapRegionSize=8M", *_FLAGS, f"-Dconfig={etc / 'config.properties'}", f"-Dlog.levels-file={etc / 'log.properties'}",
             "-Dlog.enable-console=true", "-cp", f"{_STAND / 'classes'}:{_STAND / 'lib'}/*", "TrinoBench", "server"], stdout=self.log, stderr=subprocess.STDOUT)
        try:
            while "SERVER STARTED" not in (_STAND / "server.log").read_text():
                if self.process.poll() is not None or time.perf_counter() - begin > 180:
                    raise RuntimeError(f"Trino did not start: {(_STAND / 'server.log').read_text()[-2000:]}")
                time.sleep(0.1)
            self._client("ping", self._url)
        except BaseException:
            self.stop()
            raise
        self.started = time.perf_counter() - begin

    @property
    def _url(self) -> str:
        return f"jdbc:trino://127.0.0.1:{self.port}"

    def _client(self, *arguments: str | Path) -> str:
        return _run("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{_STAND / 'classes'}:{_STAND / 'lib'}/*", "TrinoBench", *arguments)

    def tables(self, folder: Path) -> None:
        """Tables over a generated folder; its small CSV tables as Parquet beside it."""
        data = folder / "trino"
        if not data.exists():
            data.mkdir()
            for kind in ("pod", "node_labels", "namespace_labels"):
                (data / kind).mkdir()
                for file in (folder / kind).glob("*.parquet"):
                    os.link(file, data / kind / file.name)
            text = pacsv.ConvertOptions(null_values=["\\N"], strings_can_be_null=True)
            small = {"keys": ("enabled_keys", {"enabled": pa.bool_()}), "categories": ("cost_categories", {"cost_category_id": pa.int32()}), "roles": ("nodes", {})}
            for name, (file, types) in small.items():
                (data / name).mkdir()
                rows = pacsv.read_csv(folder / f"{file}.csv", convert_options=text)
                if name == "categories":
                    rows = rows.set_column(0, "namespace", pa.array(_its_pattern(p) for p in rows["namespace"].to_pylist()))
                pq.write_table(rows.cast(pa.schema([(n, types.get(n, pa.string())) for n in rows.column_names])), data / name / "0.parquet")
        self._client("sql", self._url, _HERE / "tables.sql", "-v", "C=hive", "-v", f"D=local://{data.resolve()}")

    def job(self, folder: Path, table: str, host: str, port: int, user: str, password: str) -> dict[str, float]:
        """Seconds of the statements and of the way into PostgreSQL, without the start of the client."""
        job = json.loads((folder / "job.json").read_text())
        values = {"C": "hive", "S": job["start"], "E": job["end"], "R": job["report_period_id"], "I": job["cluster_id"], "A": job["cluster_alias"], "U": job["source_uuid"]}
        flags = [f for n, v in values.items() for f in ("-v", f"{n}={v}")]
        target = f"jdbc:postgresql://{host}:{port}/postgres?user={user}&password={quote(password, safe='')}&sslmode=require&stringtype=unspecified"
        said = {"statements": self._client("sql", self._url, _HERE / "job.sql", *flags),
                "into PostgreSQL": self._client("sql", self._url, _HERE / "out.sql", *flags, "--pg", target, table)}
        return {name: float(re.findall(r"([0-9.]+) s  all", text)[-1]) for name, text in said.items()}

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
