"""A real PostgreSQL of the tests' own: on loopback, with a port and password of its own, in one folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.sshd import descendants
from tests.support.started import is_gone

_USER = "lunops"
_GUARD_S = 60.0
# Ends the server and takes its folder away if the process of the tests is gone without having done so (kill -9).
_WATCH = """
read -r word && exit 0
pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$pid" && while kill -0 "$pid"; do sleep 0.1; done
rm -rf "$1"
"""


def programs() -> Path | None:
    """Return the folder of initdb and postgres, the newest version's, or None where PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Postgres:
    """One cluster with its server, which is started at once; end it with `close`.

    It is in a temporary folder of its own: pytest's are closed to other users, and PostgreSQL refuses to run as root,
    so that root runs it as the user postgres. Connections need the password that `url` gives, since any user of
    this machine reaches loopback.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        found = programs()
        assert found, "PostgreSQL is not installed: run tests/tools/packages base"
        self._programs = found
        self._fsync = "on" if fsync else "off"
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lunops-postgres-"))
        self._watch = subprocess.Popen(
            ["sh", "-c", _WATCH, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, as libpq takes it."""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database, in the place of one of this name, and return its URL.

        The server is started if a test left it down.
        """
        self.start()
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            # Copying files by the WAL needs no checkpoint before and after, which costs more than a small copy.
            connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY wal_log").format(sql.Identifier(name)))
        return self.url(name)

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has said so far."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it takes connections; nothing if it runs."""
        if self._process is not None:
            return
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": self._fsync,
            # Not synchronous_commit, which a kill of the server alone would show.
            "full_page_writes": self._fsync,
            "max_connections": "300",
            "shared_buffers": "32MB",
        }
        words = [f"--{name}={value}" for name, value in settings.items()]
        self._process = self._popen("postgres", "-D", str(self.folder / "data"), *words)
        deadline = time.monotonic() + _GUARD_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log
                self._end(signal.SIGQUIT)
                raise AssertionError(f"PostgreSQL does not run: {said}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as its service does: sessions are cut, all is written; nothing if it is down."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut does: its sessions are cut without a word, and the next start has to recover."""
        if self._process is None:
            return
        # The server itself ends by SIGQUIT: SIGKILL would leave its System V memory behind. Stopped meanwhile, it
        # cannot start others in the place of those that are killed.
        self._process.send_signal(signal.SIGSTOP)
        for pid in descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.send_signal(signal.SIGQUIT)
        self._process.send_signal(signal.SIGCONT)
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop it and start it."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once and take its folder away."""
        try:
            self._end(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._watch.poll() is None:
                self._watch.communicate(b"done\n", timeout=_GUARD_S)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        under = descendants(process.pid)
        process.send_signal(number)
        try:
            process.wait(_GUARD_S)
        finally:
            for pid in (process.pid, *(each for each in under if not is_gone(each))):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(_GUARD_S)

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self._password)
        if self._owner is not None:
            for path in (self.folder, secret):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        made = self._popen(
            "initdb", f"--pgdata={self.folder / 'data'}", f"--username={_USER}", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        try:
            assert made.wait(_GUARD_S) == 0, f"initdb failed: {self.log}"
        finally:
            made.kill()
            made.wait(_GUARD_S)
        secret.unlink()

    def _popen(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / program), *words],
                cwd=self.folder,
                # Not what PGPORT and the like say in the environment of the tests.
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._owner and self._owner.pw_uid,
                group=self._owner and self._owner.pw_gid,
                extra_groups=[] if self._owner else None,
                # A Ctrl-C is for the tests, which end the server when they are done.
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        """Say whether the server's own file tells so, as `pg_ctl --wait` reads it."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and int(lines[0]) == self.pid and lines[7].strip() == "ready"
        return False


@contextlib.contextmanager
def running(*, fsync: bool = False) -> Iterator[Postgres]:
    """Give a server of one's own, and end it."""
    server = Postgres(fsync=fsync)
    try:
        yield server
    finally:
        server.close()


def _free_port() -> int:
    """Return a port that nobody listens on.

    It is below those that the kernel gives to connections: one of them could have it while the server is down.
    """
    while True:
        port = 15000 + secrets.randbelow(15000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
