"""The agent's loop: take a task from standard input, do it, tell how it goes, until the input ends."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import threading
import traceback

from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.protocol import ALIVE_S, PROTOCOL
from lunops.agent.registry import MODULES
from lunops.agent.runs import Runs, named_in
from lunops.agent.system import System
from lunops.agent.work import BUG, Item, Work

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict


def main() -> None:
    """Serve the head that this process runs on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is the controller's to handle
    serve(System(), sys.stdin.buffer, sys.stdout.buffer)


def serve(system: System, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Speak the protocol until the input ends; a task that is running then ends after its present items."""
    Agent(system, stdout).loop(stdin)


class Agent:
    """One session with a controller."""

    def __init__(self, system: System, stdout: BinaryIO) -> None:
        self._system = system
        self._stdout = stdout
        self._runs = Runs(system)
        self._writing = threading.Lock()
        self._work: Work | None = None
        self._thread: threading.Thread | None = None

    def loop(self, stdin: BinaryIO) -> None:
        """Read requests until the input ends."""
        self.send(
            event="hello",
            protocol=PROTOCOL,
            python=platform.python_version(),
            hostname=platform.node(),
            pid=os.getpid(),
            uid=os.getuid(),
        )
        try:
            for line in stdin:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            self.send(event="error", what="not a request of protocol %d: %r" % (PROTOCOL, error))
        self._cancel()
        if self._thread is not None:
            self._thread.join()
        self._runs.release()

    def send(self, **event: Any) -> None:
        """Write one event; a controller that is gone cancels what runs."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            with self._writing:
                self._stdout.write(line)
                self._stdout.flush()
        except (OSError, ValueError):
            self._cancel()

    def _cancel(self) -> None:
        work = self._work
        if work is not None:
            work.cancelled.set()

    def _take(self, request: Dict[str, Any]) -> None:
        if request["do"] == "cancel":
            self._cancel()
            return
        if self._thread is not None:
            self._thread.join()  # one task at a time, in order
        module = "undo" if request["do"] == "undo" else request["module"]
        if request["do"] not in ("task", "undo") or module not in MODULES:
            raise ValueError("unknown request %s %s" % (request["do"], module))
        args = [Item(item["key"], item if module == "undo" else item["args"]) for item in request["items"]]
        task, check = request["id"], bool(request.get("check"))
        for run in () if check else named_in(request):
            self._runs.hold(run)
        work = Work(
            self._system,
            lambda item, outcome, seconds: self.send(
                event="item", id=task, key=item.key, seconds=round(seconds, 6), **outcome.event(check=check)
            ),
            check=check,
            forks=int(request.get("forks", 4)),
            timeout_s=float(request.get("timeout_s", 600)),
        )
        self._work = work
        self._thread = threading.Thread(target=self._run, args=(task, module, work, args), daemon=True)
        self._thread.start()

    def _run(self, task: str, module: str, work: Work, items: list[Item]) -> None:
        self.send(event="task_started", id=task)
        over = threading.Event()
        alive = threading.Thread(target=self._say_alive, args=(over,), daemon=True)
        alive.start()
        begun = self._system.monotonic()
        error, fix = "", ""
        try:
            MODULES[module](work, items)
        except ItemError as failure:
            error, fix = failure.what, failure.fix
        except OSError as failure:
            error = "%s: %s" % (failure.filename or module, failure.strerror or failure)
        except Exception:  # a bug of ours must reach the controller whole, and not leave it waiting
            error, fix = (
                "the agent failed: %s" % traceback.format_exc(),
                BUG,
            )
        for item in items:
            if item.key not in work.reported:
                work.report(item, Outcome().fail(ItemError(error or "was not done", fix)), 0.0)
        over.set()
        seconds = self._system.monotonic() - begun
        self.send(event="task_finished", id=task, seconds=round(seconds, 6), wait_s=round(work.wait_s, 6))

    def _say_alive(self, over: threading.Event) -> None:
        while not over.wait(ALIVE_S):
            self.send(event="alive")
