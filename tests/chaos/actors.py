"""The processes of the service: one front, any number of workers, each ended by its own process id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.support.started import ROOT

START_S = 60.0
_READY = {
    "front": re.compile(r"^lunops is ready: https://127\.0\.0\.1:(\d+)", re.M),
    "worker": re.compile(r"^lunops worker is ready()", re.M),
}


class Actor:
    """One process of the service, started again after each kill. For any thread."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        """Remember how to start it: `lunops` with these words, in this folder."""
        self.name = name
        self.ready_at = 0.0  # when its present life was first seen to be ready, by the wall clock; 0 before
        self._ready = _READY["worker" if words[0] == "worker" else "front"]
        self._folder = folder
        self._words = words
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._lock = threading.RLock()
        self.falls: list[str] = []  # what it said in the lives that it ended by itself

    @property
    def pid(self) -> int:
        """Its process id, 0 if it does not run."""
        process = self._process
        return 0 if process is None else process.pid

    @property
    def port(self) -> int:
        """Where it answers, 0 as long as it does not: it is another port in each life."""
        found = self._ready.search(self.out)
        return int(found[1] or 0) if found else 0

    @property
    def out(self) -> str:
        """What its present life has said on standard output."""
        path = self._path("out")
        return path.read_text("utf-8", "replace") if path.exists() else ""

    @property
    def log(self) -> str:
        """The end of what its present life has logged."""
        path = self._path("log")
        return path.read_text("utf-8", "replace")[-3000:] if path.exists() else ""

    def start(self) -> None:
        """Start it, without waiting for more."""
        with self._lock:
            self._lives += 1
            self.ready_at = 0.0
            with self._path("out").open("wb") as out, self._path("log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lunops", *self._words],
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self._folder / "state")},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=log,
                    start_new_session=True,
                )

    def is_ready(self) -> bool:
        """Return whether it has said so, lives, and goes on."""
        with self._lock:
            if self._process is None or self._process.poll() is not None or not self._ready.search(self.out):
                return False
            self.ready_at = self.ready_at or time.time()
            return not self._is_stopped

    def has_begun(self) -> bool:
        """Return whether it lives and has been ready; it may stand still."""
        with self._lock:
            return self.is_ready() or (self._process is not None and self.ready_at > 0)

    def wait_until_ready(self) -> None:
        """Wait until it is ready."""
        deadline = time.monotonic() + START_S
        while not self.is_ready():
            if self.has_fallen() or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} is not ready but says {self.out!r}: {self.log}")
            time.sleep(0.02)

    def has_fallen(self) -> bool:
        """Return whether it has ended by itself, which is noted in `falls`."""
        with self._lock:
            if self._process is None or self._process.poll() is None:
                return False
            self.falls.append(f"{self.name} ended by itself with {self._process.returncode}: {self.log}")
            self._process = None
            return True

    def kill(self) -> bool:
        """End it as kill -9 does; return whether it lived."""
        with self._lock:
            if self._process is None or self.has_fallen():
                return False
            self._process.kill()
            self._process.wait(START_S)
            self._process = None
            self._is_stopped = False
            return True

    def pause(self) -> int:
        """Let it stand still; return its process id, 0 if it does not run."""
        with self._lock:
            if self._process is None or self.has_fallen():
                return 0
            self._is_stopped = True
            self._process.send_signal(signal.SIGSTOP)
            return self._process.pid

    def go_on(self, pid: int) -> None:
        """Let it go on, if it is still the same process that stands still."""
        with self._lock:
            if self._is_stopped and self._process is not None and self._process.pid == pid:
                self._is_stopped = False
                self._process.send_signal(signal.SIGCONT)

    def end(self) -> int | None:
        """End it as an operator does, with SIGTERM, and with SIGKILL if that takes too long; return its exit code."""
        with self._lock:
            if self._process is None or self.has_fallen():
                return None
            self.go_on(self._process.pid)
            self._process.send_signal(signal.SIGTERM)
            try:
                return self._process.wait(START_S)
            finally:
                self._process.kill()
                self._process.wait(START_S)
                self._process = None

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self.name}-{self._lives}.{kind}"


class Crew:
    """All of them. Without workers the front does the work as well."""

    def __init__(self, folder: Path, config: Path, workers: int) -> None:
        """Prepare them; none runs yet."""
        alone = [] if workers == 0 else ["--no-worker"]
        self.front = Actor(folder, "front", "serve", "--config", str(config), *alone)
        names = [f"worker{number}" for number in range(1, workers + 1)]
        self.workers = [Actor(folder, name, "worker", "--config", str(config)) for name in names]

    @property
    def all(self) -> list[Actor]:
        """Front and workers."""
        return [self.front, *self.workers]

    @property
    def doers(self) -> list[Actor]:
        """Those that do jobs."""
        return self.workers or [self.front]

    def start(self) -> None:
        """Start all and wait until they are ready; the front first, which makes the store."""
        self.front.start()
        self.front.wait_until_ready()
        for each in self.workers:
            each.start()
        for each in self.workers:
            each.wait_until_ready()

    def start_fallen(self) -> None:
        """Start again what has ended by itself."""
        for each in self.all:
            if each.has_fallen():
                each.start()

    def kill(self) -> None:
        """End what is left, whatever happened."""
        for each in self.all:
            each.kill()
