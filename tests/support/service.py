"""A real `lunops serve` with certificates of its own, and curl as its client."""

from __future__ import annotations

import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LUNOPS = [str(Path(sys.executable).with_name("lunops"))]  # the command that `make setup` leaves
API = "/lun/api/v1.0"
_READY_S = 60.0


class Service:
    """One service process with its folder: certificates, settings, inventory, store.

    `say` is told every curl call and its reply, as one would type and read them.
    """

    def __init__(self, folder: Path, inventory: str, *, say: Callable[[str], None] = lambda _text: None) -> None:
        self.folder = folder
        self.say = say
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.ready = ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "inventory").write_text(inventory)
        if not (folder / "pki").exists():
            self._lunops("pki", "init", "pki", "--name", "localhost")
            self._lunops("pki", "issue", "pki", "client")
        (folder / "lunops.toml").write_text(
            'listen = "127.0.0.1:0"\n'
            'certificate = "pki/server.crt"\n'
            'key = "pki/server.key"\n'
            'client_ca = "pki/ca.crt"\n'
            'inventory = "inventory"\n'
            'store = "sqlite:///lunops.db"\n'
        )

    def _lunops(self, *words: str) -> None:
        self.say("$ lunops " + shlex.join(words))
        subprocess.run([*LUNOPS, *words], cwd=self.folder, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def start(self) -> Service:
        """Start it and wait until it says that it is ready."""
        log = (self.folder / "serve.log").open("ab")
        self.say("$ lunops serve --config lunops.toml &")
        self.process = subprocess.Popen(
            [*LUNOPS, "serve", "--config", "lunops.toml"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        log.close()
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(_READY_S):
                self.kill()
                raise TimeoutError(f"the service was not ready within {_READY_S:g} s: {self.log()}")
        self.ready = self.process.stdout.readline().strip()
        if not self.ready:
            raise RuntimeError(f"the service ended at its start: {self.log()}")
        self.say(self.ready)
        self.port = int(self.ready.split("https://127.0.0.1:")[1].split()[0])
        return self

    def stop(self) -> int:
        """End it as an operator does (SIGTERM); return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return code

    def log(self) -> str:
        """Return the end of what it wrote to standard error."""
        return (self.folder / "serve.log").read_text(errors="replace")[-4000:]

    # -- a client ---------------------------------------------------------------------------------------------

    def curl(
        self, method: str, path: str, body: Any = None, *, client: str = "client", ca: str = "pki/ca.crt"
    ) -> tuple[int, str]:
        """Call the service with curl; return curl's exit code and the reply."""
        argv = ["curl", "-s", "-S", "--cacert", ca]
        if client:
            argv += ["--cert", f"pki/{client}.crt", "--key", f"pki/{client}.key"]
        argv += ["-X", method]
        if body is not None:
            argv += ["-H", "Content-Type: application/json", "-d", body if isinstance(body, str) else json.dumps(body)]
        argv.append(f"https://localhost:{self.port}{API}{path}")
        self.say("$ " + shlex.join(argv))
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        reply = done.stdout or done.stderr
        self.say(reply.strip())
        return done.returncode, reply

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Call the service and return its reply, which must be a JSON object."""
        code, reply = self.curl(method, path, body)
        assert code == 0, reply
        value: dict[str, Any] = json.loads(reply)
        return value

    def submit(self, method: str, clones: list[dict[str, Any]]) -> str:
        """Post a job; return its id."""
        reply = self.call(method, "/clone", {"clones": clones})
        assert reply["status"] == "ok", reply
        return str(reply["job_id"])

    def finished(self, job: str, *, timeout_s: float = 600.0) -> dict[str, Any]:
        """Poll a job's status until it has ended, and return it; only the last poll is shown."""
        deadline = time.monotonic() + timeout_s
        say, self.say = self.say, lambda _text: None
        try:
            while True:
                status = self.call("GET", f"/clone_status/{job}")
                if status["status"] in ("complete", "failed"):
                    break
                assert time.monotonic() < deadline, f"the job has not ended: {status}"
                time.sleep(0.2)
        finally:
            self.say = say
        return self.call("GET", f"/clone_status/{job}")
