"""A Kafka broker of the tests' own: one process without containers, in a temporary folder, on ports of the loopback interface.

The broker's jars come through Maven, pinned, once for a checkout (.cache/kafka, which git ignores). It stands where Java and Maven do: without
them, or where the jars cannot be had, `missing()` says why and tests skip. kill() ends it as a crash does; start() brings it back with
its data.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

VERSION = "4.3.1"
LOGGING = "1.7.36"
CACHE = Path(os.environ.get("GRISTMILL_TEST_CACHE", Path(__file__).resolve().parents[2] / ".cache")) / f"kafka-{VERSION}"
JAVA_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{LOGGING}</version></dependency>
  </dependencies>
</project>
"""

_missing: str | None = None
_looked = False


def missing() -> str | None:
    """Why there can be no broker here; None: the jars are there. Fetches them the first time."""
    global _missing, _looked
    if not _looked:
        _missing, _looked = _fetch(), True
    return _missing


def _fetch() -> str | None:
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            return f"no {program}: ./run test installs it, or apt-get install {package}"
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with open(CACHE.parent / "kafka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if CACHE.is_dir():
            return None
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
            Path(folder, "pom.xml").write_text(POM)
            done = subprocess.run(["mvn", "-q", "-B", "-f", f"{folder}/pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime",
                                   f"-DoutputDirectory={folder}/jars"], capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                return f"the broker's jars cannot be had: {(done.stdout + done.stderr)[-400:]}"
            os.rename(f"{folder}/jars", CACHE)
    return None


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class KafkaServer:
    def __init__(self, settings: dict[str, object] | None = None) -> None:
        reason = missing()
        if reason is not None:
            raise RuntimeError(reason)
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-kafka-"))
        self.port, controller = free_port(), free_port()
        self.properties = self.folder / "server.properties"
        self.properties.write_text("\n".join(f"{k}={v}" for k, v in {
            "process.roles": "broker,controller", "node.id": 1, "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}", "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "log.dirs": self.folder / "data",
            "offsets.topic.replication.factor": 1, "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
            "offsets.topic.num.partitions": 2, "transaction.state.log.num.partitions": 2, "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false", "broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 300, "log.cleaner.enable": "false", "log.retention.ms": -1, "num.partitions": 1,
            **(settings or {}),
        }.items()) + "\n")
        self.log = open(self.folder / "log", "ab")
        self.process: subprocess.Popen[bytes] | None = None
        cluster = "-"
        while cluster.startswith("-"):  # the tool would take it for a flag
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(self.properties)),
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"the broker's folder cannot be made: {done.stdout}{done.stderr}")
        self.start()

    def _java(self, main: str, *arguments: str) -> list[str]:
        return ["java", *JAVA_OPTIONS, "-cp", f"{CACHE}/*", main, *arguments]

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        self.process = subprocess.Popen(self._java("kafka.Kafka", str(self.properties)), stdout=self.log, stderr=self.log, cwd=self.folder)
        deadline = time.monotonic() + 60
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start: {(self.folder / 'log').read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=5)
                return
            except (OSError, KafkaException):
                time.sleep(0.05)

    def kill(self) -> None:
        """As a crash ends it: at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, topic: str, partitions: int = 1, **settings: str) -> str:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.servers})
        for made in admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1, config=settings)]).values():
            made.result(30)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # until the broker itself knows it
            found = admin.list_topics(timeout=10).topics.get(topic)
            if found is not None and len(found.partitions) == partitions and all(p.leader == 1 for p in found.partitions.values()):
                return topic
            time.sleep(0.02)
        raise RuntimeError(f"the topic {topic} did not come to be")
