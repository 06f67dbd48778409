"""An S3-compatible store for measuring: S3Proxy 4.1.0 over a folder, one JVM.

moto, which the tests use, answers in Python under its lock and takes the cores that what is measured should have. Needs a JDK 17 and Maven; the
first start downloads 55 MB into .cache/s3proxy. Requests are signed and checked, as in an installation.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from s3_server import ACCESS_KEY, SECRET_KEY, S3Server, free_port, serving

VERSION = "4.1.0"
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "s3proxy"
_JAR = _CACHE / f"s3proxy-{VERSION}-jar-with-dependencies.jar"


def _fetched() -> Path:
    if not _JAR.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mvn", "-B", "-q", "dependency:copy", f"-Dartifact=org.gaul:s3proxy:{VERSION}:jar:jar-with-dependencies",
                               f"-DoutputDirectory={_CACHE}"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"S3Proxy cannot be had: {(done.stderr or done.stdout).strip()[-500:]}")
    return _JAR


@contextlib.contextmanager
def s3proxy_server() -> Iterator[S3Server]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gristmill-s3proxy-") as folder:
        (Path(folder) / "objects").mkdir()
        settings = {"s3proxy.authorization": "aws-v2-or-v4", "s3proxy.endpoint": f"http://127.0.0.1:{port}", "s3proxy.identity": ACCESS_KEY,
                    "s3proxy.credential": SECRET_KEY, "jclouds.provider": "filesystem-nio2", "jclouds.identity": "local",
                    "jclouds.credential": "local", "jclouds.filesystem.basedir": f"{folder}/objects"}
        (Path(folder) / "s3proxy.conf").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-DLOG_LEVEL=warn", "-jar", str(_fetched()), "--properties", f"{folder}/s3proxy.conf"]
        with serving(command, port) as server:
            yield server
