"""The agent's loop: take a task from standard input, do it, tell how it goes, until the input ends."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import threading
import traceback

from lunops.agent import wedged
from lunops.agent.names import WAIT_S, Names
from lunops.agent.outcome import Busy, ItemError, Outcome
from lunops.agent.protocol import ALIVE_S, PROTOCOL
from lunops.agent.quiet import Quiet, leave
from lunops.agent.registry import MODULES, load
from lunops.agent.reports import Reports
from lunops.agent.runs import Runs, at_work, named_in
from lunops.agent.system import System
from lunops.agent.watch import HANG_S, Watch, watched
from lunops.agent.work import BUG, Item, Work

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict

_LOOK_S = 1.0  # how often a running task is looked at


def main() -> None:
    """Serve the head that this process runs on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is the controller's to handle
    signal.signal(signal.SIGTERM, lambda number, _frame: leave(128 + number))  # not without what it has started
    if serve(System(), sys.stdin.buffer, sys.stdout.buffer):
        # This process stays for as long as its thread hangs, and its files with it: let go of the connection.
        for handle in (0, 1, 2):
            os.close(handle)
        os._exit(0)


def serve(system: System, stdin: BinaryIO, stdout: BinaryIO) -> bool:
    """Speak the protocol until the input ends; a task that is running then ends after its present items.

    Return whether a thread of this process hangs in the kernel, and is not to be waited for.
    """
    agent = Agent(system, stdout)
    agent.loop(stdin)
    return agent.is_wedged


class Agent:
    """One session with a controller.

    `begin` is called with each task, and sees that its `run` is called: here, by a thread that is made for it.
    """

    def __init__(self, system: System, stdout: BinaryIO, begin: Callable[[RunningTask], None] | None = None) -> None:
        self._system = system
        self._stdout = stdout
        self._begin = begin or _in_a_thread
        self._runs = Runs(system)
        self.names = Names(system)
        self._quiet = Quiet(system, self.cancel, self._over_now)
        self._writing = threading.Lock()
        self._work: Work | None = None
        self._over = threading.Event()  # set when the present task has ended, or was given up
        self._over.set()
        self.is_wedged = False  # a thread of this process hangs in the kernel

    def loop(self, stdin: BinaryIO) -> None:
        """Read requests until the input ends."""
        self.greet()
        try:
            for line in stdin:
                request = json.loads(line)
                if request["do"] == "alive":
                    self._quiet.heard(float(request["quiet_s"]))
                elif request["do"] == "pipe":
                    with self._quiet.suspended():
                        goes_on = self._pipe(request, stdin)
                    if not goes_on:
                        break
                else:
                    self.take(request)
        except (ValueError, KeyError, TypeError) as error:
            self.send(event="error", what="not a request of protocol %d: %r" % (PROTOCOL, error))
        self.end()

    def greet(self) -> None:
        """Say hello."""
        self.send(
            event="hello",
            protocol=PROTOCOL,
            python=platform.python_version(),
            hostname=platform.node(),
            pid=os.getpid(),
            uid=os.getuid(),
            **self._wedged(),
        )

    def end(self) -> None:
        """Cancel what runs, and wait for its end."""
        self.cancel()
        self._over.wait()
        self._runs.release()
        self.names.release()

    def send(self, **event: Any) -> None:
        """Write one event; a controller that is gone cancels what runs."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            with self._writing:
                self._stdout.write(line)
                self._stdout.flush()
        except (OSError, ValueError):
            self.cancel()

    def _wedged(self) -> Dict[str, str]:
        """Return what a hello says more on a head that takes no LIO work."""
        error = wedged.reason(self._system)
        return {"wedged": error.what, "wedged_fix": error.fix} if error else {}

    def cancel(self) -> None:
        """Let what runs end between two items."""
        work = self._work
        if work is not None:
            work.cancelled.set()

    def take(self, request: Dict[str, Any]) -> None:
        """Begin what is asked for, or cancel what runs; raises ValueError, KeyError or TypeError for what is none."""
        if request["do"] == "cancel":
            self.cancel()
            return
        if request["do"] == "let_go":
            self._over.wait()
            self.names.release()
            return
        if request["do"] == "alive":
            return  # an agent within its controller's process ends with it; `loop` is that of the others
        self._over.wait()  # one task at a time, in order
        if request["do"] == "at_work":
            who = at_work(self._system, str(request["run"]), but=self._runs.files)
            self.send(event="at_work", id=request["id"], who=who)
            return
        module = "undo" if request["do"] == "undo" else request["module"]
        if request["do"] not in ("task", "undo") or module not in MODULES:
            raise ValueError("unknown request %s %s" % (request["do"], module))
        items = [Item(item["key"], item if module == "undo" else item["args"]) for item in request["items"]]
        reports = Reports(self.send, request["id"], check=bool(request.get("check")))
        watch = Watch(self._system, float(request.get("hang_s", HANG_S)))
        runs = set() if request.get("check") else named_in(request)
        for run in runs:
            self._runs.hold(run)
        work = Work(
            watched(self._system, watch),
            reports.item,
            check=bool(request.get("check")),
            forks=int(request.get("forks", 4)),
            timeout_s=float(request.get("timeout_s", 600)),
        )
        work.take_names = lambda wanted: self.names.take_all(wanted, work, 0.0, sorted(runs))
        self._work = work
        self._over = threading.Event()

        def busy() -> Dict[str, Busy]:
            wait_s = float(request.get("lock_wait_s", WAIT_S))
            return self.names.take(module, work, items, wait_s, sorted(runs), lambda: self.send(event="alive"))

        self._begin(RunningTask(self, request["id"], module, work, items, reports, watch, self._over, busy))

    def _over_now(self) -> threading.Event:
        return self._over

    def _pipe(self, request: Dict[str, Any], stdin: BinaryIO) -> bool:
        """Be one end of a stream; return whether the protocol goes on after it."""
        from lunops.agent import pipe, receive, send  # few sessions are one end of a stream

        self._over.wait()
        argv = (receive if request["side"] == pipe.RECEIVE else send).command(request["args"])
        stream = pipe.Stream(self._system, stdin, self._stdout, float(request["stall_s"]))
        self.send(event="pipe_started", id=request["id"])
        try:
            over, is_whole = stream.run(request["side"], argv)
        except OSError:
            return False  # the controller is gone
        self.send(event="pipe_finished", id=request["id"], **over)
        return stream.drain() if request["side"] == pipe.RECEIVE and not is_whole else is_whole


def _in_a_thread(task: RunningTask) -> None:
    threading.Thread(target=task.run, daemon=True).start()


class RunningTask:
    """One task under way: a thread that does it, and one that sees that it does not hang."""

    def __init__(
        self,
        agent: Agent,
        name: str,
        module: str,
        work: Work,
        items: list[Item],
        reports: Reports,
        watch: Watch,
        over: threading.Event,
        busy: Callable[[], Dict[str, Busy]],
    ) -> None:
        self._agent = agent
        self._name = name
        self._module = module
        self._work = work
        self.items = items
        self._reports = reports
        self._watch = watch
        self._over = over
        self._take_names = busy
        self._system = watch.system  # not the watched one, which does nothing for a task that was given up
        self._begun = self._system.monotonic()
        self._telling = threading.Lock()
        self._is_told = False
        self._marking = threading.Lock()
        watch.came_back = self._came_back

    def run(self, *, attended: bool = True) -> None:
        """Do the task; whatever happens, its end is told. Who hears every word at once needs no attendance."""
        self._begun = self._system.monotonic()  # not before: its turn may come later than the task
        self._agent.send(event="task_started", id=self._name)
        if attended:
            threading.Thread(target=self._attend, daemon=True).start()
        error = None
        try:
            self._do()
        except ItemError as failure:
            error = failure
        except OSError as failure:
            error = ItemError("%s: %s" % (failure.filename or self._module, failure.strerror or failure))
        except Exception:  # a bug of ours must reach the controller whole, and not leave it waiting
            error = ItemError("the agent failed: %s" % traceback.format_exc(), BUG)
        except SystemExit:  # this thread is to do nothing more; who attends, tells the end
            if not attended:
                self._over.set()
            raise
        self._finish(error)

    def _do(self) -> None:
        """Do the items whose names are to be had."""
        busy = self._take_names()
        for item in self.items:
            if item.key in busy:
                if self._work.cancelled.is_set():
                    self._work.skip(item)
                else:
                    self._work.report(item, Outcome().fail(busy[item.key]))
        items = [item for item in self.items if item.key not in busy]
        if items:
            load(self._module)(self._work, items)

    def _finish(self, error: ItemError | None) -> None:
        seconds = self._system.monotonic() - self._begun
        with self._telling:
            self._is_told = True
        self._reports.finish(self.items, error, seconds, self._work.wait_s)
        self._over.set()

    def _attend(self) -> None:
        """Say that the agent is alive while the task runs, and give it up when it hangs in the kernel."""
        spoken = self._system.monotonic()
        while not self._over.wait(min(_LOOK_S, self._watch.hang_s / 4)):
            if self._system.monotonic() - spoken >= ALIVE_S:
                spoken = self._system.monotonic()
                with self._telling:  # nothing may come behind the end: a stream may begin there
                    if not self._is_told:
                        self._agent.send(event="alive")
            with self._marking:
                hangs = self._watch.give_up(self._work.deadline)
                if hangs is not None:
                    self._agent.is_wedged = True
                    step, seconds = hangs
                    self._finish(wedged.mark(self._system, step, self._system.time() - seconds))
                    return

    def _came_back(self) -> None:
        """Take the mark away: the call that hung has returned. It was only slow, and the head is not wedged."""
        with self._marking:  # not before the mark is there
            self._agent.is_wedged = False
            wedged.unmark(self._system)
