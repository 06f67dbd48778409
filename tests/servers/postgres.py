"""A PostgreSQL server of the tests' own: a fresh cluster in a temporary folder, a Unix socket, nothing on the network (with tls=True also
a port of the loopback interface, which takes encrypted connections only, under a certificate of its own).

Started as the user `postgres` when the tests run as root, which the server refuses. Durability is off. Two roles: `postgres`
without a password, `reader` with one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "s3cret pass@word/'"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest version; None when the package is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresServer:
    def __init__(self, tls: bool = False) -> None:
        self.bin = programs()
        if self.bin is None:
            raise RuntimeError("no PostgreSQL server is installed: apt-get install postgresql")
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-postgres-"))
        self.socket = self.folder / "socket"
        self.data = self.folder / "data"
        self.socket.mkdir()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (self.folder, self.socket):
                os.chown(path, user.pw_uid, user.pw_gid)
            os.chmod(self.folder, 0o755)
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C", "-D", str(self.data))
        hba = self.data / "pg_hba.conf"
        hba.write_text("local all reader scram-sha-256\nlocal all all trust\nhostssl all reader 127.0.0.1/32 scram-sha-256\n")
        self.port = 0
        if tls:
            self._make_certificate()
        self.start()
        self.sql(f"create role reader login password '{PASSWORD.replace(chr(39), chr(39) * 2)}'")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def _make_certificate(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        key.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(key, "postgres", "postgres")

    def start(self) -> None:
        listen = f"-c listen_addresses=127.0.0.1 -p {self.port} -c ssl=on -c ssl_key_file={self.folder}/server.key -c ssl_cert_file={self.folder}/server.crt"
        options = f"-k {self.socket} {listen if self.port else '-c listen_addresses='} -c fsync=off -c full_page_writes=off -c max_connections=60"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-l", str(self.folder / "log"), "-o", options, "start")

    def kill(self) -> None:
        """As a crash ends it: at once, without a goodbye."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        self._run("pg_ctl", "-D", str(self.data), "-s", "-m", "immediate", "-w", "stop")
        for _ in range(100):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            try:
                self._run("pg_ctl", "-D", str(self.data), "-s", "-m", "immediate", "-w", "stop")
            except RuntimeError:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return f"host={self.socket} user=postgres dbname=postgres" + (f" port={self.port}" if self.port else "")

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.socket}"

    def sql(self, text: str, *parameters: object) -> list[tuple]:
        """Rows of a statement through psycopg, in a transaction of its own."""
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as connection:
            cursor = connection.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []
