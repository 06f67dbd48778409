"""A real S3 server (moto) on a port of its own, for as long as a `with` lasts.

It is in requirements.txt: where it is missing these tests fail, they do not skip.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import Iterator

import pyarrow.fs as pafs

ACCESS_KEY, SECRET_KEY = "gristmill-test", "gristmill-secret"


@dataclasses.dataclass(frozen=True)
class S3Server:
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, str]:
        """storage_options for the server itself."""
        return {"endpoint": self.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "region": "us-east-1"}

    @functools.cache
    def files(self) -> pafs.S3FileSystem:
        """An independent client, made once: making one waits for every call of the process that is under way."""
        return pafs.S3FileSystem(endpoint_override=self.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, region="us-east-1",
                                 allow_bucket_creation=True, allow_bucket_deletion=True)

    def keys(self, bucket: str) -> list[str]:
        found = self.files().get_file_info(pafs.FileSelector(bucket, recursive=True))
        return sorted(f.path for f in found if f.is_file)

    def unfinished_uploads(self, bucket: str, key: str) -> int:
        text = urllib.request.urlopen(f"{self.endpoint}/{bucket}?uploads").read().decode()
        return text.count(f"<Key>{key}</Key>")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serving(command: list[str], port: int, path: str = "/", env: dict[str, str] | None = None) -> Iterator[S3Server]:
    """A server in a process of its own, from when it answers until the block is left."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").close()
                    break
                except urllib.error.HTTPError:
                    break  # it answers: who does not sign is refused
                except OSError:
                    pass
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"the S3 server did not start: {log.read().decode()[-2000:]}")
                time.sleep(0.05)
            yield S3Server(port)
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    port = free_port()
    with serving([sys.executable, "-m", "moto.server", "-p", str(port)], port, "/moto-api/", {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": "7"}) as server:
        yield server
