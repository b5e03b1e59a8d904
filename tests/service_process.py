"""Run a real `lunops serve` in a process of its own, on simulated heads, and be its client."""

from __future__ import annotations

import http.client
import json
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lunops import pki
from lunops.model import Json
from lunops.sim.faults import Faults
from lunops.sim.head import SimulatedSystem
from lunops.store import Store
from lunops.store.rows import JobRecord

BASE = "/lun/api/v1.0"
READY = re.compile(r"lunops is ready: https://127\.0\.0\.1:(\d+) \(store \S+, \d+ heads?\)\n\Z")
WORKER_READY = re.compile(r"lunops worker is ready: \S+:\d+ \(store \S+, \d+ heads?, labels .+\)\n\Z")
GUARD_S = 60.0
OVER = ("complete", "failed")
_SERVE = "from lunops.cli import main; main()"


class World:
    """A folder with all that a service needs: certificates, settings, an inventory of simulated heads."""

    def __init__(self, folder: Path, heads: int = 2) -> None:
        self.folder = folder
        now = datetime.now(UTC)
        made = pki.init(folder / "tls", name=["localhost", "127.0.0.1"], now=now)
        alice = pki.issue(folder / "tls", "alice", now=now)
        self.context = ssl.create_default_context(cafile=made.ca.certificate)
        self.context.load_cert_chain(alice.certificate, alice.key)
        self.config = folder / "lunops.toml"
        self.store: str | Path = folder / "lunops.db"
        self.set_heads(heads)
        self.set_up()

    def set_heads(self, heads: int) -> None:
        """Write the inventory: jbod-01 with the pool p1, and so on."""
        lines = [f"jbod-{n:02} connection=sim pools=p{n} state=h{n}.db\n" for n in range(1, heads + 1)]
        (self.folder / "inventory").write_text("".join(lines))

    def use(self, url: str) -> None:
        """Keep jobs in another store: the URL of a PostgreSQL database."""
        self.store = url
        self.set_up()

    def set_up(self, **more: Json) -> None:
        """Write the settings."""
        if isinstance(self.store, str):
            more = {"store": self.store, **more}
        settings: dict[str, Json] = {
            "listen": "127.0.0.1:0",
            "certificate": "tls/server.crt",
            "key": "tls/server.key",
            "client_ca": "tls/ca.crt",
            "inventory": "inventory",
            **more,
        }
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))

    def head(self, number: int = 1) -> SimulatedSystem:
        """Return a view of a head, to look at it and to set its faults. Close it."""
        return SimulatedSystem(self.folder / f"h{number}.db", pools=[f"p{number}"])

    def slow_down(self, number: int = 1, /, **delays_s: float) -> None:
        """Make operations of a head slow: `zfs_clone=0.2` is each `zfs clone`."""
        head = self.head(number)
        head.set_faults(Faults(delays_s={name.replace("_", " "): value for name, value in delays_s.items()}))
        head.close()

    def made(self, prefix: str, number: int = 1) -> list[str]:
        """Return the clones and targets whose name begins so and that were ever made on a head, in order."""
        head = self.head(number)
        found = []
        for change in head.journal():
            clone = re.search(rf"/({prefix}[^/ ]*)\Z", change.what) if change.kind == "zfs clone" else None
            target = re.search(rf"/iscsi/iqn[^/]*:({prefix}[^/]*)\Z", change.what) if change.kind == "mkdir" else None
            found += [f"clone {clone[1]}"] if clone else [f"target {target[1]}"] if target else []
        head.close()
        return found

    def left(self, prefix: str, number: int = 1) -> list[str]:
        """Return what there is of the LUNs whose name begins so: datasets, targets, saved objects."""
        head = self.head(number)
        try:
            names = head.run(["zfs", "list", "-H", "-o", "name", "-t", "volume"]).out.split()
            saved = "/etc/rtslib-fb-target/saveconfig.json"
            kept = json.loads(head.read(saved)) if head.exists(saved) else {}
            names += head.listdir("/sys/kernel/config/target/iscsi")
            names += [each["wwn"] for each in kept.get("targets", [])]
            names += [each["dev"] for each in kept.get("storage_objects", [])]
            return [name for name in names if re.search(rf"[/:]{prefix}", name)]
        finally:
            head.close()

    def runs(self, job_id: str, module: str) -> int:
        """Return how often a job began its task of this module."""
        return max(run.run for run in self.record(job_id).runs if run.module == module)

    def record(self, job_id: str) -> JobRecord:
        """Return all that the store knows of a job."""
        store = Store(self.store)
        try:
            record = store.record(job_id)
        finally:
            store.close()
        assert record is not None
        return record

    def wait_for_run(self, job_id: str, module: str, run: int) -> None:
        """Wait until a job has begun its task of this module for the so-manieth time."""
        until = time.monotonic() + GUARD_S
        while self.runs(job_id, module) < run:
            assert time.monotonic() < until, f"{module} is not begun for the {run}. time"
            time.sleep(0.02)

    def serve(self, *options: str) -> Service:
        """Start a service and wait until it is ready."""
        process, match = self._start(READY, "serve", *options)
        return Service(process=process, port=int(match[1]), context=self.context)

    def work(self, *options: str) -> Process:
        """Start a worker and wait until it is ready."""
        process, _ = self._start(WORKER_READY, "worker", *options)
        return Process(process=process)

    def _start(self, ready: re.Pattern[str], *words: str) -> tuple[subprocess.Popen[str], re.Match[str]]:
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, words[0], "--config", str(self.config), *words[1:]],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        match = ready.match(line)
        if match is None:
            process.kill()
            process.wait(GUARD_S)
            process.stdout.close()
            raise AssertionError(f"not ready but {line!r}: {(self.folder / 'log').read_text()}")
        return process, match


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of lunops' that goes on until it is ended."""

    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as a power failure would: with SIGKILL."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        try:
            return self.process.wait(GUARD_S)
        finally:
            self.process.kill()
            self.process.wait(GUARD_S)
            if self.process.stdout is not None:
                self.process.stdout.close()


@dataclass(frozen=True, kw_only=True)
class Service(Process):
    """A running service."""

    port: int
    context: ssl.SSLContext

    def request(
        self, method: str, path: str, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request on a connection of its own; return code and parsed body."""
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=GUARD_S)
        try:
            connection.request(method, BASE + path, None if body is None else json.dumps(body), dict(headers or {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def create(self, *items: Json) -> str:
        """Ask for LUNs; return the job's id."""
        code, answer = self.request("POST", "/clone", {"clones": list(items)})
        assert code == 200, answer
        return str(answer["job_id"])

    def delete(self, *items: Json) -> str:
        """Ask for the removal of LUNs; return the job's id."""
        code, answer = self.request("DELETE", "/clone", {"clones": list(items)})
        assert code == 200, answer
        return str(answer["job_id"])

    def status(self, job_id: str) -> dict[str, Any]:
        """Return the job's status."""
        code, answer = self.request("GET", f"/clone_status/{job_id}")
        assert code == 200, answer
        return dict(answer)

    def wait(self, job_id: str, *words: str, num_clones: int = 0) -> dict[str, Any]:
        """Poll until the status is one of these (by default: the job is over) and so many clones are made."""
        until = time.monotonic() + GUARD_S
        while time.monotonic() < until:
            answer = self.status(job_id)
            if answer["status"] in (words or OVER) and answer["num_clones"] >= num_clones:
                return answer
            assert words == () or answer["status"] not in OVER, answer
            time.sleep(0.02)
        raise AssertionError(f"the job stays at {answer}")
